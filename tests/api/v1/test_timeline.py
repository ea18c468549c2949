"""The history of one message."""

from datetime import datetime, timedelta
from typing import Any

import orjson
import pytest

from messaging.models import Message
from tests import factories
from tests.api.conftest import Call
from tests.conftest import Party

T = factories.LONG_AGO


def _read(get: Call, message: Message) -> Any:
    return orjson.loads(get(f"/v1/messages/{message.pk}").content)


def _steps(answer: Any) -> list[tuple[str, str]]:
    return [(entry["source"], entry["status"]) for entry in answer["timeline"]]


def _after(seconds: float) -> datetime:
    return T + timedelta(seconds=seconds)


def test_states_and_reports_stand_in_the_order_of_their_moments_each_once(get: Call, acme: Party) -> None:
    pricing = {"billable": True, "category": "utility", "type": "regular"}
    message = factories.MessageFactory.create(
        phone_number=acme.number, status="read", created_at=T, sent_at=_after(2), delivered_at=_after(9),
        read_at=_after(11), attempt_count=2, pricing=pricing,
    )  # fmt: skip
    factories.StatusReportFactory.create(message=message, status="delivered", occurred_at=_after(9))
    sent = factories.StatusReportFactory.create(message=message, status="sent", occurred_at=_after(1))

    answer = _read(get, message)

    assert _steps(answer) == [
        ("gosend", "queued"),
        ("meta", "sent"),
        ("meta", "delivered"),
        ("gosend", "read"),
    ]
    assert answer["timeline"][0]["at"] == "2026-01-01T12:00:00.000Z"
    assert answer["timeline"][1]["raw"] == sent.raw == {"id": message.wamid, "status": "sent"}
    assert answer["timeline"][1]["received_at"] is not None
    assert (answer["timeline"][3]["raw"], answer["timeline"][3]["received_at"]) == (None, None)
    assert (answer["attempts"], answer["pricing"]) == (2, pricing)


def test_within_one_second_what_must_come_first_stands_first(get: Call, acme: Party) -> None:
    """Meta's moments are whole seconds, so they look earlier than ours of the same second."""
    message = factories.MessageFactory.create(
        phone_number=acme.number, status="read", created_at=_after(0.4), sent_at=_after(0.6),
        delivered_at=T, read_at=_after(1),
    )  # fmt: skip
    for status, seconds in (("read", 1), ("delivered", 0), ("accepted", 0), ("sent", 0)):
        factories.StatusReportFactory.create(message=message, status=status, occurred_at=_after(seconds))

    answer = _read(get, message)

    reported = ["accepted", "sent", "delivered", "read"]
    assert _steps(answer) == [("gosend", "queued"), *(("meta", status) for status in reported)]


def test_a_failure_is_shown_with_metas_words_and_the_cure(get: Call, acme: Party) -> None:
    error = {"code": 131026, "title": "Message undeliverable", "details": "…", "cure": "Check the number."}
    message = factories.MessageFactory.create(
        phone_number=acme.number, status="failed", created_at=T, failed_at=_after(3), error=error
    )

    answer = _read(get, message)

    assert answer["error"] == error
    assert _steps(answer) == [("gosend", "queued"), ("gosend", "failed")]


@pytest.mark.parametrize("status", ["sending", "unknown", "unconfirmed"])
def test_an_unsettled_state_is_the_last_step(get: Call, acme: Party, status: str) -> None:
    message = factories.MessageFactory.create(
        phone_number=acme.number, status=status, created_at=T, updated_at=_after(5)
    )

    answer = _read(get, message)

    assert _steps(answer) == [("gosend", "queued"), ("gosend", status)]
    assert answer["timeline"][1]["at"] == "2026-01-01T12:00:05.000Z"


@pytest.mark.parametrize(
    ("fields", "steps"),
    [
        ({"direction": "inbound", "status": "received"}, [("gosend", "received")]),
        ({"origin": "business_app", "status": "sent", "sent_at": T}, [("gosend", "sent")]),
    ],
)
def test_what_was_not_sent_from_here_was_never_queued(
    get: Call, acme: Party, fields: dict[str, Any], steps: list[tuple[str, str]]
) -> None:
    message = factories.MessageFactory.create(phone_number=acme.number, created_at=T, **fields)

    assert _steps(_read(get, message)) == steps


def test_a_real_sends_reports_are_in_its_timeline(post: Call, get: Call, body: dict[str, Any]) -> None:
    sent = orjson.loads(post("/v1/messages", body).content)

    answer = orjson.loads(get(f"/v1/messages/{sent['id']}").content)

    assert (answer["attempts"], _steps(answer)) == (1, [("gosend", "queued"), ("gosend", "sent")])
