"""Files that customers send: fetched from Meta while it has them, kept for a while, then purged."""

import base64
import binascii
import hashlib
import logging
import time
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import connection, transaction
from django.db.models import Q
from django.db.models.functions import Now

from accounts import numbers
from accounts.models import ApiKey, Tenant
from gosend.lib import doorbell, ids
from gosend.lib.errors import DomainError
from gosend.whatsapp import files
from gosend.whatsapp.client import GraphClient
from gosend.whatsapp.errors import GraphError
from messaging.models import MediaFile, Message

log = logging.getLogger(__name__)

TASK = "messaging.fetch_media"
TYPES = frozenset({"image", "video", "audio", "document", "sticker"})
# Meta forgets an inbound file after seven days.
LIFETIME = timedelta(days=7)
# A claimed file is nobody else's for this long: two questions and a download, and one of each again.
_LEASE_SECONDS = 150
# Seconds after which one run fetches nothing more.
RUN_SECONDS = 20.0
_RETRY_SECONDS = (5, 30, 120, 600, 3600, 21_600, 86_400)


class MediaNotReady(DomainError):
    code = "media_not_ready"


class MediaGone(DomainError):
    code = "media_gone"


class NotFetched(Exception):
    """A file could not be had this time."""


def expect(*, message: Message, meta_message: dict[str, Any]) -> MediaFile | None:
    """Note the file of an inbound message, in the caller's transaction, and ring for a worker."""
    media = meta_message.get(message.type) if message.type in TYPES else None
    if not isinstance(media, dict):
        return None
    media_id = media.get("id")
    if not isinstance(media_id, str | int) or not str(media_id):
        return None
    file = MediaFile.objects.create(
        tenant_id=message.tenant_id,
        phone_number_id=message.phone_number_id,
        message=message,
        media_id=str(media_id)[:100],
        mime_type=_text(media, "mime_type", 200),
        filename=_text(media, "filename", 300),
        sha256=_text(media, "sha256", 100),
    )
    doorbell.ring(TASK)
    return file


def address_of(file: MediaFile) -> str:
    """Where the file's own project can download it."""
    return f"{settings.PUBLIC_URL}/v1/media/{file.pk}"


def find(*, tenant: Tenant, environment: str, key: str) -> MediaFile | None:
    """One of the tenant's files by our id, or by Meta's; test and live never mix."""
    own_id = ids.parse_id(key)
    named = Q(media_id=key) if own_id is None else Q(media_id=key) | Q(pk=own_id)
    is_test = environment == ApiKey.Environment.TEST
    rows = tenant.media_files.filter(named, phone_number__is_sandbox=is_test)
    return rows.order_by("-pk").first()


def require_kept(file: MediaFile) -> None:
    """Raises MediaNotReady or MediaGone when there are no bytes to give."""
    if file.state == MediaFile.State.WAITING:
        raise MediaNotReady("The file is still on its way from Meta", retry_after=5)
    if file.state == MediaFile.State.GONE:
        raise MediaGone(file.error or "The file is not kept any more")


def fetch_due(*, seconds: float = RUN_SECONDS) -> int:
    """Fetch what is due, one after the other; return how many files were tried."""
    total = 0
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and (file := _take()) is not None:
        _fetch(file)
        total += 1
    return total


def purge(*, limit: int = 200) -> int:
    """Delete a batch of files past their retention; return how many."""
    if settings.MEDIA_RETENTION_DAYS <= 0:
        return 0
    before = Now() - timedelta(days=settings.MEDIA_RETENTION_DAYS)
    old = MediaFile.objects.filter(state=MediaFile.State.KEPT, fetched_at__lt=before).order_by("fetched_at")
    purged = 0
    for file in list(old[:limit]):
        # First the bytes: whoever stops in between leaves a row that is found again.
        try:
            default_storage.delete(file.path)
        except OSError:
            log.exception("file %s could not be deleted", file.pk)
            continue
        error = f"The file was deleted after {settings.MEDIA_RETENTION_DAYS} days"
        MediaFile.objects.filter(pk=file.pk).update(state=MediaFile.State.GONE, path="", error=error)
        purged += 1
    return purged


def _take() -> MediaFile | None:
    with connection.cursor() as cursor:
        cursor.execute(_TAKE, [_LEASE_SECONDS])
        row = cursor.fetchone()
    if row is None:
        return None
    return MediaFile.objects.select_related("phone_number__business_account").get(pk=row[0])


def _fetch(file: MediaFile) -> None:
    try:
        data, mime_type = _bytes(file, numbers.client_for(file.phone_number))
        _keep(file, data, mime_type)
    except (NotFetched, GraphError, OSError) as problem:
        _put_off(file, f"{type(problem).__name__}: {problem}")
    except Exception:
        log.exception("media file %s could not be fetched", file.pk)
        _put_off(file, "An unexpected fault; see the log")


def _keep(file: MediaFile, data: bytes, mime_type: str) -> None:
    """Store a file, unless somebody else was quicker, after our lease.

    Its place is always the same, and the row is locked meanwhile. So whoever is killed in between leaves
    bytes that the next try replaces, and nobody touches those that are kept.
    """
    with transaction.atomic():
        if not _lock_waiting(file):
            return
        default_storage.delete(_path(file))
        path = default_storage.save(_path(file), ContentFile(data))
        MediaFile.objects.filter(pk=file.pk).update(
            state=MediaFile.State.KEPT,
            path=path,
            size=len(data),
            mime_type=(file.mime_type or mime_type)[:200],
            fetched_at=Now(),
            due_at=None,
            error="",
        )


def _lock_waiting(file: MediaFile) -> bool:
    waiting = MediaFile.objects.filter(pk=file.pk, state=MediaFile.State.WAITING)
    return waiting.select_for_update().values_list("pk", flat=True).first() is not None


def _bytes(file: MediaFile, client: GraphClient) -> tuple[bytes, str]:
    """The file and its type, checked against the digests that Meta told."""
    for may_ask_again in (True, False):
        info = client.get_media_url(media_id=file.media_id, phone_number_id=file.phone_number.phone_number_id)
        if info.size > files.MAX_BYTES:
            raise NotFetched(f"The file has {info.size} bytes, over {files.MAX_BYTES}")
        try:
            data = client.download(url=info.url, max_bytes=files.MAX_BYTES)
        except GraphError as error:
            if may_ask_again and error.http_status == 404:  # an address that has ended
                continue
            raise
        for told in filter(None, (file.sha256, info.sha256)):
            if not _fits(told, data):
                raise NotFetched("The bytes do not fit the SHA-256 that Meta told")
        return data, info.mime_type
    raise NotFetched("Meta's address for the file does not work")


def _put_off(file: MediaFile, problem: str) -> None:
    delay = timedelta(seconds=_RETRY_SECONDS[min(file.attempt_count, len(_RETRY_SECONDS)) - 1])
    row = MediaFile.objects.filter(pk=file.pk)
    changes = {"due_at": Now() + delay, "error": problem[:300]}
    with transaction.atomic():
        if not _lock_waiting(file):
            return
        is_over = not row.filter(created_at__gt=Now() + delay - LIFETIME).exists()
        # What a killed try stored is named by no row until another succeeds. A file whose bytes cannot be
        # deleted is not given up, else they would be forgotten.
        if _is_cleared(file) and is_over:
            error = f"It could not be fetched within {LIFETIME.days} days. {problem}"
            changes = {"state": MediaFile.State.GONE, "due_at": None, "error": error[:300]}
        row.update(**changes)


def _is_cleared(file: MediaFile) -> bool:
    try:
        default_storage.delete(_path(file))
    except OSError:
        log.exception("file %s could not be deleted", file.pk)
        return False
    return True


def _path(file: MediaFile) -> str:
    """Where a file is stored, at every try."""
    return f"{file.tenant_id}/{file.created_at:%Y/%m/%d}/{file.pk}"


def _fits(told: str, data: bytes) -> bool:
    """Meta writes the digest in base64 or in hexadecimal."""
    digest = hashlib.sha256(data).digest()
    if told.lower() == digest.hex():
        return True
    try:
        return base64.b64decode(told, validate=True) == digest
    except binascii.Error:
        return False


def _text(media: dict[str, Any], key: str, longest: int) -> str:
    value = media.get(key)
    return value[:longest] if isinstance(value, str) else ""


_TAKE = """
WITH due AS (
    SELECT id FROM messaging_mediafile
     WHERE state = 'waiting' AND due_at <= statement_timestamp()
     ORDER BY due_at, id
     LIMIT 1
       FOR UPDATE SKIP LOCKED)
UPDATE messaging_mediafile f
   SET due_at = statement_timestamp() + make_interval(secs => %s), attempt_count = f.attempt_count + 1
  FROM due WHERE f.id = due.id
RETURNING f.id
"""
