"""A request's body, up to a limit."""

from typing import Any

from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest
from django.http.request import UnreadablePostError

from gosend.lib.errors import DomainError


class BodyTooLarge(DomainError):
    code = "payload_too_large"


class BodyCutShort(DomainError):
    code = "malformed_json"


def read(request: HttpRequest, *, limit: int) -> bytes:
    """Return the body; refuse it by its Content-Length, and by its real size when it has none."""
    if int(request.META.get("CONTENT_LENGTH") or 0) > limit:
        raise _too_large(limit)
    if _is_chunked(request.META):
        # Django takes a body without a length for an empty one.
        body: bytes = request.META["wsgi.input"].read(limit + 1)
        request._body = body
        request.META["CONTENT_LENGTH"] = str(len(body))
    try:
        body = request.body
    except UnreadablePostError as error:
        raise BodyCutShort("The body ended before its Content-Length") from error
    except RequestDataTooBig as error:
        raise _too_large(limit) from error
    if len(body) > limit:
        raise _too_large(limit)
    return body


def _is_chunked(environ: dict[str, Any]) -> bool:
    encoding = str(environ.get("HTTP_TRANSFER_ENCODING", ""))
    return "chunked" in encoding.lower() and not environ.get("CONTENT_LENGTH")


def _too_large(limit: int) -> BodyTooLarge:
    return BodyTooLarge(f"The body is over {limit} bytes", details={"limit": limit})
