"""Files that messages name by link: downloaded, checked, uploaded to Meta, remembered for a while."""

import hashlib
import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from typing import Any, Protocol, TypeVar
from urllib.parse import urljoin

from django.conf import settings
from django.db import connection
from django.db.models.functions import Now

from accounts.models import PhoneNumber
from gosend.lib import catalog, http
from gosend.lib.errors import DomainError
from gosend.whatsapp import files
from gosend.whatsapp.client import GraphClient
from gosend.whatsapp.errors import GraphError, Outcome
from gosend.whatsapp.links import Link
from messaging import pacing, spool
from messaging.models import MediaUpload
from messaging.spool import Spool

log = logging.getLogger(__name__)

# How long the same link stands for the file that it gave, as at Meta.
CACHE = timedelta(minutes=10)
# All downloads of one message; with the upload it must fit into the claim's lease.
DOWNLOAD_SECONDS = 15.0
MAX_REDIRECTS = 3
# Tries in a row after which a file that its own host might yet give is given up; Meta's faults have no
# such limit, for a message with a link waits for Meta as long as any other. And the waits between them.
MAX_TRIES = 5
_FIRST_DELAY_SECONDS = 2.0
_MAX_DELAY_SECONDS = 300.0
# A link that somebody else is bringing is waited for so long, and taken over after so long.
_WAIT_SECONDS = 8.0
_POLL_SECONDS = 0.1
_BRINGING_SECONDS = 50

# Requests of one tenant that wait for a link in one process at the same moment, so that slow links of one
# tenant leave room for the others' sends. Those of all tenants together take half of SYNCHRONOUS_SENDS at
# most: the other half is for messages without links.
INLINE_PER_TENANT = 2
_seats: Counter[int] = Counter()
_seats_lock = threading.Lock()

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_TEMPORARY = frozenset({408, 425, 429})
_PERMANENT_REASONS = frozenset({"blocked_address", "bad_url"})

Ids = dict[Link, str]
_Result = TypeVar("_Result")


class MediaDownloadFailed(DomainError):
    code = "media_download_failed"


class MediaTooLarge(DomainError):
    code = "media_too_large"


class UnsupportedMedia(DomainError):
    code = "unsupported_media"


_REFUSALS: dict[str, type[DomainError]] = {
    kind.code: kind for kind in (MediaDownloadFailed, MediaTooLarge, UnsupportedMedia)
}


@contextmanager
def seat(*, tenant_id: int) -> Iterator[bool]:
    """Whether one more request of a tenant may wait for its links in this process.

    A link can take as long as its server likes; more of a tenant's, or of all tenants together, are left
    to a worker, so that slow links do not hold all the threads that may wait.
    """
    most = max(1, settings.SYNCHRONOUS_SENDS // 2)
    with _seats_lock:
        is_free = _seats[tenant_id] < INLINE_PER_TENANT and _seats.total() < most
        _seats[tenant_id] += is_free
    try:
        yield is_free
    finally:
        with _seats_lock:
            _seats[tenant_id] -= is_free
            if not _seats[tenant_id]:
                del _seats[tenant_id]


class NotBrought(Exception):
    """A linked file is not at Meta. Nothing of the message went out; `is_final` says if it ever can.

    `answer` is Meta's, where it was Meta that did not take the file: to be heeded as that of a send.
    """

    def __init__(self, error: dict[str, Any], *, is_final: bool, answer: GraphError | None = None) -> None:
        super().__init__(error["message"])
        self.error = error
        self.is_final = is_final
        self.answer = answer

    def delay(self, tries: int) -> float | None:
        """Seconds until the next try, after so many in a row of this kind; None when there shall be none."""
        if self.is_final or (self.answer is None and tries >= MAX_TRIES):
            return None
        asked = self.answer.retry_after if self.answer else None
        growing = _FIRST_DELAY_SECONDS * 4.0 ** min(max(tries - 1, 0), MAX_TRIES)
        return max(asked or 0.0, min(growing, _MAX_DELAY_SECONDS))

    def is_like(self, error: dict[str, Any] | None) -> bool:
        """Whether the error that a message has already is of this kind: its link's, or Meta's."""
        return error is not None and (refusal_in(error) is None) == (self.answer is not None)


class Ask(Protocol):
    """Does something to the database: in the caller's thread, or where its connection is."""

    def __call__(self, act: Callable[[], _Result], /) -> _Result: ...


def _ask_here(act: Callable[[], _Result], /) -> _Result:
    return act()


def bring(
    *, client: GraphClient, number: PhoneNumber, links: tuple[Link, ...], ask: Ask = _ask_here
) -> Ids | NotBrought:
    """Bring the links of a message to Meta, one after the other. Call it outside a transaction.

    All that it says to the database it says through `ask`: it may wait long for the network in between.
    """
    stop_at = time.monotonic() + DOWNLOAD_SECONDS
    try:
        return {link: _bring(client, number, link, stop_at, ask) for link in links}
    except NotBrought as problem:
        return problem
    except Exception:
        log.exception("the files of a message could not be brought to Meta")
        return _temporary("A fault of ours; see the log", links[0])


def check(*, kind: str, data: files.Data) -> str:
    """Return the MIME type of a file; raises MediaTooLarge or UnsupportedMedia."""
    try:
        return files.check(kind=kind, data=data)
    except files.UnfitFile as unfit:
        details = {"limit": unfit.limit} if unfit.limit else None
        refusal = MediaTooLarge if unfit.is_too_large else UnsupportedMedia
        raise refusal(str(unfit), details=details) from unfit


def refusal_in(error: dict[str, Any]) -> type[DomainError] | None:
    """What kind of refusal of ours a message's stored error is; None when it is Meta's."""
    return _REFUSALS.get(str(error.get("gosend_code")))


def forget_expired(*, limit: int = 1000) -> int:
    """Delete a batch of links past their time; return how many."""
    old = MediaUpload.objects.filter(expires_at__lt=Now() - CACHE).order_by("expires_at")
    return MediaUpload.objects.filter(pk__in=old.values("pk")[:limit]).delete()[0]


def _bring(client: GraphClient, number: PhoneNumber, link: Link, stop_at: float, ask: Ask) -> str:
    """Return Meta's id of a linked file: a known one, one that somebody else brings, or our own."""
    give_up_at = time.monotonic() + _WAIT_SECONDS
    while isinstance(found := ask(partial(_take_or_know, number, link)), str):
        if found:
            return found
        if time.monotonic() > give_up_at:
            raise _temporary("The file is still being downloaded for another message", link)
        time.sleep(_POLL_SECONDS)
    row = MediaUpload.objects.filter(pk=found)
    try:
        media_id = _carry(client, number, link, stop_at, ask)
    except BaseException:
        ask(row.filter(media_id="").delete)
        raise
    ask(partial(row.update, media_id=media_id, expires_at=Now() + CACHE))
    return media_id


def _take_or_know(number: PhoneNumber, link: Link) -> int | str:
    """The row of a link that is now ours to bring, or Meta's id; none yet where somebody else brings it."""
    row_id = _take(number, link)
    return _known(number, link) if row_id is None else row_id


def _carry(client: GraphClient, number: PhoneNumber, link: Link, stop_at: float, ask: Ask) -> str:
    with spool.opened() as file:
        _download(link, stop_at, file)
        data = file.data()
        try:
            mime_type = check(kind=link.kind, data=data)
        except DomainError as refusal:
            raise NotBrought(_error(refusal, link), is_final=True) from refusal
        upload = partial(_upload, client, number, data, mime_type)
        # A Meta in this very process is no network but rows of the database.
        return ask(upload) if client.is_in_process else upload()


def _upload(client: GraphClient, number: PhoneNumber, data: files.Data, mime_type: str) -> str:
    try:
        return client.upload_media(
            phone_number_id=number.phone_number_id,
            data=data,
            mime_type=mime_type,
            filename=files.name_for(mime_type),
        )
    except GraphError as error:
        pacing.judged(error)
        # An upload of unknown outcome harms nobody when it is repeated.
        is_final = error.outcome is Outcome.FINAL
        raise NotBrought(error.as_dict(), is_final=is_final, answer=error) from error


def _download(link: Link, stop_at: float, file: Spool) -> None:
    limit = files.LIMITS[link.kind].max_bytes
    url = link.url
    for _ in range(MAX_REDIRECTS + 1):
        response = _get(url, link, limit, stop_at, file)
        location = response.headers.get("location")
        if response.status not in _REDIRECTS or not location:
            _require_whole(response, link, limit, file)
            return
        file.empty()
        try:
            url = urljoin(url, location)
        except ValueError:
            raise _final("The link redirects to something that is no address", link) from None
    raise _final(f"The link redirects more than {MAX_REDIRECTS} times", link)


def _get(url: str, link: Link, limit: int, stop_at: float, file: Spool) -> http.Response:
    """One request; the guard looks at the address of every hop."""
    left = stop_at - time.monotonic()
    if left <= 0:
        raise _temporary(f"The files of this message took over {DOWNLOAD_SECONDS:.0f} seconds", link)
    try:
        return http.fetch(
            method="GET",
            url=url,
            headers={"Accept": "*/*"},
            timeout_seconds=left,
            max_bytes=limit,
            guard=http.guard_of(tuple(settings.TRUSTED_NETWORKS)),
            sink=file.write,
        )
    except http.Failed as failed:
        fail = _final if failed.reason in _PERMANENT_REASONS else _temporary
        raise fail(f"The link could not be downloaded: {failed.reason}", link) from failed


def _require_whole(response: http.Response, link: Link, limit: int, file: Spool) -> None:
    if response.status >= 500 or response.status in _TEMPORARY:
        raise _temporary(f"The link answered {response.status}", link)
    if response.status != 200:
        raise _final(f"The link answered {response.status}", link)
    if file.is_refused:
        raise _temporary("Too many large files are on their way at this moment", link)
    if response.truncated:
        large = MediaTooLarge(str(files.too_large(link.kind, limit)), details={"limit": limit})
        raise NotBrought(_error(large, link), is_final=True)


def _final(message: str, link: Link) -> NotBrought:
    return NotBrought(_error(MediaDownloadFailed(message), link), is_final=True)


def _temporary(message: str, link: Link) -> NotBrought:
    return NotBrought(_error(MediaDownloadFailed(message), link), is_final=False)


def _error(refusal: DomainError, link: Link) -> dict[str, Any]:
    """A refusal in the shape of Meta's errors, as it is stored with the message."""
    entry = catalog.CATALOG[refusal.code]
    return {
        "code": None,
        "title": entry.cause,
        "message": refusal.message,
        "details": f"{link.kind}.link {link.url[:300]}",
        "fbtrace_id": "",
        "cure": entry.cure,
        "gosend_code": refusal.code,
        **(refusal.details or {}),
    }


def _digest(link: Link) -> bytes:
    return hashlib.sha256(link.url.encode("utf-8", "surrogatepass")).digest()


def _known(number: PhoneNumber, link: Link) -> str:
    rows = MediaUpload.objects.filter(
        phone_number=number, kind=link.kind, url_digest=_digest(link), expires_at__gt=Now()
    )
    return rows.values_list("media_id", flat=True).first() or ""


def _take(number: PhoneNumber, link: Link) -> int | None:
    """Make a link ours to bring; None when it is known, or somebody else's."""
    with connection.cursor() as cursor:
        cursor.execute(_TAKE, [number.pk, link.kind, _digest(link), _BRINGING_SECONDS])
        row = cursor.fetchone()
    return row[0] if row else None


_TAKE = """
INSERT INTO messaging_mediaupload AS held (phone_number_id, kind, url_digest, media_id, expires_at)
VALUES (%s, %s, %s, '', statement_timestamp() + make_interval(secs => %s))
ON CONFLICT (phone_number_id, kind, url_digest) DO UPDATE
   SET media_id = '', expires_at = excluded.expires_at
 WHERE held.expires_at <= statement_timestamp()
RETURNING id
"""
