"""Meta speaks before it has answered: the status callback is in before the send's response is recorded."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from django.db import connections
from pytest_django import Settings

from accounts.models import BusinessAccount, MetaApp, PhoneNumber, Tenant
from gosend.api import meta_webhook
from gosend.lib import http, signing
from gosend.whatsapp import content
from messaging import deliver, ingest, send
from messaging.models import Dispatch, Message, StatusReport
from tests.conftest import Party

pytestmark = [pytest.mark.journey, pytest.mark.django_db(transaction=True)]

WAMID = "wamid.HBgNNTQ5MTE0MDEyMzQ1NhUCABEYEg"
APP_SECRET = "the app's secret"


class HastyMeta(ThreadingHTTPServer):
    """Takes a message, reports it as delivered to our door, and only then answers the request."""

    daemon_threads = True
    door = ""
    phone_number_id = ""
    told: list[int]

    def report(self, opaque: str) -> None:
        status = {
            "id": WAMID,
            "status": "delivered",
            "timestamp": "1780000000",
            "recipient_id": "5491140123456",
            "biz_opaque_callback_data": opaque,
        }
        value = {
            "messaging_product": "whatsapp",
            "metadata": {"display_phone_number": "15550100", "phone_number_id": self.phone_number_id},
            "statuses": [status],
        }
        entry = {"id": "1", "changes": [{"field": "messages", "value": value}]}
        body = json.dumps({"object": "whatsapp_business_account", "entry": [entry]}).encode()
        answer = http.fetch(
            method="POST",
            url=self.door,
            headers={"X-Hub-Signature-256": signing.hub_signature(APP_SECRET, body)},
            body=body,
            timeout_seconds=5,
            max_bytes=1000,
            guard=None,
        )
        self.told.append(answer.status)
        ingest.handle_due()
        connections.close_all()


class _Handler(BaseHTTPRequestHandler):
    server: HastyMeta

    def do_POST(self) -> None:
        request: dict[str, Any] = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.report(request["biz_opaque_callback_data"])
        answer = {
            "messaging_product": "whatsapp",
            "contacts": [{"input": request["to"], "wa_id": request["to"].lstrip("+")}],
            "messages": [{"id": WAMID}],
        }
        body = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def hasty_meta(settings: Settings, live_server: Any) -> Iterator[HastyMeta]:
    server = HastyMeta(("127.0.0.1", 0), _Handler)
    server.told = []
    server.door = f"{live_server.url}/meta/webhook"
    meta_webhook.forget_secrets()  # those of the test before, which the door may hold for seconds
    settings.META_GRAPH_URL = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def _go_live(tenant: Tenant, number: PhoneNumber) -> PhoneNumber:
    account = number.business_account
    account.is_sandbox, account.access_token = False, "EAAB-a-token"
    account.save()
    number.is_sandbox = False
    number.save()
    app = MetaApp(app_id="77", name="Platform")
    app.secret, app.verify_token = APP_SECRET, "verify"
    app.save()
    assert BusinessAccount.objects.get(pk=account.pk).tenant == tenant
    return number


@pytest.mark.parametrize("is_async", [False, True])
def test_a_status_before_the_sends_own_response_ends_as_delivered(
    is_async: bool, acme: Party, hasty_meta: HastyMeta
) -> None:
    number = _go_live(acme.tenant, acme.number)
    hasty_meta.phone_number_id = number.phone_number_id

    message = send.accept(
        tenant=acme.tenant,
        number=number,
        to="5491140123456",
        content=content.parse(type="text", value={"body": "Hola"}),
        environment="live",
        is_async=is_async,
    )
    if is_async:
        deliver.drain(number_id=number.pk)

    message = Message.objects.get(pk=message.pk)
    assert hasty_meta.told == [200]
    assert (message.status, message.wamid) == ("delivered", WAMID)
    assert StatusReport.objects.get().message_id == message.pk
    assert Dispatch.objects.count() == 0
