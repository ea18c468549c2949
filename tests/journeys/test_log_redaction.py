"""Traffic through real processes at LOG_LEVEL=DEBUG: their whole log holds no secret, text or number."""

# ruff: noqa: S603 -- our own commands

import base64
import json
import os
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import requests
from django.conf import settings
from django.db import connection

from accounts import keys, tenants
from accounts.models import PhoneNumber
from gosend.demo.receiver import Receiver
from gosend.lib import signing
from gosend.sandbox.server import SandboxServer
from messaging.models import Message, MetaEvent
from tests import factories
from tests.material import ROOT
from tests.test_deployment import local_database_url
from webhooks_app.models import Delivery

pytestmark = [pytest.mark.journey, pytest.mark.django_db(transaction=True)]

TOKEN = "EAAGtokenOfALiveAccount0123456789ZBsecretZD"
APP_SECRET = "0f1e2d3c4b5a69788796a5b4c3d2e1f0"
VERIFY_TOKEN = "verify-token-of-the-app-771"
METRICS_TOKEN = "metrics-token-of-the-operator-772"
PASSWORD = "the-operators-password-773"
URL_SECRET = "secret-in-a-webhook-address-774"
# Written by a customer, by a client, by somebody whose request is refused.
TEXTS = (
    "Your table is booked, Mrs Quiroga",
    "El diagnóstico es reservado",
    "Refused Zanzibar text",
    "Inbound words",
    "A name that breaks a rule",
)
PHONES = (
    "5491140123456",
    "5491155550001",
    "5491155550005",
    "5491155550006",
    "5491155550007",
    "34600111222",
    "34600111333",
)


@dataclass
class Installation:
    """Web and worker, and everything that must not be in what they wrote."""

    url: str
    log: Path
    secrets: list[str] = field(default_factory=list)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def _wait_for(condition: Callable[[], object], seconds: float = 45) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)


@pytest.fixture
def meta() -> Iterator[SandboxServer]:
    server = SandboxServer(("127.0.0.1", 0), secret=APP_SECRET)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


@contextmanager
def _running(command: list[str], environment: dict[str, str], log: Path) -> Iterator[None]:
    with log.open("ab") as output:
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=output, stderr=output)
    try:
        yield
    finally:
        process.terminate()
        process.wait(30)


@pytest.fixture
def installation(tmp_path: Path, meta: SandboxServer) -> Iterator[Installation]:
    port, log = _free_port(), tmp_path / "log"
    url = f"http://127.0.0.1:{port}"
    environment = os.environ | {
        "DATABASE_URL": local_database_url(),
        "REDIS_URL": "",
        "DJANGO_SETTINGS_MODULE": "gosend.settings",
        "SECRET_KEY": settings.SECRET_KEY,
        "ENCRYPTION_KEYS": settings.ENCRYPTION_KEYS,
        "VAR_DIR": str(tmp_path / "var"),
        "LOG_LEVEL": "DEBUG",
        "PUBLIC_URL": url,
        "META_GRAPH_URL": f"http://127.0.0.1:{meta.port}",
        "TRUSTED_NETWORKS": "127.0.0.0/8",
        "METRICS_TOKEN": METRICS_TOKEN,
        "METRICS_FLUSH_SECONDS": "1",
    }
    web = [sys.executable, "-m", "granian", "--interface", "wsgi", "--host", "127.0.0.1", "--port", str(port)]
    web += ["--workers", "1", "--blocking-threads", "4", "--log-level", "debug", "gosend.wsgi:application"]
    worker = [sys.executable, "-m", "celery", "-A", "gosend", "worker", "-B", "--pool", "threads"]
    worker += ["--concurrency", "6", "--loglevel", "DEBUG", "--without-mingle", "--without-gossip"]
    with _running(web, environment, log), _running(worker, environment, log):
        _wait_for(lambda: _answers(url))
        told = Installation(url, log)
        told.secrets += [TOKEN, APP_SECRET, VERIFY_TOKEN, METRICS_TOKEN, PASSWORD, URL_SECRET]
        told.secrets += [
            settings.SECRET_KEY,
            settings.SANDBOX_APP_SECRET,
            settings.ENCRYPTION_KEYS.split(":")[1],
        ]
        yield told


@contextmanager
def _database_that_refuses(text: str) -> Iterator[None]:
    """PostgreSQL quotes the row that it refuses, and the traceback quotes PostgreSQL."""
    with connection.cursor() as cursor:
        cursor.execute(
            "ALTER TABLE messaging_contact ADD CONSTRAINT refuses CHECK (name <> %s)",
            [text],
        )
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE messaging_contact DROP CONSTRAINT refuses")


def _answers(url: str) -> bool:
    try:
        return requests.get(f"{url}/readyz", timeout=2).ok
    except requests.RequestException:
        return False


def _live_number(tenant: Any) -> PhoneNumber:
    account = factories.BusinessAccountFactory.create(
        tenant=tenant, customer=tenant.customers.get(is_default=True), access_token=TOKEN
    )
    factories.MetaAppFactory.create(secret=APP_SECRET, verify_token=VERIFY_TOKEN)
    number: PhoneNumber = factories.PhoneNumberFactory.create(
        tenant=tenant, business_account=account, window_policy="defer"
    )
    return number


def _send(
    at: Installation, key: str, number: PhoneNumber, to: str, text: str, **query: str
) -> requests.Response:
    body = {"phone_number_id": number.phone_number_id, "to": to, "type": "text", "text": {"body": text}}
    headers = {"X-API-Key": key, "Idempotency-Key": f"order-{to}"}
    return requests.post(f"{at.url}/v1/messages", json=body, headers=headers, params=query, timeout=20)


def _subscribe(at: Installation, key: str, number: PhoneNumber, receiver: Receiver, path: str) -> None:
    body = {
        "url": f"http://127.0.0.1:{receiver.server_port}/{path}?token={URL_SECRET}",
        "events": [f"whatsapp.message.{name}" for name in ("sent", "delivered", "failed", "received")],
        "phone_number_id": number.phone_number_id,
        "type": "gosendapi_events",
    }
    made = requests.post(f"{at.url}/v1/webhooks", json=body, headers={"X-API-Key": key}, timeout=10)
    assert made.status_code == 201, made.text
    at.secrets.append(made.json()["secret"])


def _meta_posts(
    at: Installation,
    number: PhoneNumber,
    *,
    phone: str,
    text: str,
    secret: str = APP_SECRET,
    name: str = "Quiroga",
) -> int:
    """What a customer writes; with a wrong secret it is refused."""
    wamid = f"wamid.{base64.b64encode(phone.encode()).decode()}"
    message = {"from": phone, "id": wamid, "timestamp": "1790000000", "type": "text", "text": {"body": text}}
    value = {
        "messaging_product": "whatsapp",
        "metadata": {"display_phone_number": "15550100", "phone_number_id": number.phone_number_id},
        "contacts": [{"wa_id": phone, "profile": {"name": name}}],
        "messages": [message],
    }
    change = {"field": "messages", "value": value}
    whole = {
        "object": "whatsapp_business_account",
        "entry": [{"id": number.business_account.waba_id, "changes": [change]}],
    }
    body = json.dumps(whole).encode()
    headers = {"X-Hub-Signature-256": signing.hub_signature(secret, body), "Content-Type": "application/json"}
    return requests.post(f"{at.url}/meta/webhook", data=body, headers=headers, timeout=10).status_code


def _misuse(at: Installation, key: str, number: PhoneNumber) -> None:
    """What goes wrong is what tempts a program to write down what it got."""
    texts = {"X-API-Key": key}
    assert _send(at, key, number, "+54 9 11 4012-3456", TEXTS[2]).status_code == 400
    broken = f'{{"to": "{PHONES[0]}", "text": {{"body": "{TEXTS[2]}"'.encode()
    for headers in (texts, {"X-API-Key": key[:-1] + "x"}, {"Authorization": f"Bearer {key}"}):
        requests.post(f"{at.url}/v1/messages", data=broken, headers=headers, timeout=10)
    requests.get(
        f"{at.url}/v1/messages", params={"to": f"+{PHONES[5]}", "key": key}, headers=texts, timeout=10
    )
    requests.get(f"{at.url}/v1/nothing/{PHONES[5]}/{key}", headers=texts, timeout=10)
    assert _meta_posts(at, number, phone=PHONES[5], text=TEXTS[2], secret="wrong") == 401
    query = {"hub.mode": "subscribe", "hub.verify_token": VERIFY_TOKEN, "hub.challenge": "1"}
    assert requests.get(f"{at.url}/meta/webhook", params=query, timeout=10).text == "1"
    with requests.Session() as session:
        session.get(f"{at.url}/console/login/", timeout=10)
        form = {
            "username": "operator",
            "password": PASSWORD,
            "csrfmiddlewaretoken": session.cookies["csrftoken"],
        }
        session.post(f"{at.url}/console/login/", data=form, timeout=10)
    metrics = requests.get(
        f"{at.url}/metrics", headers={"Authorization": f"Bearer {METRICS_TOKEN}"}, timeout=10
    )
    assert metrics.status_code == 200


def test_the_whole_log_of_a_journey_holds_no_secret_text_or_number(
    installation: Installation, receiver: Receiver
) -> None:
    at = installation
    tenant = tenants.open_tenant(name="Acme")
    sandbox, live = tenants.add_sandbox(tenant=tenant), _live_number(tenant)
    _, test_key = keys.mint(tenant=tenant, label="test", environment="test")
    _, live_key = keys.mint(tenant=tenant, label="live", environment="live")
    at.secrets += [test_key, live_key]
    _subscribe(at, test_key, sandbox, receiver, "hook")
    _subscribe(at, live_key, live, receiver, "live")

    for phone in PHONES[:5]:
        assert _send(at, test_key, sandbox, phone, TEXTS[0]).status_code in (201, 202)
    assert _send(at, live_key, live, PHONES[0], TEXTS[1]).status_code == 201
    queued = _send(at, live_key, live, PHONES[5], TEXTS[1], **{"async": "true"})
    assert queued.status_code == 202
    assert _meta_posts(at, live, phone=PHONES[5], text=TEXTS[3]) == 200
    _misuse(at, test_key, sandbox)
    _wait_for(lambda: Message.objects.filter(direction="inbound").count() >= 2)
    with _database_that_refuses(TEXTS[4]):
        assert _meta_posts(at, live, phone=PHONES[6], text=TEXTS[3], name=TEXTS[4]) == 200
        _wait_for(lambda: MetaEvent.objects.exclude(errors=[]).exists())
    MetaEvent.objects.exclude(errors=[]).update(handled_at=None, next_attempt_at="2026-01-01T00:00:00Z")
    _wait_for(lambda: not MetaEvent.objects.filter(handled_at=None).exists())
    _wait_for(lambda: Message.objects.filter(pk=queued.json()["id"], status="sent").exists())
    _wait_for(lambda: not Delivery.objects.filter(status="pending").exists())
    at.secrets += [one.wamid for one in Message.objects.all() if one.wamid]
    connection.close()

    written = at.log.read_text()
    _assert_clean(written, at.secrets)
    assert "DETAIL: ***" in written
    lines = [json.loads(line) for line in written.splitlines() if line.startswith("{")]
    assert {line["logger"].partition(".")[0] for line in lines} >= {
        "gosend",
        "messaging",
        "webhooks_app",
        "celery",
    }
    _assert_traceable(lines, queued)


def _assert_clean(written: str, secrets: list[str]) -> None:
    whole = "".join(written.split())
    for secret in secrets:
        assert secret not in written
        assert base64.b64encode(secret.encode()).decode() not in written
    for text in TEXTS:
        # As text, and as JSON escapes it.
        assert text not in written
        assert json.dumps(text)[1:-1] not in written
    digits_only = re.sub(r"[ ().+-]", "", whole)
    for phone in PHONES:
        assert phone not in digits_only
        assert base64.b64encode(phone.encode()).decode()[:12] not in written


def _assert_traceable(lines: list[dict[str, Any]], queued: requests.Response) -> None:
    """The worker's lines about a message carry its id and the id of the request that asked for it."""
    of_message = [line for line in lines if line.get("message_id") == queued.json()["id"]]
    assert {line["request_id"] for line in of_message} == {queued.headers["X-Request-Id"]}
    assert any(line["message"].startswith("call to Meta: sent") for line in of_message)
    delivered = {str(one) for one in Delivery.objects.values_list("delivery_id", flat=True)}
    assert {line["delivery_id"] for line in lines if "delivery_id" in line} == delivered
