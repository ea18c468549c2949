"""The OpenAPI documents of the other two APIs against a running server, as `test_contract` does for `/v1`."""

from pathlib import Path
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.utils import timezone
from pytest_django import Settings

from accounts import keys, tenants
from accounts.models import ApiKey
from gosend.api.whatomate import uuids
from gosend.demo.receiver import Receiver
from messaging.models import Contact, MediaFile, Message
from tests import factories
from tests.journeys import contract
from tests.journeys.conftest import Client

pytestmark = [pytest.mark.journey, pytest.mark.django_db(transaction=True)]
PHONE = "5491140123456"
JIDS = [f"{PHONE}@s.whatsapp.net", "5491140123457@s.whatsapp.net"]
# Operations after which an object is gone, or another: they have objects of their own to do it to.
SPOILING = {
    "DELETE /api/v1/webhooks/{webhook_id}": "webhook_id",
    "PATCH /api/v1/webhooks/{webhook_id}": "webhook_id",
    "POST /api/v1/sessions/{session_id}:stop": "session_id",
    "PATCH /api/v1/sessions/{session_id}": "session_id",
    "PATCH /api/v1/sessions/{session_id}/messages/{message_id}": "message_id",
    "DELETE /api/v1/sessions/{session_id}/messages/{message_id}": "message_id",
    "GET /api/v1/sessions/{session_id}/messages/{message_id}/poll": "message_id",
    "POST /api/v1/sessions/{session_id}/messages/{message_id}/vote": "message_id",
}


@pytest.fixture(autouse=True)
def _unhurried(settings: Settings) -> None:
    settings.API_RATE_LIMITS = dict.fromkeys(settings.API_RATE_LIMITS, 100_000)
    settings.API_DAILY_LIMITS = dict.fromkeys(settings.API_DAILY_LIMITS, 100_000_000)
    settings.DEFAULT_RATE_PER_MIN = settings.DEFAULT_RATE_PER_HOUR = 100_000


def _key(client: Client, dialect: ApiKey.Dialect) -> str:
    return keys.mint(tenant=client.number.tenant, label="x", environment="test", dialect=dialect)[1]


def _person(client: Client, phone: str) -> Contact:
    contact: Contact = factories.ContactFactory.create(
        tenant=client.number.tenant, business_account=client.number.business_account, phone=phone
    )
    return contact


def _heard(client: Client, contact: Contact) -> tuple[Message, MediaFile]:
    """A picture of the customer's, kept."""
    message = factories.MessageFactory.create(
        phone_number=client.number, contact=contact, direction="inbound", status="received", type="image"
    )
    factories.MessageContentFactory.create(message=message, body={"type": "image", "image": {"id": "1"}})
    path = default_storage.save("contract", ContentFile(b"%PDF-"))
    file = factories.MediaFileFactory.create(
        phone_number=client.number,
        message=message,
        state=MediaFile.State.KEPT,
        path=path,
        size=5,
        fetched_at=timezone.now(),
        due_at=None,
    )
    factories.ConversationFactory.create(phone_number=client.number, contact=contact)
    return message, file


def test_nothing_that_is_sent_breaks_what_whatomates_document_says(client_of: Client, tmp_path: Path) -> None:
    one, other = _person(client_of, PHONE), _person(client_of, "5491140123457")
    message, _ = _heard(client_of, one)
    template = factories.TemplateFactory.create(
        tenant=client_of.number.tenant,
        business_account=client_of.number.business_account,
        name="hello",
        components=[{"type": "BODY", "text": "Hello {{name}}"}],
    )
    contacts = [uuids.write(uuids.CONTACT, contact.pk) for contact in (one, other)]

    def able_to_send(document: dict[str, Any]) -> None:
        for path in document["paths"].values():
            for operation in path.values():
                for media in operation.get("requestBody", {}).get("content", {}).values():
                    fields = media["schema"].get("properties", {})
                    if "contact_id" in fields:
                        fields["contact_id"] = {"type": "string", "enum": contacts}
                    if "template_name" in fields:
                        fields["template_name"] = {"type": "string", "enum": ["hello"]}
                        fields["template_params"]["examples"] = [{"name": "John"}]

    whatomate = contract.Contract(
        name="whatomate",
        auth=f"X-API-Key: {_key(client_of, ApiKey.Dialect.WHATOMATE)}",
        ids={
            "contact_id": contacts,
            "message_id": [uuids.write(uuids.MESSAGE, message.pk)],
            "template_id": [uuids.write(uuids.TEMPLATE, template.pk)],
            "account_id": [uuids.write(uuids.ACCOUNT, client_of.number.pk)],
        },
        downloads=["GET /api/media/{message_id}"],
        queries=dict.fromkeys(("before", "after", "before_id"), uuids.write(uuids.MESSAGE, message.pk)),
        adapt=able_to_send,
    )
    contract.hold(whatomate, client_of, tmp_path)


def _to_somebody(document: dict[str, Any]) -> None:
    for shape in document["components"]["schemas"].values():
        fields = shape.get("properties", {})
        if {"to", "type"} <= set(fields):
            fields["to"] = {"type": "string", "enum": JIDS}


def test_nothing_that_is_sent_breaks_what_the_session_gateways_document_says(
    client_of: Client, receiver: Receiver, tmp_path: Path
) -> None:
    key = _key(client_of, ApiKey.Dialect.SESSIONS)
    session = f"/api/v1/sessions/{client_of.number.phone_number_id}"
    message, file = _heard(client_of, _person(client_of, PHONE))

    def made(path: str, body: dict[str, Any]) -> dict[str, Any]:
        address = f"{client_of.base_url}{path}"
        answer = client_of.session.post(address, json=body, headers={"X-API-Key": key}, timeout=10)
        assert answer.ok, answer.text
        said: dict[str, Any] = answer.json()
        return said

    hook = {"url": f"http://127.0.0.1:{receiver.server_port}/hook", "events": ["*"]}
    hooks = [made("/api/v1/webhooks", hook)["id"] for _ in range(2)]
    poll = {"type": "poll", "to": JIDS[0], "name": "Lunch?", "options": ["Pizza", "Sushi"]}
    sent = made(f"{session}/messages", poll)["outboxId"]
    waiting = {"type": "text", "to": JIDS[1], "text": "Hello"}
    queued = made(f"{session}/messages?async=true", waiting)["outboxId"]
    stopped = tenants.add_sandbox(tenant=client_of.number.tenant)
    delivery = factories.DeliveryFactory.create(
        tenant=client_of.number.tenant,
        endpoint=client_of.number.tenant.webhook_endpoints.get(pk=int(hooks[0].removeprefix("wh_"))),
    )

    sessions = contract.Contract(
        name="sessions",
        auth=f"Authorization: Bearer {key}",
        ids={
            "session_id": [client_of.number.phone_number_id, stopped.phone_number_id],
            "message_id": [str(message.pk), sent, queued],
            "chat_id": JIDS[:1],
            "webhook_id": hooks,
            "delivery_id": [str(delivery.pk)],
            "media_id": [str(file.pk)],
        },
        destructive=SPOILING,
        downloads=["GET /api/v1/media/{media_id}"],
        adapt=_to_somebody,
        spelled=["GET /api/v1/sessions/{session_id}/chats/{chat_id}/messages"],
        queries={"cursor": "czE6MQ"},  # a cursor before the first row
    )
    contract.hold(sessions, client_of, tmp_path)
