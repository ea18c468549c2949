"""Support of acme's, signed in, and a message of acme's with a story."""

import base64
from dataclasses import dataclass
from datetime import timedelta

import pytest
from django.contrib.auth.models import Group
from django.test import Client
from django.utils import timezone

from accounts.models import Grant, User
from messaging.models import Message
from tests import factories
from tests.conftest import Party

PHONE = "5491140123456"
# As Meta makes them: the number, and what tells it from others, in base64.
_WAMID = b"\x1c\x18\r" + PHONE.encode() + b"\x15\x02\x00\x11\x18\x12" + b"8DF0A1B2C3D4E5F6A7\x00"
WAMID = f"wamid.{base64.b64encode(_WAMID).decode()}"


def sign_in(role: str, party: Party | None = None) -> Client:
    user = User.objects.create(username=role.lower(), is_staff=True, sees_all_tenants=party is None)
    user.groups.add(Group.objects.get(name=role))
    if party:
        Grant.objects.create(user=user, tenant=party.tenant)
    client = Client()
    client.force_login(user)
    return client


@dataclass(frozen=True)
class Told:
    """A message that failed, whose tenant was told of it."""

    message: Message
    party: Party


@pytest.fixture
def told(acme: Party) -> Told:
    now = timezone.now()
    contact = factories.ContactFactory.create(
        tenant=acme.tenant, business_account=acme.number.business_account, phone=PHONE, name="Juan"
    )
    conversation = factories.ConversationFactory.create(phone_number=acme.number, contact=contact)
    message = factories.MessageFactory.create(
        phone_number=acme.number,
        contact=contact,
        conversation=conversation,
        api_key=acme.key,
        status="failed",
        wamid=WAMID,
        request_id="req_0123456789abcdef",
        error={"code": 131026, "title": "Message undeliverable", "details": ""},
        failed_at=now + timedelta(seconds=2),
        attempt_count=1,
    )
    factories.MessageContentFactory.create(message=message, body={"type": "text", "text": {"body": "Hola"}})
    factories.StatusReportFactory.create(
        message=message,
        status="failed",
        occurred_at=now + timedelta(seconds=2),
        raw={"recipient_id": PHONE, "status": "failed", "errors": [{"code": 131026}]},
    )
    factories.IdempotentAnswerFactory.create(tenant=acme.tenant, message=message, key="order-17")
    endpoint = factories.WebhookEndpointFactory.create(tenant=acme.tenant, phone_number=acme.number)
    event = factories.EventFactory.create(
        tenant=acme.tenant, phone_number=acme.number, type="message.failed", message_id=message.pk
    )
    delivery = factories.DeliveryFactory.create(tenant=acme.tenant, endpoint=endpoint, event=event)
    factories.AttemptFactory.create(
        delivery=delivery, response_status=500, response_body=f"no such customer {PHONE}"
    )
    return Told(message, acme)
