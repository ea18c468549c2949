"""A request id and a log line around every door."""

import logging
import time
from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

from gosend.lib import ids, logs

log = logging.getLogger(__name__)

HEADER = "X-Request-Id"


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
            # The route and not the path or query: those may hold numbers and names of people.
            match = request.resolver_match
            log.info(
                "%s %s %d %d ms",
                request.method,
                f"/{match.route}" if match else "(no route)",
                response.status_code,
                (time.monotonic() - started) * 1000,
            )
        finally:
            logs.request_id.reset(token)
        return response
