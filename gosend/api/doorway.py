"""Django's WSGI handler, with a straight way to the doors that programs knock on."""

import logging
from collections.abc import Iterable
from typing import Any, cast
from wsgiref.types import StartResponse

from django.conf import settings
from django.core.handlers.exception import convert_exception_to_response
from django.core.handlers.wsgi import WSGIHandler, get_script_name
from django.db import DEFAULT_DB_ALIAS, connections, reset_queries
from django.http import HttpResponse
from django.urls import set_script_prefix
from django.utils.log import log_response

from gosend.api.middleware import PROGRAMS, ProgramsMiddleware, RequestIdMiddleware

log = logging.getLogger(__name__)


class Doorway(WSGIHandler):
    """Does what Django does around a view, without what means nothing to programs.

    Of its layers of middleware two are left there, its signals lead to connections that broke alone, and no
    answer sets a cookie. One that is whole goes to the server as a list: over anything else it steps part by
    part, across to its own threads and back. All this was a sixth of what an acceptance cost in Python.
    """

    def __init__(self) -> None:
        super().__init__()
        every_layer: Any = self._middleware_chain  # type: ignore[attr-defined]
        two: Any = RequestIdMiddleware(cast(Any, ProgramsMiddleware(every_layer)))
        self._programs: Any = convert_exception_to_response(two)

    def __call__(  # type: ignore[override]
        self, environ: dict[str, Any], start_response: StartResponse
    ) -> Iterable[bytes]:
        if not environ.get("PATH_INFO", "").startswith(PROGRAMS):
            return super().__call__(environ, start_response)
        _begin()
        set_script_prefix(get_script_name(environ))
        request = self.request_class(environ)
        response: Any = self._programs(request)
        response._resource_closers.append(request.close)
        if response.status_code >= 400:
            log_response("%s: %s", response.reason_phrase, request.path, response=response, request=request)
        headers = list(response.headers._store.values())
        start_response(f"{response.status_code} {response.reason_phrase}", headers)
        if not isinstance(response, HttpResponse):
            response._handler_class = self.__class__
            return cast(Iterable[bytes], response)  # the server closes it when it has been sent
        _end(response)
        return [response.content]


def _begin() -> None:
    """What Django does where a request starts: what broke is closed, and the rest will be asked once."""
    if settings.DEBUG:
        reset_queries()
    _close_old_connection()


def _end(response: Any) -> None:
    """What `response.close()` does. The answer is made and committed: nothing that fails here may cost it."""
    for close in (*response._resource_closers, _close_old_connection):
        try:
            close()
        except Exception:
            log.exception("something was not closed after a request")


def _close_old_connection() -> None:
    """Django's `close_old_connections` for the one database that there is."""
    connections[DEFAULT_DB_ALIAS].close_if_unusable_or_obsolete()
