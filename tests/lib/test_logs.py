"""Lines are JSON, and secrets and numbers stay out of them."""

import io
import json
import logging
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from gosend.lib import logs


class Lines:
    """A logger of its own whose lines are read back."""

    def __init__(self) -> None:
        self.stream = io.StringIO()
        handler = logging.StreamHandler(self.stream)
        handler.setFormatter(logs.JsonFormatter())
        self.log = logging.Logger("gosend.test")  # noqa: LOG001 -- not among the process's loggers
        self.log.addHandler(handler)

    def last(self) -> dict[str, Any]:
        written = self.stream.getvalue()
        assert written.endswith("\n")
        line: dict[str, Any] = json.loads(written.splitlines()[-1])
        return line


@pytest.fixture
def lines() -> Lines:
    return Lines()


@pytest.fixture
def in_request() -> Iterator[str]:
    token = logs.request_id.set("req_0123")
    yield "req_0123"
    logs.request_id.reset(token)


def test_a_line_is_one_json_object_with_the_usual_fields(lines: Lines) -> None:
    lines.log.info("sent %s of %d", "one", 2)

    line = lines.last()
    assert line.pop("time").endswith("Z")
    assert line == {"level": "info", "logger": "gosend.test", "message": "sent one of 2"}


def test_the_request_id_stands_in_every_line_of_a_request(lines: Lines, in_request: str) -> None:
    lines.log.info("hello")

    assert lines.last()["request_id"] == in_request


def test_ids_stand_in_every_line_within_and_in_none_after(lines: Lines, in_request: str) -> None:
    with logs.about(message_id=7, delivery_id="", request="req_of_the_message"):
        with logs.about(callback_id=9):
            lines.log.info("in both")
        both = lines.last()
        lines.log.info("in one")
        one = lines.last()
    lines.log.info("in none")

    assert (both["message_id"], both["callback_id"], both["request_id"]) == ("7", "9", "req_of_the_message")
    assert (one["message_id"], "callback_id" in one, "delivery_id" in one) == ("7", False, False)
    assert ("message_id" in lines.last(), lines.last()["request_id"]) == (False, in_request)


def test_extras_become_fields_and_cannot_replace_the_usual_ones(lines: Lines) -> None:
    extra = {
        "tenant_id": 42,
        "level": "none",
        "path": "/v1/messages",
        "list": [1, "+54 9 11 2345-6789"],
        "none": None,
    }

    lines.log.info("hello", extra=extra)

    line = lines.last()
    assert (line["tenant_id"], line["level"], line["path"], line["none"]) == (
        42,
        "info",
        "/v1/messages",
        None,
    )
    assert line["list"] == [1, "+54 9•••6789"]


def test_line_breaks_cannot_forge_a_second_line(lines: Lines) -> None:
    lines.log.info('name: a\n{"level":"info","message":"forged"}\r\u2028')

    assert lines.stream.getvalue().count("\n") == 1


SECRETS = [
    "gsk_live_4fK9aZ0bQ7wX1cV3nM5pL8sD2gH6jR0tY9uE4iO1",
    "gsk_test_4fK9aZ0bQ7wX1cV3nM5pL8sD2gH6jR0tY9uE4iO1",
    "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
    "whsec_C2FVsBQIhrscChlQIMV+b5s/Syspob7oD==",
    "EAAGm0PX4ZCpsBAKZCqXWZCZAZBZA0ZCZAZBZA1234567890abcdefZD",
    "whm_0123456789abcdef0123456789abcdef",
    "wa_0123456789abcdef0123456789abcdef",
]


@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.parametrize(
    "template",
    ["%s", "key=%s", "{'X-API-Key': '%s'}", "Authorization: Bearer %s", "a/%s/b", "?access_token=%s&x=1"],
)
def test_secrets_are_blanked_in_messages_arguments_extras_and_tracebacks(
    lines: Lines, template: str, secret: str
) -> None:
    text = template % secret

    lines.log.warning(text)
    lines.log.warning("argument: %s", text)
    lines.log.warning("argument: %r", {"deep": [text]})
    lines.log.warning("extra", extra={"header": text, "deep": {"x": [text]}, text: 1})
    try:
        raise RuntimeError(text)
    except RuntimeError:
        lines.log.exception("failed", stack_info=True)

    written = lines.stream.getvalue()
    assert len(written.splitlines()) == 5
    assert secret[12:30] not in written
    assert "***" in written


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("Bearer abc.def-ghi", "Bearer ***"),
        ("authorization: bearer abc", "authorization: bearer ***"),
        ("postgres://user:pass@db/x", "postgres://***@db/x"),
        ("redis://:pass@127.0.0.1:6379/0", "redis://***@127.0.0.1:6379/0"),
        ("client_secret=abc&x=1", "client_secret=***&x=1"),
        ("to 5491123456789.", "to 54911•••6789."),
        ("to=+5491123456789,", "to=+5491•••6789,"),
        ('{"to":"5491123456789"}', '{"to":"54911•••6789"}'),
        ("+54 9 11 2345-6789", "+54 9•••6789"),
        ("/v1/conversations/5491123456789/messages", "/v1/conversations/54911•••6789/messages"),
        ("got wamid.HBgNNTQ5MTE0MDEyMzQ1NhUCABEYEjdGQTI=, ok", "got wamid.***EjdGQTI=, ok"),
        ("wamid.abc", "wamid.***abc"),
        (
            "ERROR: duplicate key\nDETAIL:  Failing row contains (7, Hola Juan).\nHINT: x",
            "ERROR: duplicate key\nDETAIL: ***\nHINT: x",
        ),
        (
            "  bad [type=string_type, input_value={'body': 'Hola, Juan'}, input_type=dict]",
            "  bad [type=string_type, input_value=***, input_type=dict]",
        ),
        # Not phone numbers:
        ("id 1234567890123456789", "id 1234567890123456789"),
        ("took 0.12345678901 s", "took 0.12345678901 s"),
        ("2026-11-21T03:37:09Z", "2026-11-21T03:37:09Z"),
        ("550e8400-e29b-41d4-a716-446655440000", "550e8400-e29b-41d4-a716-446655440000"),
        ("req_0123456789abcdef01234567", "req_0123456789abcdef01234567"),
        ("status 200, 1234567 bytes", "status 200, 1234567 bytes"),
        ("Basically fine", "Basically fine"),
    ],
)
def test_what_is_blanked_and_what_is_left(text: str, written: str) -> None:
    assert logs.redact(text) == written


def test_arguments_that_do_not_fit_still_make_a_clean_line(
    lines: Lines, capsys: pytest.CaptureFixture[str]
) -> None:
    lines.log.info("one %s two %s", SECRETS[0])

    assert lines.last()["message"] == "one %s two %s (TypeError in its arguments)"
    assert capsys.readouterr().err == ""


def test_half_a_surrogate_pair_does_not_stop_the_line(lines: Lines) -> None:
    lines.log.info("odd \ud83d", extra={"x": "\udc4b"})

    assert (lines.last()["message"], lines.last()["x"]) == ("odd ?", "?")


def test_an_object_that_json_does_not_know_is_written_as_text(lines: Lines) -> None:
    lines.log.info("x", extra={"type": sys, "number": float("inf")})

    assert lines.last()["type"].startswith("<module 'sys'")


def _says(name: str, level: int, words: str) -> logging.LogRecord:
    return logging.LogRecord(name, level, "", 0, words, (), None)


def test_what_a_library_repeats_is_printed_once_in_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr("gosend.lib.logs.time.monotonic", lambda: now)
    sparse = logs.Sparse(of=["celery.beat", "celery.worker.consumer"], seconds=30)

    assert sparse.filter(_says("celery.beat", logging.ERROR, "Message Error: %s"))
    assert not sparse.filter(_says("celery.beat", logging.ERROR, "Message Error: %s"))
    assert not sparse.filter(_says("celery.beat", logging.ERROR, "Message Error: %s"))
    # Other words, other libraries and what is no complaint are not held back.
    assert sparse.filter(_says("celery.beat", logging.ERROR, "another"))
    assert all(sparse.filter(_says("messaging.tasks", logging.ERROR, "broke")) for _ in range(2))
    assert all(sparse.filter(_says("celery.beat", logging.INFO, "connected")) for _ in range(2))
    # All tasks that break are told of in the same words of the library's.
    assert all(sparse.filter(_says("celery.app.trace", logging.ERROR, "Task %(name)s")) for _ in range(2))

    now += 30
    later = _says("celery.beat", logging.ERROR, "Message Error: %s")
    assert sparse.filter(later)
    assert json.loads(logs.JsonFormatter().format(later))["left_out"] == 2
