"""Webhooks of this dialect: made, changed, listed with their deliveries, and posted again."""

from collections.abc import Iterator
from typing import Any

import pytest

from accounts.models import PhoneNumber
from tests.api.sessions.conftest import Call, said
from tests.conftest import Party
from tests.webhooks_app import receiver as receivers
from webhooks_app import deliver
from webhooks_app.models import Delivery, WebhookEndpoint

PATH = "/api/v1/webhooks"
URL = "https://hooks.example.com/wa"


@pytest.fixture
def receiver() -> Iterator[receivers.Receiver]:
    with receivers.serving() as running:
        yield running


def _made(call: Call, **body: Any) -> Any:
    answer = call("POST", PATH, {"url": URL, "events": ["*"]} | body)
    assert answer.status_code == 201, answer.content
    return said(answer)


def test_a_webhook_is_made_with_a_secret_that_is_shown_once(call: Call, number: PhoneNumber) -> None:
    made = _made(call, sessionId=number.phone_number_id, events=["message", "poll.vote"])

    secret = made.pop("secret")
    assert secret.startswith("whsec_")
    assert made["id"].startswith("wh_")
    assert made["sessionId"] == number.phone_number_id
    assert made["events"] == ["message", "poll.vote"]
    assert made["retryPolicy"] == {"policy": "exponential", "delaySeconds": 2, "attempts": 15}
    assert made["active"] is True
    assert said(call("GET", f"{PATH}/{made['id']}")) == made
    assert said(call("GET", PATH)) == {"data": [made], "nextCursor": None}


def test_a_secret_may_be_chosen_and_is_never_shown(call: Call) -> None:
    made = _made(call, secret="my-own-secret")
    assert made["secret"] is None
    assert WebhookEndpoint.objects.get().secret == "my-own-secret"

    changed = call("PATCH", f"{PATH}/{made['id']}", {"secret": "my-next-secret", "active": False})
    assert "my-next-secret" not in changed.content.decode()
    endpoint = WebhookEndpoint.objects.get()
    assert (endpoint.secret, endpoint.previous_secret, endpoint.is_enabled) == ("my-next-secret", "", False)


def test_a_removed_webhook_is_gone(call: Call) -> None:
    made = _made(call)
    assert call("DELETE", f"{PATH}/{made['id']}").status_code == 204
    assert call("GET", f"{PATH}/{made['id']}").status_code == 404


@pytest.mark.parametrize(
    ("body", "status", "field"),
    [
        ({"url": None}, 400, "url"),
        ({"url": "ftp://x"}, 422, "url"),
        ({"url": "https://10.0.0.1/"}, 422, "url"),
        ({"events": ["nothing"]}, 422, "events"),
        ({"events": None}, 422, "events"),
        ({"events": "message"}, 400, "events"),
        ({"sessionId": 5}, 400, "sessionId"),
        ({"active": "yes"}, 400, "active"),
        ({"secret": "short"}, 400, "secret"),
        ({"customHeaders": {"X-A": "1"}}, 400, "customHeaders"),
        ({"retryPolicy": {"policy": "linear"}}, 400, "retryPolicy"),
    ],
)
def test_a_wrong_field_is_named(call: Call, body: Any, status: int, field: str) -> None:
    answer = call("POST", PATH, {"url": URL, "events": ["*"]} | body)

    assert (answer.status_code, said(answer)["error"]["details"]["field"]) == (status, field)
    assert not WebhookEndpoint.objects.exists()


def test_a_strangers_session_is_as_unknown_as_one_that_is_not(call: Call, globex: Party) -> None:
    for session in ("404404", globex.number.phone_number_id):
        answer = call("POST", PATH, {"url": URL, "events": ["*"], "sessionId": session})
        assert (answer.status_code, said(answer)["error"]["code"]) == (404, "not_found")


def test_a_session_of_a_webhook_cannot_be_changed(call: Call, number: PhoneNumber) -> None:
    made = _made(call)
    moved = call("PATCH", f"{PATH}/{made['id']}", {"sessionId": number.phone_number_id})
    assert moved.status_code == 400
    assert call("PATCH", f"{PATH}/{made['id']}", {"sessionId": None}).status_code == 200


def test_the_dialects_do_not_see_each_others_webhooks(call: Call, acme: Party) -> None:
    made = _made(call)
    native = call("GET", "/v1/webhooks", Authorization="", X_API_Key=acme.api_key)
    assert said(native) == []
    body = {"url": URL, "events": ["*"], "type": "session_events"}
    refused = call("POST", "/v1/webhooks", body, Authorization="", X_API_Key=acme.api_key)
    assert refused.status_code == 400
    assert made["id"]


def test_a_message_is_told_listed_and_posted_again(
    call: Call, send: Call, receiver: receivers.Receiver
) -> None:
    made = _made(call, url=receiver.url())
    send({"type": "text", "text": "Hello"})
    deliver.run()

    listed = said(call("GET", f"{PATH}/{made['id']}/deliveries?status=delivered"))
    assert [one["event"] for one in listed["data"]] == ["message.status"]
    one = listed["data"][0]
    assert (one["attempts"], one["responseStatus"]) == (1, 200)
    again = call("POST", f"{PATH}/{made['id']}/deliveries/{one['id']}/replay")
    deliver.run()

    assert (again.status_code, said(again)["status"]) == (202, "pending")
    first, second = receiver.received
    assert first.body == second.body
    assert Delivery.objects.get().attempt_count == 2
    assert call("GET", f"{PATH}/{made['id']}/deliveries?status=odd").status_code == 400
