"""The OpenAPI documents against a running server: what they promise is so, whatever is sent."""

from pathlib import Path
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.utils import timezone
from pytest_django import Settings

from gosend.demo.receiver import Receiver
from messaging.models import Conversation, MediaFile
from tests import factories
from tests.journeys import contract
from tests.journeys.conftest import Client

pytestmark = [pytest.mark.journey, pytest.mark.django_db(transaction=True)]


@pytest.fixture(autouse=True)
def _unhurried(settings: Settings) -> None:
    settings.API_RATE_LIMITS = dict.fromkeys(settings.API_RATE_LIMITS, 100_000)
    settings.API_DAILY_LIMITS = dict.fromkeys(settings.API_DAILY_LIMITS, 100_000_000)


@pytest.fixture
def standing(client_of: Client, receiver: Receiver) -> dict[str, list[str]]:
    """Objects of every kind, made as a client makes them: for each id of a path two, the second to spoil."""
    number = client_of.number
    account = number.business_account
    hook = {"url": f"http://127.0.0.1:{receiver.server_port}/hook", "events": ["*"]}
    hook["phone_number_id"] = number.phone_number_id
    template = {
        "language": "en_US",
        "category": "UTILITY",
        "components": [{"type": "BODY", "text": "Hello."}],
    }
    text = {"phone_number_id": number.phone_number_id, "to": "5491140123456", "type": "text"}

    def made(path: str, body: dict[str, Any]) -> dict[str, Any]:
        answer = client_of.session.post(f"{client_of.base_url}/v1/{path}", json=body, timeout=10)
        assert answer.ok, answer.text
        said: dict[str, Any] = answer.json()
        return said

    messages = [made("messages", {**text, "text": {"body": body}})["id"] for body in ("one", "two")]
    hooks = [made("webhooks", hook)["id"] for _ in range(2)]
    templates = [
        made(f"wabas/{account.pk}/templates", {**template, "name": f"hello_{n}"})["id"] for n in "ab"
    ]
    delivery = made(f"webhooks/{hooks[0]}/test", {})
    replay = made(f"webhooks/{hooks[0]}/replay", {"since": "2026-01-01T00:00:00Z"})
    path = default_storage.save("contract", ContentFile(b"%PDF-"))
    file = factories.MediaFileFactory.create(
        phone_number=number,
        state=MediaFile.State.KEPT,
        path=path,
        size=5,
        fetched_at=timezone.now(),
        due_at=None,
    )
    return {
        "message_id": messages,
        "conversation_id": [str(Conversation.objects.get().pk)],
        "waba_id": [str(account.pk)],
        "phone_number_id": [number.phone_number_id],
        "template_id": templates,
        "webhook_id": hooks,
        "delivery_id": [delivery["id"]],
        "replay_id": [replay["id"]],
        "media_id": [str(file.pk)],
    }


def test_nothing_that_is_sent_breaks_what_the_native_document_says(
    client_of: Client, standing: dict[str, list[str]], tmp_path: Path
) -> None:
    def able_to_send(document: dict[str, Any]) -> None:
        """Sends that can succeed: from the number that is there, to somebody."""
        for shape in document["components"]["schemas"].values():
            fields = shape.get("properties", {})
            if {"phone_number_id", "to", "type"} <= set(fields):
                fields["phone_number_id"] = {"type": "string", "enum": [client_of.number.phone_number_id]}
                fields["to"] = {"type": "string", "enum": ["5491140123456", "5491140123457"]}

    native = contract.Contract(
        name="v1",
        auth=f"X-API-Key: {client_of.key}",
        ids=standing,
        destructive={
            "DELETE /v1/webhooks/{webhook_id}": "webhook_id",
            "PATCH /v1/webhooks/{webhook_id}": "webhook_id",
            "DELETE /v1/wabas/{waba_id}/templates/{template_id}": "template_id",
        },
        downloads=["GET /v1/media/{media_id}"],
        adapt=able_to_send,
        queries={"cursor": "djE6MQ"},  # a cursor before the first row
        seconds=40,
    )
    contract.hold(native, client_of, tmp_path)
