"""A template goes all the way: submitted, reviewed by a Meta of its own, told through our door, and sent."""

import threading
import time
from collections.abc import Iterator

import pytest
from django.conf import settings as live_settings
from pytest_django import Settings

from gosend.sandbox.server import SandboxServer
from messaging import ingest
from messaging.models import MetaEvent
from tests import factories
from tests.journeys.conftest import Client
from webhooks_app.models import Event

pytestmark = [pytest.mark.journey, pytest.mark.django_db(transaction=True)]

BODY = {"type": "BODY", "text": "Welcome, {{1}}, to the shop.", "example": {"body_text": [["Ana"]]}}


@pytest.fixture
def meta(client_of: Client, settings: Settings) -> Iterator[SandboxServer]:
    server = SandboxServer(
        ("127.0.0.1", 0),
        secret=live_settings.SANDBOX_APP_SECRET,
        callback_url=f"{client_of.base_url}/meta/webhook",
    )
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    settings.SANDBOX_URL = f"http://127.0.0.1:{server.port}"
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


def test_a_template_is_reviewed_and_then_sent(client_of: Client, meta: SandboxServer) -> None:
    tenant = client_of.number.tenant
    factories.WebhookEndpointFactory.create(
        tenant=tenant, phone_number=None, events=["whatsapp.template.approved"], is_test=True
    )
    base = f"{client_of.base_url}/v1/wabas/{client_of.number.business_account.waba_id}/templates"
    definition = {"name": "welcome", "language": "en_US", "category": "UTILITY", "components": [BODY]}
    message = {
        "phone_number_id": client_of.number.phone_number_id,
        "to": "5491140123456",
        "type": "template",
        "template": {
            "name": "welcome",
            "language": {"code": "en_US"},
            "components": [{"type": "body", "parameters": [{"type": "text", "text": "Ana"}]}],
        },
    }

    made = client_of.session.post(base, json=definition, timeout=10)
    too_early = client_of.session.post(f"{client_of.base_url}/v1/messages", json=message, timeout=10)
    stop_at = time.monotonic() + 15
    while not MetaEvent.objects.exists():
        assert time.monotonic() < stop_at, "no callback"
        time.sleep(0.05)
    ingest.handle_due()
    sent = client_of.session.post(f"{client_of.base_url}/v1/messages", json=message, timeout=10)
    synced = client_of.session.post(f"{base}/sync", timeout=10)

    assert (made.status_code, made.json()["status"]) == (201, "PENDING")
    assert (too_early.status_code, too_early.json()["code"]) == (422, "TEMPLATE_NOT_APPROVED")
    assert list(Event.objects.values_list("type", flat=True)) == ["template.approved"]
    assert sent.status_code == 201, sent.text
    assert synced.json() == {"created": 0, "updated": 1, "deleted": 0, "total": 1}
