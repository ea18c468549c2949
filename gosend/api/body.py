"""A request's body, up to a limit."""

import hashlib
from io import BytesIO
from mmap import ACCESS_READ, mmap

from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.core.files.uploadedfile import TemporaryUploadedFile, UploadedFile
from django.http import HttpRequest
from django.http.request import UnreadablePostError

from gosend.lib.errors import DomainError
from gosend.whatsapp import files


class BodyTooLarge(DomainError):
    code = "payload_too_large"


class BodyCutShort(DomainError):
    code = "malformed_json"


def read(request: HttpRequest, *, limit: int) -> bytes:
    """Return the body; refuse it by its Content-Length, and by its real size when it has none."""
    if _stated_length(request) > limit:
        raise _too_large(limit)
    if "chunked" in request.META.get("HTTP_TRANSFER_ENCODING", "").lower():
        _read_chunked(request, limit)
    try:
        if limit > (settings.DATA_UPLOAD_MAX_MEMORY_SIZE or limit):
            # Django would refuse what this door takes; the limit here is the door's own.
            request._body = request.read(limit + 1)
            request._stream = BytesIO(request._body)
        body = request.body
    except UnreadablePostError as error:
        raise BodyCutShort("The body ended before its Content-Length") from error
    except RequestDataTooBig as error:
        raise _too_large(limit) from error
    if len(body) > limit:
        raise _too_large(limit)
    return body


def admit_upload(request: HttpRequest, *, limit: int) -> None:
    """Refuse a form by its Content-Length; its parts are then read one after the other, not as a whole."""
    if _stated_length(request) > limit:
        raise _too_large(limit)
    if "chunked" in request.META.get("HTTP_TRANSFER_ENCODING", "").lower():
        _read_chunked(request, limit)
        if _stated_length(request) > limit:
            raise _too_large(limit)


def uploaded(file: "UploadedFile[bytes]") -> files.Data:
    """What was uploaded: in memory as it is, and looked at in place where Django put it on disk."""
    if isinstance(file, TemporaryUploadedFile) and file.size:
        return mmap(file.fileno(), 0, access=ACCESS_READ)
    data: bytes = file.read()
    return data


def digest(file: "UploadedFile[bytes]") -> list[str]:
    """What tells two uploads apart: the bytes, and the type that the part states."""
    digested = hashlib.sha256()
    for chunk in file.chunks():
        digested.update(chunk)
    file.seek(0)
    return [digested.hexdigest(), file.content_type or ""]


def _stated_length(request: HttpRequest) -> int:
    try:
        return int(request.META.get("CONTENT_LENGTH") or 0)
    except ValueError:
        return 0  # as Django has it


def _read_chunked(request: HttpRequest, limit: int) -> None:
    """Hand Django a body that came without a length, which it would take for an empty one."""
    if request.META.get("CONTENT_LENGTH"):
        return
    raw = request.META["wsgi.input"].read(limit + 1)
    request._body = raw
    request._stream = BytesIO(raw)
    request.META["CONTENT_LENGTH"] = str(len(raw))


def _too_large(limit: int) -> BodyTooLarge:
    return BodyTooLarge(f"The body is over {limit} bytes", details={"limit": limit})
