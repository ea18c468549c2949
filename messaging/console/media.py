"""Files that customers sent, shown to who may see their messages."""

from collections.abc import Collection
from urllib.parse import quote

from django.core.files.storage import default_storage
from django.http import FileResponse, Http404
from django.http.response import HttpResponseBase

from accounts import access
from accounts.models import User
from gosend.whatsapp import files
from messaging.models import MediaFile, Message

# What a browser shows without running anything; everything else is saved, as bytes of no type.
_SAFE = frozenset({"image/jpeg", "image/png", "image/webp", "image/gif"})


def of(messages: Collection[Message]) -> dict[int, MediaFile]:
    """The kept or awaited files of some messages, by the message's id."""
    rows = MediaFile.objects.filter(message__in=[message.pk for message in messages])
    return {row.message_id: row for row in rows[: len(messages)] if row.message_id is not None}


def is_image(file: MediaFile) -> bool:
    return file.state == MediaFile.State.KEPT and files.bare(file.mime_type) in _SAFE


def find(file_id: int, *, user: User) -> MediaFile:
    """A kept file; 404 where there is none that the user may see."""
    rows = access.narrow(MediaFile.objects.all(), user=user, path="tenant_id")
    file = rows.filter(pk=file_id, state=MediaFile.State.KEPT).first()
    if file is None:
        raise Http404
    return file


def answer(file: MediaFile) -> HttpResponseBase:
    """Stream a file; 404 where its bytes are gone."""
    try:
        stream = default_storage.open(file.path)
    except FileNotFoundError as error:
        raise Http404 from error
    is_safe = is_image(file)
    response = FileResponse(stream)
    kind = files.bare(file.mime_type) if is_safe else files.UNKNOWN
    name = file.filename or files.name_for(files.bare(file.mime_type))
    response["Content-Type"] = kind
    response["Content-Disposition"] = (
        f"{'inline' if is_safe else 'attachment'}; filename*=UTF-8''{quote(name, safe='')}"
    )
    response["X-Content-Type-Options"] = "nosniff"
    response["Content-Security-Policy"] = "sandbox; default-src 'none'"
    response["Cache-Control"] = "private, no-store"
    return response
