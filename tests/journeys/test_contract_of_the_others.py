"""The two other APIs' documents against a running server: what they promise is so, whatever is sent."""

from pathlib import Path

import pytest
import requests
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.utils import timezone
from pytest_django import Settings

from accounts import keys
from accounts.models import ApiKey
from gosend.api import cursors
from gosend.api.whatomate import uuids
from messaging.models import Contact, MediaFile, Message
from tests import factories
from tests.journeys import fuzz
from tests.journeys.conftest import Client
from webhooks_app.models import WebhookEndpoint

pytestmark = [pytest.mark.journey, pytest.mark.django_db(transaction=True)]

_PHONES = ["5491140123456", "5491140123457"]
_SECONDS = 25


def _key(client_of: Client, dialect: ApiKey.Dialect) -> str:
    _, key = keys.mint(tenant=client_of.number.tenant, label="fuzz", environment="test", dialect=dialect)
    return key


def _asked(client_of: Client) -> tuple[Contact, Message, MediaFile]:
    """A customer who wrote and sent a file, with the window open."""
    number = client_of.number
    contact = factories.ContactFactory.create(
        tenant=number.tenant, business_account=number.business_account, phone=_PHONES[0]
    )
    message = factories.MessageFactory.create(
        phone_number=number, contact=contact, direction=Message.Direction.INBOUND, wamid="wamid.asked"
    )
    factories.ServiceWindowFactory.create(phone_number=number, contact=contact)
    file = factories.MediaFileFactory.create(
        phone_number=number,
        message=message,
        state=MediaFile.State.KEPT,
        path=default_storage.save("contract", ContentFile(b"%PDF-")),
        size=5,
        fetched_at=timezone.now(),
        due_at=None,
    )
    return contact, message, file


def test_whatomates(client_of: Client, settings: Settings, tmp_path: Path) -> None:
    fuzz.unhurried(settings)
    number = client_of.number
    contact, message, _ = _asked(client_of)
    template = factories.TemplateFactory.create(
        tenant=number.tenant, business_account=number.business_account
    )
    cursor = uuids.write(uuids.MESSAGE, message.pk)
    ids: dict[str, list[str]] = {
        "account_id": [uuids.write(uuids.ACCOUNT, number.pk)],
        "contact_id": [uuids.write(uuids.CONTACT, contact.pk)],
        "message_id": [cursor],
        "template_id": [uuids.write(uuids.TEMPLATE, template.pk)],
    }

    fuzz.require_kept(
        fuzz.served(client_of.base_url, "whatomate", before=cursor, after=cursor, before_id=cursor),
        tmp_path,
        config=fuzz.config(
            tmp_path,
            ids=ids,
            spoiled_by={},
            files=["GET /api/media/{message_id}"],
        ),
        base_url=client_of.base_url,
        header=f"X-API-Key: {_key(client_of, ApiKey.Dialect.WHATOMATE)}",
        most=_SECONDS,
    )


def _hook(client_of: Client, key: str) -> str:
    answer = requests.post(
        f"{client_of.base_url}/api/v1/webhooks",
        json={"url": "https://93.184.216.34/hook", "events": ["*"]},
        headers={"Authorization": f"Bearer {key}"},
        timeout=10,
    )
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


def test_the_session_gateways(client_of: Client, settings: Settings, tmp_path: Path) -> None:
    fuzz.unhurried(settings)
    settings.DEFAULT_RATE_PER_MIN = settings.DEFAULT_RATE_PER_HOUR = 0
    number = client_of.number
    contact, message, file = _asked(client_of)
    other = factories.MessageFactory.create(phone_number=number, contact=contact)
    key = _key(client_of, ApiKey.Dialect.SESSIONS)
    hooks = [_hook(client_of, key) for _ in range(2)]
    delivery = factories.DeliveryFactory.create(endpoint=WebhookEndpoint.objects.earliest("pk"))
    document = fuzz.served(client_of.base_url, "sessions", cursor=cursors.write("s1", 1), chat_id=_PHONES[0])
    for shape in document["components"]["schemas"].values():
        if "to" in shape.get("properties", {}):
            shape["properties"]["to"] = {"type": "string", "enum": _PHONES}
    ids: dict[str, list[str]] = {
        "session_id": [number.phone_number_id],
        "message_id": [str(message.pk), str(other.pk)],
        "webhook_id": hooks,
        "delivery_id": [str(delivery.pk)],
        "media_id": [str(file.pk)],
    }
    spoiled_by = {
        "message_id": ["DELETE /api/v1/sessions/{session_id}/messages/{message_id}"],
        "webhook_id": ["DELETE /api/v1/webhooks/{webhook_id}", "PATCH /api/v1/webhooks/{webhook_id}"],
    }

    fuzz.require_kept(
        document,
        tmp_path,
        config=fuzz.config(tmp_path, ids=ids, spoiled_by=spoiled_by, files=["GET /api/v1/media/{media_id}"]),
        base_url=client_of.base_url,
        header=f"Authorization: Bearer {key}",
        most=_SECONDS,
    )
