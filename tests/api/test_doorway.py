"""The straight way to the doors answers as Django's own handler does."""

from io import BytesIO
from typing import Any

import orjson
import pytest
from django.core.handlers.wsgi import WSGIHandler
from django.db import ProgrammingError, connection
from pytest_django import Settings

from gosend.api import middleware
from gosend.api.doorway import Doorway
from messaging.models import Message
from tests.api.conftest import nothing_stored

# Each request closes what broke, or stands in a transaction that nobody ends.
pytestmark = pytest.mark.django_db(transaction=True)

Answer = tuple[str, dict[str, str], bytes]


def _ask(
    handler: WSGIHandler, method: str, path: str, *, body: bytes = b"", **headers: str
) -> tuple[Answer, Any]:
    told: list[Any] = []
    path, _, query = path.partition("?")
    environ = {
        "REQUEST_METHOD": method,
        "PATH_INFO": path,
        "QUERY_STRING": query,
        "SERVER_NAME": "testserver",
        "SERVER_PORT": "80",
        "REMOTE_ADDR": "127.0.0.1",
        "CONTENT_TYPE": "application/json",
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.url_scheme": "http",
        "wsgi.input": BytesIO(body),
        "HTTP_X_REQUEST_ID": "trace-12345678",
        **{f"HTTP_{name.upper()}": value for name, value in headers.items()},
    }
    parts = handler(environ, lambda *given: told.append(given))  # type: ignore[arg-type]
    whole = b"".join(parts)
    [(status, pairs)] = told
    assert len(pairs) == len(dict(pairs))
    return (status, dict(pairs), whole), parts


@pytest.mark.parametrize(
    ("method", "path", "starts"),
    [
        ("GET", "/v1/me", "200"),
        ("HEAD", "/v1/me", "200"),
        ("GET", "/v1/messages?status=failed", "200"),
        ("GET", "/v1/messages?status=lost", "400"),
        ("GET", "/v1/messages/1", "404"),
        ("GET", "/v1/nothing", "404"),
        ("DELETE", "/v1/me", "405"),
        ("GET", "/api/messages/%E2%80%8B", "404"),
        ("GET", "/meta/webhook", "403"),
        ("POST", "/meta/webhook", "401"),
        ("GET", "/healthz", "200"),
        ("GET", "/nothing", "404"),
    ],
)
def test_answers_are_those_of_django(method: str, path: str, starts: str, key: str) -> None:
    ours, _ = _ask(Doorway(), method, path, x_api_key=key)
    theirs, _ = _ask(WSGIHandler(), method, path, x_api_key=key)

    assert ours[0].startswith(starts)
    assert _steady(ours) == _steady(theirs)


def _steady(answer: Answer) -> Answer:
    """What is left of the limits falls with each request."""
    status, headers, body = answer
    return status, {name: text for name, text in headers.items() if "RateLimit" not in name}, body


def test_a_message_is_accepted_and_its_answer_handed_over_whole(key: str, body: dict[str, Any]) -> None:
    sent = orjson.dumps(body)

    (status, headers, answer), parts = _ask(
        Doorway(), "POST", "/v1/messages?async=true", body=sent, x_api_key=key, idempotency_key="order-17"
    )

    message = Message.objects.get()
    assert (status, orjson.loads(answer)["id"]) == ("202 Accepted", str(message.pk))
    assert (headers["X-Request-Id"], message.request_id) == ("trace-12345678", "trace-12345678")
    assert headers["Content-Length"] == str(len(answer))
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert isinstance(parts, list)


@pytest.mark.parametrize(
    ("host", "starts"),
    [
        ("testserver", "200"),
        ("testserver:8443", "200"),
        ("shop.example.com", "200"),
        ("[::1]:8000", "200"),
        ("example.org", "400"),
        ("testserver.example.org", "400"),
        ("a" * 300 + ".example.com", "200"),
        ("x" * 100_000, "400"),
        ("", "400"),
    ],
)
def test_a_host_is_judged_as_django_judges_it(host: str, starts: str, settings: Settings, key: str) -> None:
    settings.ALLOWED_HOSTS = ["testserver", ".example.com", "[::1]"]
    middleware._is_allowed.cache_clear()

    ours, _ = _ask(Doorway(), "GET", "/v1/me", x_api_key=key, host=host)
    theirs, _ = _ask(WSGIHandler(), "GET", "/v1/me", x_api_key=key, host=host)

    assert ours[0].startswith(starts)
    assert _steady(ours) == _steady(theirs)
    assert middleware._is_allowed.cache_info().currsize == (len(host) < 300)


def test_a_strange_host_is_refused(key: str, body: dict[str, Any]) -> None:
    (status, headers, _), _ = _ask(
        Doorway(), "POST", "/v1/messages?async=true", body=orjson.dumps(body), x_api_key=key, host="evil/"
    )

    assert status == "400 Bad Request"
    assert headers["X-Request-Id"] == "trace-12345678"
    assert nothing_stored()


@pytest.mark.parametrize("path", ["/v1/me", "/readyz"])
@pytest.mark.parametrize("has_failed", [True, False])
def test_after_a_cut_connection_the_next_request_is_answered(
    has_failed: bool, path: str, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    doorway = Doorway()
    monkeypatch.setitem(connection.settings_dict, "CONN_MAX_AGE", None)
    monkeypatch.setitem(connection.settings_dict, "CONN_HEALTH_CHECKS", True)
    connection.close()
    _ask(doorway, "GET", path, x_api_key=key)
    if has_failed:  # a statement that took too long, say, on a connection that lives on
        with connection.cursor() as cursor, pytest.raises(ProgrammingError):
            cursor.execute("SELECT nothing")
        _ask(doorway, "GET", path, x_api_key=key)
    pid = connection.connection.info.backend_pid
    other = connection.copy()
    with other.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s)", [pid])
    other.close()

    (status, _, _), _ = _ask(doorway, "GET", path, x_api_key=key)

    assert status == "200 OK"
