"""A request id and a log line around every door; the short way to the doors that programs knock on."""

import logging
import re
import time
from collections.abc import Callable
from functools import lru_cache

from django.conf import settings
from django.core.handlers.exception import response_for_exception
from django.http import HttpRequest, HttpResponse
from django.http.request import split_domain_port, validate_host
from django.http.response import HttpResponseBase
from django.template.response import SimpleTemplateResponse
from django.urls import ResolverMatch, resolve

from gosend.api import headers
from gosend.lib import ids, logs, metrics

log = logging.getLogger(__name__)

HEADER = "X-Request-Id"
# Below these only programs call: a key or a signature speaks for them, never a session or a cookie.
PROGRAMS = ("/v1/", "/api/", "/meta/")
# What Django's middleware writes on every other answer.
_SECURITY = headers.prepared(
    {
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
        "Referrer-Policy": "same-origin",
        "Cross-Origin-Opener-Policy": "same-origin",
    }
)

# The first part of a route, and what it is called where doors are told apart.
_DOORS = (
    ("v1/", "v1"),
    ("api/v1/", "sessions"),
    ("api/", "whatomate"),
    ("meta/", "meta"),
    ("console/", "console"),
)
# Routes whose POST sends a message, in all dialects.
_SEND = re.compile(r"(v1/messages(/batch)?|api/.*messages?(/(send|media|template)[a-z-]*)?)/?\Z")


class RequestIdMiddleware:
    """Stands outermost, so that answers of the other middleware carry the id as well."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        started = time.monotonic()
        request_id = ids.request_id_from(request.META.get("HTTP_X_REQUEST_ID"))
        token = logs.request_id.set(request_id)
        try:
            response = self.get_response(request)
            response[HEADER] = request_id
            seconds = time.monotonic() - started
            # The route and not the path or query: those may hold numbers and names of people.
            match = request.resolver_match
            route = match.route if match else None
            log.info(
                "%s %s %d %d ms",
                request.method,
                "(no route)" if route is None else f"/{route}",
                response.status_code,
                seconds * 1000,
            )
            _count(request.method, route or "", response.status_code, seconds)
        finally:
            logs.request_id.reset(token)
        return response


class ProgramsMiddleware:
    """Leads calls of programs to their view at once, past sessions, cookies, CSRF and static files.

    Those cost a third of a small request and mean nothing to a caller without cookies. The host is
    checked and the security headers are written all the same.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if not request.path_info.startswith(PROGRAMS):
            return self.get_response(request)
        try:
            _require_host(request)
            response = _view_of(request)
        except Exception as error:
            response = response_for_exception(request, error)
        headers.complete(response, _SECURITY)
        if settings.SECURE_HSTS_SECONDS and request.is_secure():
            response.headers.setdefault(
                "Strict-Transport-Security", f"max-age={settings.SECURE_HSTS_SECONDS}"
            )
        if isinstance(response, HttpResponse) and not response.has_header("Content-Length"):
            response.headers["Content-Length"] = str(len(response.content))
        return response


def _require_host(request: HttpRequest) -> None:
    """Raise DisallowedHost for a host that ALLOWED_HOSTS does not name; a few names come all the time."""
    host = request.META.get("HTTP_HOST")
    is_plain = host is not None and len(host) <= _MAX_HOST and not settings.USE_X_FORWARDED_HOST
    if not (is_plain and _is_allowed(host, *settings.ALLOWED_HOSTS)):
        request.get_host()


# A name has 253 characters at the most, and a port six with its colon; what is longer is not remembered.
_MAX_HOST = 259


@lru_cache(maxsize=1024)
def _is_allowed(host: str, *allowed: str) -> bool:
    domain, _port = split_domain_port(host)
    return bool(domain) and validate_host(domain, allowed)


@lru_cache(maxsize=1024)
def _resolved(urls: str, path: str) -> ResolverMatch:
    """Which view an address leads to; the list of all routes is long, and few addresses are called often."""
    return resolve(path, urls)


def _view_of(request: HttpRequest) -> HttpResponseBase:
    match = _resolved(settings.ROOT_URLCONF, request.path_info)
    request.resolver_match = match
    response: HttpResponseBase = match.func(request, *match.args, **match.kwargs)
    if isinstance(response, SimpleTemplateResponse):
        response.render()
    return response


def _count(method: str | None, route: str, status: int, seconds: float) -> None:
    metrics.HTTP_SECONDS.observe(seconds, *_labels(method, route), f"{status // 100}xx")


@lru_cache(maxsize=1024)
def _labels(method: str | None, route: str) -> tuple[str, str]:
    door = next((name for start, name in _DOORS if route.startswith(start)), "other")
    return door, "send" if method == "POST" and _SEND.match(route) else "other"
