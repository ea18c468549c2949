"""The session gateway's webhooks: who hears what, its envelope, its signature, its schedule."""

import hashlib
import hmac
import json
from typing import Any

import pytest

from accounts import tenants
from accounts.models import PhoneNumber, Tenant
from tests.webhooks_app import receiver as receivers
from tests.webhooks_app.conftest import HAPPENED, Publish
from webhooks_app import deliver, endpoints, events, retries, samples, secrets, session_events
from webhooks_app.models import Delivery, WebhookEndpoint

KIND = WebhookEndpoint.Type.SESSION_EVENTS
AT = int(HAPPENED.timestamp() * 1000)
WAMID = samples.SAMPLES["message.sent"]["message"]["id"]
JID = "5491140123456@s.whatsapp.net"


@pytest.fixture
def hook(acme: Tenant, receiver: receivers.Receiver) -> WebhookEndpoint:
    """Hears every session of the organization's sandbox."""
    return endpoints.add(
        tenant=acme,
        url=receiver.url(),
        events=["*"],
        type=KIND,
        schedule=WebhookEndpoint.Schedule.DOUBLING,
        is_test=True,
        secret="only-for-tests",
    )[0]


def _publish(number: PhoneNumber, type: str) -> None:
    events.publish(
        tenant_id=number.tenant_id, number=number, type=type, data=samples.SAMPLES[type], occurred_at=HAPPENED
    )


def _told(type: str) -> dict[str, Any]:
    body = _native(type)
    told: dict[str, Any] = json.loads(session_events.render(type=type, event_id=7, body=body))
    return told


def _native(type: str) -> bytes:
    return json.dumps(samples.body(type)).encode()


def test_a_delivery_is_signed_as_receivers_of_this_dialect_check_it(
    hook: WebhookEndpoint, number: PhoneNumber, receiver: receivers.Receiver
) -> None:
    _publish(number, "message.delivered")
    deliver.run()

    got = receiver.received[0]
    delivery = Delivery.objects.get()
    expected = hmac.new(b"only-for-tests", got.body, hashlib.sha512).hexdigest()
    assert got.headers["x-webhook-hmac"] == expected
    assert got.headers["x-webhook-hmac-algorithm"] == "sha512"
    assert got.headers["x-webhook-request-id"] == f"evt_{delivery.event_id}" == json.loads(got.body)["id"]
    assert int(got.headers["x-webhook-timestamp"]) - AT > 0
    assert not [name for name in got.headers if name.startswith(("x-gosendapi", "webhook-"))]
    assert delivery.status == "delivered"


def test_every_attempt_posts_the_same_bytes(
    hook: WebhookEndpoint, number: PhoneNumber, receiver: receivers.Receiver
) -> None:
    _publish(number, "message.received")
    delivery = Delivery.objects.select_related("event", "endpoint").get()

    first, second = (events.wire_body(event=delivery.event, delivery=delivery) for _ in range(2))
    assert first == second


def test_a_rotated_secret_signs_alone_from_then_on(
    hook: WebhookEndpoint, number: PhoneNumber, receiver: receivers.Receiver
) -> None:
    secrets.rotate(endpoint=hook, overlap_hours=0, secret="another-secret")
    _publish(number, "message.sent")
    deliver.run()

    got = receiver.received[0]
    expected = hmac.new(b"another-secret", got.body, hashlib.sha512).hexdigest()
    assert got.headers["x-webhook-hmac"] == expected


def test_a_status_is_told_with_how_far_it_came() -> None:
    assert _told("message.delivered") == {
        "schema": "v1",
        "id": "evt_7",
        "event": "message.status",
        "session": "106540352242922",
        "organization": "42",
        "timestamp": AT,
        "payload": {
            "messageId": WAMID,
            "waMessageId": WAMID,
            "outboxId": "285391728640002",
            "chatJid": JID,
            "fromMe": True,
            "status": "delivered",
            "ackLevel": 2,
            "error": None,
            "timestamp": AT,
        },
    }
    failed = _told("message.failed")["payload"]
    assert (failed["status"], failed["ackLevel"], failed["error"]["code"]) == ("failed", -1, 131026)


def test_a_customers_message_is_told_with_metas_own_object() -> None:
    told = _told("message.received")

    assert told["event"] == "message"
    payload = told["payload"]
    assert payload.pop("raw") == {
        key: value
        for key, value in samples.SAMPLES["message.received"]["message"].items()
        if key != "gosendapi"
    }
    assert payload == {
        "messageId": WAMID,
        "waMessageId": WAMID,
        "outboxId": "285391728640002",
        "chatJid": JID,
        "senderJid": JID,
        "fromMe": False,
        "direction": "inbound",
        "type": "text",
        "body": "¿Cuándo llega mi pedido?",
        "hasMedia": False,
        "mediaUrl": None,
        "replyTo": None,
        "timestamp": AT,
    }


def test_a_vote_is_told_with_what_it_was_before() -> None:
    payload = _told("poll.vote")["payload"]
    assert payload == {
        "poll": {
            "id": "285391728640009",
            "messageId": WAMID,
            "name": "Lunch?",
            "options": ["Pizza", "Sushi", "Salad"],
        },
        "voter": JID,
        "selectedOptions": ["Sushi"],
        "selectedIndexes": [1],
        "previousOptions": ["Pizza"],
        "source": "button",
        "timestamp": AT,
    }


def test_one_session_or_all_and_only_what_was_subscribed(
    acme: Tenant, number: PhoneNumber, hook: WebhookEndpoint, receiver: receivers.Receiver, publish: Publish
) -> None:
    other = tenants.add_sandbox(tenant=acme)
    of_one = endpoints.add(tenant=acme, url=receiver.url(), events=["message"], number=number, type=KIND)[0]
    native = endpoints.add(tenant=acme, url=receiver.url(), events=["*"], number=number)[0]
    stranger = tenants.open_tenant(name="Globex")
    endpoints.add(tenant=stranger, url=receiver.url(), events=["*"], type=KIND, is_test=True)

    def heard(at: PhoneNumber, type: str) -> set[int]:
        _publish(at, type)
        one_by_one = set(
            Delivery.objects.filter(event__type=type, event__phone_number=at).values_list(
                "endpoint", flat=True
            )
        )
        source = events.Source(at.tenant_id, at.pk, at.phone_number_id, at.is_sandbox)
        assert set(events.audience(number_ids=[at.pk]).of(source, type)) == one_by_one
        return one_by_one

    assert heard(number, "message.received") == {hook.pk, of_one.pk, native.pk}
    assert heard(number, "message.read") == {hook.pk, native.pk}
    assert heard(other, "message.received") == {hook.pk}
    assert heard(number, "conversation.created") == {native.pk}


def test_live_and_sandbox_never_mix(acme: Tenant, number: PhoneNumber, receiver: receivers.Receiver) -> None:
    endpoints.add(tenant=acme, url=receiver.url(), events=["*"], type=KIND, is_test=False)
    _publish(number, "message.received")
    assert not Delivery.objects.exists()


def test_unknown_events_are_refused(acme: Tenant) -> None:
    for wrong in ([], ["whatsapp.message.sent"], ["message.sent"]):
        with pytest.raises(endpoints.InvalidEvent):
            endpoints.add(tenant=acme, url="https://hooks.example.com/", events=wrong, type=KIND)


def test_the_schedule_is_fifteen_attempts_each_twice_as_late() -> None:
    delays = retries.SCHEDULES[WebhookEndpoint.Schedule.DOUBLING]
    assert len(delays) == 15
    assert delays[:4] == (0, 2, 4, 8)
    assert delays[-1] == 16_384
