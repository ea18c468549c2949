"""The recipient decides what happens."""

import json
import time
from typing import Any

import pytest

from gosend.sandbox import callbacks, graph, outcomes
from gosend.sandbox.world import Line, MemoryWorld
from gosend.whatsapp import errors
from gosend.whatsapp.wire import GraphRequest

LINE = Line("200000000000001", "106540352242922", "15550783881")


def send(to: str, world: MemoryWorld | None = None, **more: Any) -> graph.Reply:
    content = {"type": "text", "text": {"body": "Hi"}} | more
    body = {"messaging_product": "whatsapp", "to": to, "biz_opaque_callback_data": "m42.1"} | content
    raw = json.dumps(body).encode()
    request = GraphRequest("POST", "/106540352242922/messages", "EAAtest", body=raw)
    return graph.answer(request, world=world or MemoryWorld((LINE,)))


def value(callback: callbacks.Callback) -> dict[str, Any]:
    found: dict[str, Any] = callback.payload["entry"][0]["changes"][0]["value"]
    return found


def told(reply: graph.Reply) -> list[tuple[float, str]]:
    """When each thing arrives, and what it is."""
    return [
        (callback.delay_seconds, value(callback)["statuses"][0]["status"])
        if "statuses" in value(callback)
        else (callback.delay_seconds, "message")
        for callback in reply.callbacks
    ]


USUAL = [(0.2, "sent"), (1, "delivered"), (3, "read")]


def test_usual_recipient_gets_sent_delivered_read() -> None:
    assert told(send("+5491123456789")) == USUAL


def test_status_has_the_shape_of_metas() -> None:
    reply = send("+5491123456789")

    assert reply.accepted is not None
    user_id = callbacks.person(phone="5491123456789").user_id
    status = value(reply.callbacks[1])["statuses"][0]
    del status["timestamp"]
    assert user_id.startswith("AR.")
    assert status == {
        "id": reply.accepted.wamid,
        "status": "delivered",
        "recipient_id": "5491123456789",
        "recipient_user_id": user_id,
        "biz_opaque_callback_data": "m42.1",
        "pricing": {
            "billable": False,
            "pricing_model": "PMP",
            "type": "free_customer_service",
            "category": "service",
        },
    }


def test_status_comes_in_the_envelope_of_metas() -> None:
    payload = send("+5491123456789").callbacks[0].payload

    change = payload["entry"][0]["changes"][0]["value"]
    statuses, contacts = change.pop("statuses"), change.pop("contacts")
    assert [status["status"] for status in statuses] == ["sent"]
    assert contacts == [
        {
            "profile": {"name": "Sandbox Customer"},
            "wa_id": "5491123456789",
            "user_id": callbacks.person(phone="5491123456789").user_id,
        }
    ]
    metadata = {"display_phone_number": "15550783881", "phone_number_id": "106540352242922"}
    rest = {"messaging_product": "whatsapp", "metadata": metadata}
    assert payload == {
        "object": "whatsapp_business_account",
        "entry": [{"id": "200000000000001", "changes": [{"field": "messages", "value": rest}]}],
    }


def test_status_says_when_it_happened_in_a_string_of_seconds() -> None:
    before = int(time.time())

    reply = send("+5491123456789")

    timestamps = [value(callback)["statuses"][0]["timestamp"] for callback in reply.callbacks]
    assert all(isinstance(timestamp, str) for timestamp in timestamps)
    assert before + 3 <= int(timestamps[2]) <= time.time() + 3
    assert int(timestamps[2]) - int(timestamps[1]) == 2


@pytest.mark.parametrize(
    ("suffix", "code"), [("0001", 131026), ("0002", 131047), ("0003", 131049), ("0004", 131050)]
)
def test_failing_recipient_is_accepted_and_then_reported_failed(suffix: str, code: int) -> None:
    reply = send(f"+549112345{suffix}")

    assert reply.response is not None
    assert reply.response.status == 200
    assert told(reply) == [(0.2, "failed")]
    status = value(reply.callbacks[0])["statuses"][0]
    assert [error["code"] for error in status["errors"]] == [code]
    assert set(status["errors"][0]) == {"code", "title", "message", "error_data", "href"}
    assert status["biz_opaque_callback_data"] == "m42.1"
    assert "pricing" not in status
    assert "contacts" not in value(reply.callbacks[0])


def test_0005_is_throttled_once_with_http_400_and_then_accepted() -> None:
    world = MemoryWorld((LINE,))

    first, second = send("+5491123450005", world), send("+5491123450005", world)

    assert first.response is not None
    assert first.response.status == 400
    assert json.loads(first.response.body)["error"]["code"] == 130429
    assert (first.callbacks, first.accepted) == ((), None)
    assert second.response is not None
    assert second.response.status == 200
    assert told(second) == USUAL


def test_0006_is_accepted_without_an_answer() -> None:
    reply = send("+5491123450006")

    assert reply.response is None
    assert reply.accepted is not None
    assert told(reply) == USUAL


def test_0007_answers_two_seconds_after_delivery() -> None:
    reply = send("+5491123450007")

    assert told(reply) == [(0.2, "sent"), (1, "delivered"), (3, "message")]
    assert reply.accepted is not None
    last = value(reply.callbacks[2])
    message = last["messages"][0]
    assert message["from"] == "5491123450007"
    assert message["text"] == {"body": outcomes.REPLY_TEXT}
    assert message["context"] == {"from": "15550783881", "id": reply.accepted.wamid}
    assert message["id"] != reply.accepted.wamid
    assert last["contacts"][0]["profile"] == {"name": "Sandbox Customer"}


def test_0009_says_that_the_account_has_used_most_of_its_calls() -> None:
    reply = send("+5491123450009")

    assert reply.response is not None
    assert errors.usage_of(reply.response) == errors.Usage(percent=90, regain_seconds=0)
    assert told(reply) == USUAL


def test_0008_comes_backwards_and_twice() -> None:
    reply = send("+5491123450008")

    assert told(reply) == [
        (0.2, "read"),
        (0.2, "read"),
        (1, "delivered"),
        (1, "delivered"),
        (3, "sent"),
        (3, "sent"),
    ]
    assert len({value(callback)["statuses"][0]["timestamp"] for callback in reply.callbacks}) == 1


def test_magic_works_by_user_id_too() -> None:
    user_id = callbacks.person(phone="5491123450001").user_id

    assert outcomes.of(user_id).suffix == "0001"


def test_reaction_is_only_reported_sent() -> None:
    reply = send("+5491123456789", type="reaction", reaction={"message_id": "wamid.x", "emoji": "👍"})

    assert told(reply) == [(0.2, "sent")]


def test_template_is_priced_as_utility() -> None:
    reply = send("+5491123456789", type="template", template={"name": "hi", "language": {"code": "en"}})

    pricing = [value(callback)["statuses"][0].get("pricing", {}) for callback in reply.callbacks]
    assert [price.get("category") for price in pricing] == ["utility", "utility", None]


def test_every_magic_number_is_documented() -> None:
    assert outcomes.__doc__ is not None
    for outcome in outcomes.TABLE:
        assert f"| {outcome.suffix} |" in outcomes.__doc__
    assert [outcome.suffix for outcome in outcomes.TABLE] == [f"000{digit}" for digit in range(1, 10)]
