"""A tenant with a sandbox number, and the words to send and to be told."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import orjson
import pytest
from django.utils import timezone

from accounts import tenants
from accounts.models import PhoneNumber, Tenant
from gosend.sandbox.models import PendingCallback
from gosend.whatsapp import content
from messaging import ingest, send
from messaging.models import Message, MetaEvent


@pytest.fixture
def tenant(db: None) -> Tenant:
    return tenants.open_tenant(name="Acme")


@pytest.fixture
def number(tenant: Tenant) -> PhoneNumber:
    return tenants.add_sandbox(tenant=tenant)


@pytest.fixture
def strict_number(number: PhoneNumber) -> PhoneNumber:
    """A number old enough, and strict, so that the 24-hour window counts."""
    number.window_policy = PhoneNumber.WindowPolicy.STRICT
    number.connected_at = timezone.now() - timedelta(days=3)
    number.save()
    return number


@pytest.fixture
def send_text(tenant: Tenant, number: PhoneNumber) -> Callable[..., Message]:
    def _send(to: str = "5491140123456", body: str = "Hola", **options: Any) -> Message:
        return send.accept(
            tenant=tenant,
            number=number,
            to=to,
            content=content.parse(type="text", value={"body": body}),
            environment="test",
            **options,
        )

    return _send


@pytest.fixture
def tell(db: None) -> Callable[..., MetaEvent]:
    """Store a callback as Meta's door does, and handle it."""

    def _tell(payload: Any, *, is_sandbox: bool = True, app: Any = None) -> MetaEvent:
        body = payload if isinstance(payload, bytes) else orjson.dumps(payload)
        ingest.store(body=body, app=app, is_sandbox=is_sandbox)
        ingest.handle_due()
        return MetaEvent.objects.latest("pk")

    return _tell


@pytest.fixture
def meta_speaks(tell: Callable[..., MetaEvent]) -> Callable[[], int]:
    """Handle every callback that the in-process sandbox owes, in the order they fall due."""

    def _speak() -> int:
        due = list(PendingCallback.objects.order_by("due_at", "pk"))
        for callback in due:
            tell(bytes(callback.body))
            callback.delete()
        return len(due)

    return _speak


def envelope(number: PhoneNumber, **value: Any) -> dict[str, Any]:
    """Meta's envelope around statuses or messages of a number."""
    metadata = {
        "display_phone_number": number.display_phone_number_normalized,
        "phone_number_id": number.phone_number_id,
    }
    change = {"messaging_product": "whatsapp", "metadata": metadata, **value}
    entry = {
        "id": number.business_account.waba_id,
        "changes": [{"field": "messages", "value": change}],
    }
    return {"object": "whatsapp_business_account", "entry": [entry]}


def status(
    wamid: str, name: str, *, at: int = 1_780_000_000, opaque: str = "", **more: Any
) -> dict[str, Any]:
    report = {"id": wamid, "status": name, "timestamp": str(at), "recipient_id": "5491140123456", **more}
    if opaque:
        report["biz_opaque_callback_data"] = opaque
    return report


def text_message(wamid: str, body: str = "Confirmo", *, at: int | None = None, **more: Any) -> dict[str, Any]:
    moment = at if at is not None else int(timezone.now().timestamp())
    return {
        "from": "5491140123456",
        "id": wamid,
        "timestamp": str(moment),
        "type": "text",
        "text": {"body": body},
        **more,
    }
