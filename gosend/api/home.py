"""The pages for people: what is here, the API reference, the errors."""

import sys
from http import HTTPStatus

from django.conf import settings
from django.core.exceptions import SuspiciousOperation
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.cache import cache_control
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_safe

from gosend.api import error_list, errors, schema
from gosend.lib import logs

# The reference page is a script of others; the browser itself keeps it from asking another host.
_POLICY = (
    "default-src 'self'; img-src 'self' data: blob:; font-src 'self' data:; script-src 'self'; "
    "style-src 'self' 'unsafe-inline'; worker-src 'self' blob:; object-src 'none'; base-uri 'self'; "
    "frame-ancestors 'none'"
)


@require_safe
def home(request: HttpRequest) -> HttpResponse:
    return _page(request, "home.html", {"public_url": settings.PUBLIC_URL})


@require_safe
@cache_control(max_age=300)
def docs(request: HttpRequest) -> HttpResponse:
    documents = [
        {"title": f"{one.title} · /{one.prefix.rstrip('/')}", "slug": name, "url": reverse(f"openapi-{name}")}
        for name, one in schema.DIALECTS.items()
    ]
    return _page(request, "docs.html", {"documents": documents})


@require_safe
def list_of_errors(request: HttpRequest) -> HttpResponse:
    return _page(request, "errors.html", {"entries": error_list.of_ours(), "of_meta": error_list.of_meta()})


@csrf_exempt
def unknown_api_path(request: HttpRequest) -> HttpResponse:
    """Stands last below a dialect's prefix, so that a wrong address gets JSON, whatever DEBUG says."""
    return errors.to_plain_response(
        errors.NotFound("There is no such address in this API"), path=request.path
    )


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    return _problem(
        request, exception if isinstance(exception, SuspiciousOperation) else SuspiciousOperation()
    )


def page_not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    return _problem(request, Http404())


def server_error(request: HttpRequest) -> HttpResponse:
    """Django has logged the exception already, and is still handling it."""
    error = sys.exc_info()[1]
    if isinstance(error, OperationalError | InterfaceError):
        return _problem(request, error)
    return _problem(request, errors.Fault("A fault of ours"))


def _problem(request: HttpRequest, error: Exception) -> HttpResponse:
    """Programs get JSON, people a page."""
    if errors.is_json_path(request):
        return errors.to_plain_response(error, path=request.path)
    entry = errors.explain(error).entry
    context = {
        "status": entry.status,
        "phrase": HTTPStatus(entry.status).phrase,
        "cause": entry.cause,
        "cure": entry.cure
        if entry.status == HTTPStatus.SERVICE_UNAVAILABLE or entry.code == "unknown_host"
        else "",
        "request_id": logs.request_id.get(),
    }
    return _page(request, "problem.html", context, status=entry.status)


def _page(request: HttpRequest, name: str, context: dict[str, object], status: int = 200) -> HttpResponse:
    response = render(request, name, context, status=status)
    response["Content-Security-Policy"] = _POLICY
    return response
