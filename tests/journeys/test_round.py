"""A message goes all the way round: sent, reported, told to the tenant's server."""

import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import orjson
import pytest
import requests
from django.conf import settings
from django.utils import timezone

from gosend.demo.receiver import Receiver
from gosend.lib import signing
from gosend.sandbox import callbacks
from gosend.sandbox.models import PendingCallback
from messaging import ingest
from messaging.models import Message, MetaEvent
from tests.journeys.conftest import Client
from tests.material import SHARED, meta_samples
from webhooks_app import deliver

pytestmark = [pytest.mark.journey, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def subscribe(client_of: Client, receiver: Receiver) -> Callable[[], dict[str, Any]]:
    def _subscribe() -> dict[str, Any]:
        names = ("sent", "delivered", "read", "failed", "received", "unconfirmed")
        body = {
            "url": f"http://127.0.0.1:{receiver.server_port}/hook",
            "events": [f"whatsapp.message.{name}" for name in names],
            "phone_number_id": client_of.number.phone_number_id,
            "type": "gosendapi_events",
        }
        answer = client_of.session.post(f"{client_of.base_url}/v1/webhooks", json=body, timeout=10)
        assert answer.status_code == 201, answer.text
        made: dict[str, Any] = answer.json()
        return made

    return _subscribe


def _send(client: Client, to: str = "5491140123456", **query: str) -> requests.Response:
    body = {
        "phone_number_id": client.number.phone_number_id,
        "to": to,
        "type": "text",
        "text": {"body": "Hola Juan"},
    }
    return client.session.post(f"{client.base_url}/v1/messages", json=body, params=query, timeout=10)


def _meta_speaks() -> None:
    """Let the sandbox post what it owes, as if the seconds had passed, and work it off."""
    PendingCallback.objects.update(due_at=timezone.now() - timedelta(seconds=1))
    while callbacks.post_due():
        pass
    ingest.handle_due()
    deliver.run()


def _told(receiver: Receiver, secret: str) -> list[dict[str, Any]]:
    told = []
    for entry in receiver.received:
        body = entry["body"].encode()
        assert signing.verify_gosend(secret, body, entry["headers"].get("x-gosendapi-signature"))
        assert signing.verify_standard(secret, entry["headers"], body, now=int(time.time()))
        told.append(orjson.loads(body))
    return told


def test_a_message_goes_all_the_way_round(
    client_of: Client, receiver: Receiver, subscribe: Callable[[], dict[str, Any]]
) -> None:
    endpoint = subscribe()

    sent = _send(client_of).json()
    _meta_speaks()

    told = _told(receiver, endpoint["secret"])
    assert {event["event"] for event in told} >= {"whatsapp.message.sent", "whatsapp.message.read"}
    assert {event["message"]["id"] for event in told} == {sent["wa_message_id"]}
    assert {event["message"]["gosendapi"]["id"] for event in told} == {sent["id"]}
    seen = client_of.session.get(f"{client_of.base_url}/v1/messages/{sent['id']}", timeout=10).json()
    assert seen["status"] == "read"
    assert seen["delivered_at"] is not None
    listed = client_of.session.get(
        f"{client_of.base_url}/v1/webhooks/{endpoint['id']}/deliveries", timeout=10
    )
    assert [row["status"] for row in listed.json()] == ["delivered"] * len(told)


def test_a_customer_who_answers_is_heard(
    client_of: Client, receiver: Receiver, subscribe: Callable[[], dict[str, Any]]
) -> None:
    endpoint = subscribe()

    _send(client_of, to="5491100000007")
    _meta_speaks()
    _meta_speaks()

    heard = [
        event
        for event in _told(receiver, endpoint["secret"])
        if event["event"] == "whatsapp.message.received"
    ]
    assert len(heard) == 1
    assert heard[0]["message"]["from"] == "5491100000007"
    assert heard[0]["message"]["gosendapi"]["direction"] == "inbound"
    assert heard[0]["tenant_id"] == str(client_of.number.tenant_id)
    assert heard[0]["conversation"]["status"] == "active"


def test_an_answer_that_was_lost_is_settled_by_the_callback(
    client_of: Client, receiver: Receiver, subscribe: Callable[[], dict[str, Any]]
) -> None:
    endpoint = subscribe()
    answer = _send(client_of, to="5491100000006")
    assert (answer.status_code, answer.json()["status"]) == (202, "unknown")

    _meta_speaks()

    message = Message.objects.get(pk=answer.json()["id"])
    assert message.status in ("delivered", "read")
    assert {event["message"]["id"] for event in _told(receiver, endpoint["secret"])} == {message.wamid}


def test_disorder_and_repetition_change_nothing(client_of: Client) -> None:
    sent = _send(client_of, to="5491100000008").json()

    _meta_speaks()

    message = Message.objects.get(pk=sent["id"])
    assert message.status == "read"
    assert message.delivered_at is not None


@pytest.mark.skipif(not SHARED.is_dir(), reason="Meta's samples are not beside this checkout")
def test_every_sample_of_metas_is_answered_stored_and_handled(client_of: Client) -> None:
    samples = meta_samples()
    assert len(samples) > 100
    door = f"{client_of.base_url}/meta/webhook"

    for sample in samples:
        body = sample.read_bytes()
        assert callbacks.post(url=door, secret=settings.SANDBOX_APP_SECRET, body=body), sample.name

    ingest.handle_due()
    stored = {bytes(body) for body in MetaEvent.objects.values_list("body", flat=True)}
    assert stored == {sample.read_bytes() for sample in samples}
    assert list(MetaEvent.objects.exclude(errors=[]).values_list("errors", flat=True)) == []
    assert MetaEvent.objects.filter(handled_at=None).count() == 0
