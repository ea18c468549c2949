"""The request id, in and out, and the log line."""

import logging
import re

import pytest
from django.test import Client

from gosend.lib import logs
from tests.api.conftest import Call


@pytest.mark.parametrize("path", ["/", "/healthz", "/v1/me", "/v1/nothing", "/nothing", "/docs"])
@pytest.mark.django_db
def test_every_answer_has_a_request_id(path: str) -> None:
    assert re.fullmatch(r"req_[0-9a-f]{24}", Client().get(path)["X-Request-Id"])


def test_a_well_formed_id_is_taken_over_and_another_is_not() -> None:
    assert (
        Client().get("/healthz", headers={"X-Request-Id": "trace-12345678"})["X-Request-Id"]
        == "trace-12345678"
    )
    for odd in ("short", "x" * 65, "with blank", "tab\there"):
        assert Client().get("/healthz", headers={"X-Request-Id": odd})["X-Request-Id"].startswith("req_")


def test_one_line_is_logged_without_key_query_or_number(
    get: Call, key: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        get("/v1/messages?phone_number_id=5491140123456")

    lines = [record.getMessage() for record in caplog.records]
    assert len(lines) == 1
    assert re.fullmatch(r"GET /v1/messages 200 \d+ ms", lines[0])


def test_the_id_ends_with_the_request() -> None:
    Client().get("/healthz")

    assert logs.request_id.get() == ""
