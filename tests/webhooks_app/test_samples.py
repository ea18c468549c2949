"""webhooks_app/samples.py: complete, and shaped as what is really posted."""

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import PhoneNumber, Tenant
from gosend.whatsapp import errors
from messaging import announce, endings, ingest, standing
from tests import factories
from tests.webhooks_app import receiver as receivers
from tests.webhooks_app.conftest import HAPPENED
from webhooks_app import claims, deliver, endpoints, events, samples
from webhooks_app.models import Delivery, Event, WebhookEndpoint

SAYS = {"type": "text", "text": {"body": "Hola Juan"}}


def _paths(value: Any, path: str = "") -> Iterator[str]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield f"{path}.{key}"
            yield from _paths(inner, f"{path}.{key}")


def _posted(type: str) -> dict[str, Any]:
    delivery = Delivery.objects.select_related("event").filter(event__type=type).latest("pk")
    body: dict[str, Any] = json.loads(events.wire_body(event=delivery.event, delivery=delivery))
    return body


def _same_shape(type: str) -> bool:
    return set(_paths(samples.body(type))) == set(_paths(_posted(type)))


@pytest.fixture
def alerts(acme: Tenant) -> WebhookEndpoint:
    return endpoints.add(tenant=acme, url="https://customer.example/alerts", events=["*"], is_test=True)[0]


def test_every_event_has_a_sample() -> None:
    assert set(samples.SAMPLES) == {*events.CATALOG, events.TEST}


@pytest.mark.parametrize("status", ["sent", "delivered", "read", "failed", "unconfirmed"])
def test_status_events_have_the_shape_of_their_sample(
    number: PhoneNumber, endpoint: WebhookEndpoint, status: str
) -> None:
    conversation = factories.ConversationFactory.create(phone_number=number)
    message = factories.MessageFactory.create(
        phone_number=number,
        contact=conversation.contact,
        conversation=conversation,
        status=status,
        error=errors.from_status({"code": 131026}) if status == "failed" else None,
        pricing=samples._PRICING if status in {"delivered", "read"} else None,
    )

    factories.MessageContentFactory.create(message=message, body=SAYS)

    held = standing.lock(message_ids=[message.pk])[message.pk]
    announce.statuses_reported(reports=[announce.Report(held, message.status, HAPPENED)])

    assert _same_shape(f"message.{status}")


def test_inbound_events_have_the_shape_of_their_sample(
    number: PhoneNumber, endpoint: WebhookEndpoint
) -> None:
    conversation = factories.ConversationFactory.create(phone_number=number)
    message = factories.MessageFactory.create(
        phone_number=number, contact=conversation.contact, direction="inbound", status="received"
    )
    message.refresh_from_db()
    meta = {"from": "5491140123456", "id": "wamid.1", "timestamp": "1779107700", **SAYS}

    announce.message_received(message=message, meta_message=meta, conversation=conversation, is_new=True)

    assert _same_shape("message.received")
    assert _same_shape("conversation.created")


@pytest.mark.parametrize("event", ["APPROVED", "REJECTED", "PAUSED"])
def test_template_events_have_the_shape_of_their_sample(
    acme: Tenant, number: PhoneNumber, alerts: WebhookEndpoint, event: str
) -> None:
    account = number.business_account
    template = factories.TemplateFactory.create(
        tenant=acme, business_account=account, status="PENDING", meta_template_id="77"
    )
    value = {
        "event": event,
        "message_template_id": 77,
        "message_template_name": template.name,
        "message_template_language": template.language,
        "reason": "INVALID_FORMAT",
    }
    change = {"field": "message_template_status_update", "value": value}
    posted = {"object": "whatsapp_business_account", "entry": [{"id": account.waba_id, "changes": [change]}]}
    callback = factories.MetaEventFactory.create(body=json.dumps(posted).encode(), is_sandbox=True)

    ingest.handle(event=callback)

    assert _same_shape(f"template.{event.lower()}")
    assert _posted(f"template.{event.lower()}")["template"]["status"] == event


def test_a_warning_has_the_shape_of_its_sample(
    number: PhoneNumber,
    endpoint: WebhookEndpoint,
    alerts: WebhookEndpoint,
    receiver: receivers.Receiver,
) -> None:
    receiver.answer = receivers.reply(500)
    WebhookEndpoint.objects.filter(pk=endpoint.pk).update(failing_since=timezone.now() - timedelta(days=3))
    events.publish(
        tenant_id=number.tenant_id, number=number, type="message.sent", data={}, occurred_at=HAPPENED
    )

    [claim] = claims.take_due(limit=1)
    deliver.attempt(claim)

    assert Event.objects.filter(type="account.alert").count() == 1
    assert _same_shape("account.alert")


def test_a_changed_quality_has_the_shape_of_its_sample(number: PhoneNumber, alerts: WebhookEndpoint) -> None:
    value = {
        "display_phone_number": number.display_phone_number_normalized,
        "event": "FLAGGED",
        "current_limit": "TIER_10K",
    }
    change = {"field": "phone_number_quality_update", "value": value}
    waba_id = number.business_account.waba_id
    posted = {"object": "whatsapp_business_account", "entry": [{"id": waba_id, "changes": [change]}]}
    callback = factories.MetaEventFactory.create(body=json.dumps(posted).encode(), is_sandbox=True)

    ingest.handle(event=callback)

    assert _same_shape("phone_number.quality")


def test_the_ends_of_a_conversation_have_the_shape_of_their_samples(
    number: PhoneNumber, endpoint: WebhookEndpoint
) -> None:
    conversation = factories.ConversationFactory.create(
        phone_number=number, last_message_at=timezone.now() - timedelta(hours=2)
    )
    factories.MessageFactory.create(
        phone_number=number, contact=conversation.contact, conversation=conversation
    )

    endings.sweep()
    endings.close(conversation=conversation)

    assert _same_shape("conversation.inactive")
    assert _same_shape("conversation.ended")
