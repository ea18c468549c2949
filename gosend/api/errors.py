"""DomainError becomes HTTP here, once."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from django.conf import settings
from django.core.exceptions import DisallowedHost, RequestDataTooBig, SuspiciousOperation
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse
from psycopg.errors import QueryCanceled
from rest_framework import exceptions
from rest_framework.response import Response

from gosend.api import json
from gosend.lib import catalog, logs
from gosend.lib.errors import DomainError

log = logging.getLogger(__name__)

# The standard library renamed some between Python versions; clients compare these words.
_PHRASES = {413: "Payload Too Large", 422: "Unprocessable Entity"}
# What DRF and Django raise by themselves, in the catalogue's words.
_OTHERS: tuple[tuple[type[Exception], str], ...] = (
    (exceptions.ParseError, "malformed_json"),
    (exceptions.UnsupportedMediaType, "unsupported_media_type"),
    (exceptions.NotAcceptable, "not_acceptable"),
    (exceptions.MethodNotAllowed, "method_not_allowed"),
    (exceptions.NotFound, "not_found"),
    (Http404, "not_found"),
    (RequestDataTooBig, "payload_too_large"),
    (DisallowedHost, "unknown_host"),
    (SuspiciousOperation, "malformed_json"),
    (OperationalError, "service_unavailable"),
    (InterfaceError, "service_unavailable"),
)
# Database trouble names hosts and statements, which are nobody's business outside.
_PRIVATE = {"service_unavailable", "took_too_long", "internal_error"}
# Seconds after which it is worth to come again.
_RETRY_AFTER = {"service_unavailable": 1, "took_too_long": 10}
_JSON_PREFIXES = ("/v1/", "/meta/", "/openapi/", "/healthz", "/readyz")


class Fault(DomainError):
    code = "internal_error"


class NotFound(DomainError):
    code = "not_found"


class InvalidField(DomainError):
    code = "invalid_field"


class MissingField(DomainError):
    code = "missing_required_field"


@dataclass(frozen=True, slots=True)
class Problem:
    """What went wrong, before a dialect writes it in its own shape."""

    entry: catalog.Entry
    message: str
    details: Mapping[str, Any] | None = None
    retry_after: int | None = None
    headers: dict[str, str] = field(default_factory=dict)


# Writes a problem in a dialect's own shape.
Shape = Callable[[Problem], dict[str, Any]]
# Address → how errors below it are written, where no view of the dialect is there to do so.
_shapes: dict[str, Shape] = {}


def explain(error: Exception) -> Problem:
    """Find what a client may know of an exception; a fault of ours is logged here."""
    if isinstance(error, DomainError):
        return _of_domain(error)
    if isinstance(error, exceptions.ValidationError):
        return _of_validation(error)
    code = next((code for kind, code in _OTHERS if isinstance(error, kind)), "internal_error")
    if isinstance(error.__cause__, QueryCanceled):
        code = "took_too_long"
    entry = catalog.CATALOG[code]
    if code == "internal_error":
        log.error("unexpected %s", type(error).__name__, exc_info=error)
    elif code == "service_unavailable":
        log.error("the database does not answer: %s", type(error).__name__)
    elif code == "took_too_long":
        log.error("a statement took too long", exc_info=error)
    is_private = code in _PRIVATE or not isinstance(error, exceptions.APIException)
    return Problem(
        entry,
        entry.cause if is_private else str(error),
        retry_after=_RETRY_AFTER.get(code),
    )


def body(problem: Problem) -> dict[str, Any]:
    """Write the native shape: the three documented keys first, then our own."""
    entry = problem.entry
    written: dict[str, Any] = {
        "statusCode": entry.status,
        "message": problem.message,
        "error": phrase(entry.status),
        "code": entry.code.upper(),
    }
    if problem.details is not None:
        written["details"] = problem.details
    if entry.status == HTTPStatus.TOO_MANY_REQUESTS:
        written["retry_after_seconds"] = problem.retry_after or 1
    written["request_id"] = logs.request_id.get()
    written["doc_url"] = f"{settings.PUBLIC_URL}/docs/errors#{entry.code}"
    return written


def phrase(status: int) -> str:
    """The same words on every version of Python."""
    return _PHRASES.get(status) or HTTPStatus(status).phrase


def to_response(error: Exception, context: Mapping[str, Any], *, shape: Shape = body) -> Response:
    """Be DRF's exception handler, for every view of the API."""
    problem = explain(error)
    return Response(shape(problem), status=problem.entry.status, headers=_headers(problem))


def speak(prefix: str, shape: Shape) -> None:
    """Have errors below an address written in a dialect's shape; of two prefixes the longer counts."""
    _shapes[prefix] = shape


def to_plain_response(error: Exception, *, path: str = "") -> HttpResponse:
    """The same for a view that is none of DRF's, in the shape of the dialect that the path belongs to."""
    problem = explain(error)
    prefix = max((prefix for prefix in _shapes if f"{path}/".startswith(prefix)), key=len, default=None)
    shape = body if prefix is None else _shapes[prefix]
    return HttpResponse(
        json.dumps(shape(problem)),
        status=problem.entry.status,
        content_type="application/json",
        headers=_headers(problem),
    )


def is_json_path(request: HttpRequest) -> bool:
    return request.path.startswith((*_JSON_PREFIXES, *_shapes))


def _headers(problem: Problem) -> dict[str, str]:
    headers = dict(problem.headers)
    if problem.retry_after or problem.entry.status == HTTPStatus.TOO_MANY_REQUESTS:
        headers["Retry-After"] = str(problem.retry_after or 1)
    if problem.entry.status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = "ApiKey"
    return headers


def _of_domain(error: DomainError) -> Problem:
    entry = catalog.CATALOG.get(error.code)
    if entry is None:
        log.error("code %s is not in the catalogue", error.code)
        entry = catalog.CATALOG["internal_error"]
    return Problem(entry, error.message, error.details, error.retry_after)


def _of_validation(error: exceptions.ValidationError) -> Problem:
    path, first = _first_detail(error.detail)
    code = "missing_required_field" if first.code == "required" else "invalid_field"
    return Problem(catalog.CATALOG[code], f"{path}: {first}" if path else str(first), {"field": path})


def _first_detail(detail: Any, path: str = "") -> tuple[str, exceptions.ErrorDetail]:
    """Follow a serializer's errors down to the first; DRF never raises them empty."""
    while isinstance(detail, (dict, list)):
        if isinstance(detail, list):
            detail = next(item for item in detail if item)
            continue
        key, detail = next((key, value) for key, value in detail.items() if value)
        if key != "non_field_errors":
            path = f"{path}.{key}" if path else str(key)
    return path, detail
