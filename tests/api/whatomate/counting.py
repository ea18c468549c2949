"""Statements that a request costs, counted for comparison."""

from collections.abc import Callable
from typing import Any

import orjson
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from tests.conftest import Party


def statements(act: Callable[[], object]) -> int:
    with CaptureQueriesContext(connection) as captured:
        act()
    return len(captured)


def native_send(party: Party, to: str = "919876543210", **content: Any) -> None:
    """The same by the native API, to somebody who is known already."""
    message = content or {"type": "text", "text": {"body": "Hi"}}
    body = {"phone_number_id": party.number.phone_number_id, "to": to, **message}
    answer = Client().generic(
        "POST",
        "/v1/messages?async=true",
        orjson.dumps(body),
        "application/json",
        headers={"X-API-Key": party.api_key},
    )
    assert answer.status_code == 202, answer.content
