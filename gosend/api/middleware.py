"""A request id and a log line around every door."""

import logging
import re
import time
from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

from gosend.lib import ids, logs, metrics

log = logging.getLogger(__name__)

HEADER = "X-Request-Id"


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
        request_id = ids.request_id_from(request.headers.get(HEADER))
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


def _count(method: str | None, route: str, status: int, seconds: float) -> None:
    door = next((name for start, name in _DOORS if route.startswith(start)), "other")
    call = "send" if method == "POST" and _SEND.match(route) else "other"
    metrics.HTTP_SECONDS.observe(seconds, door, call, f"{status // 100}xx")
