"""A Meta that hangs holds a few requests of a process; the others are answered, and nothing is lost."""

import socket
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor

import orjson
import pytest
from django.db import connections
from django.http import HttpResponse
from django.test import Client
from pytest_django import Settings

from accounts import keys
from accounts.models import ApiKey, PhoneNumber
from gosend.api.whatomate import uuids
from gosend.sandbox.server import SandboxServer
from messaging import deliver, throughput
from messaging.models import Dispatch, Message, Throughput
from tests import factories
from tests.conftest import Party
from tests.lib.raw_server import RawServer, keeps_alive
from tests.messaging.media_host import serving

SendText = Callable[..., Message]


@pytest.fixture
def silent(settings: Settings) -> Iterator[RawServer]:
    """A Meta that reads what it is sent, and says nothing."""
    with RawServer(_listen) as server:
        settings.SANDBOX_URL = server.url("")
        yield server


def _listen(connection: socket.socket, server: RawServer) -> None:
    server.read_request(connection)
    server.stopping.wait(20)


@pytest.mark.django_db(transaction=True)
def test_a_hanging_meta_holds_so_many_requests_and_one_more_is_answered_at_once(
    send_text: SendText, number: PhoneNumber, silent: RawServer, settings: Settings
) -> None:
    settings.SYNCHRONOUS_SENDS = 2
    settings.META_TIMEOUT_SECONDS = 3
    told: list[tuple[str, float]] = []

    def one(person: int) -> None:
        started = time.monotonic()
        try:
            message = send_text(to=f"549114012340{person}")
            told.append((message.status, time.monotonic() - started))
        finally:
            connections.close_all()

    with ThreadPoolExecutor(5) as pool:
        list(pool.map(one, range(5)))

    assert [status for status, _ in told] == ["queued"] * 3 + ["unknown"] * 2
    assert max(seconds for _, seconds in told[:3]) < 2 < min(seconds for _, seconds in told[3:])
    assert len(silent.requests) == 2
    assert sorted(Dispatch.objects.values_list("state", flat=True)) == ["queued"] * 3 + ["unknown"] * 2

    well = SandboxServer(("127.0.0.1", 0), secret="secret")
    stop = serving(well)
    settings.SANDBOX_URL = f"http://127.0.0.1:{well.port}"
    assert deliver.drain(number_id=number.pk) == 3
    assert send_text(to="5491140123409").status == "sent"
    stop()
    assert Message.objects.filter(status="sent").count() == 4


def test_a_message_that_is_left_to_a_worker_costs_the_numbers_budget_once(
    send_text: SendText, number: PhoneNumber, silent: RawServer, settings: Settings
) -> None:
    settings.REDIS_URL = ""
    settings.SYNCHRONOUS_SENDS = 0
    throughput.take(number=number, most=60)
    full_at = Throughput.objects.get().full_at

    assert send_text().status == "queued"

    assert Throughput.objects.get().full_at == full_at
    assert silent.connections == 0


def test_a_sandbox_in_this_process_keeps_nobody_waiting(send_text: SendText, settings: Settings) -> None:
    settings.SYNCHRONOUS_SENDS = 0

    assert send_text().status == "sent"


@pytest.mark.parametrize("dialect", ["v1", "whatomate", "sessions"])
def test_each_dialect_answers_as_when_meta_asks_to_wait(
    acme: Party, dialect: str, silent: RawServer, settings: Settings
) -> None:
    settings.SYNCHRONOUS_SENDS = 0
    left = _ask(acme, dialect, "5491140123456")
    settings.SYNCHRONOUS_SENDS = 1
    with RawServer(keeps_alive(_throttled())) as meta:
        settings.SANDBOX_URL = meta.url("")
        asked_to_wait = _ask(acme, dialect, "5491140123457")

    assert silent.connections == 0
    assert left == asked_to_wait
    assert (
        left == {"v1": (202, "queued"), "whatomate": (200, "pending"), "sessions": (202, "queued")}[dialect]
    )
    assert Message.objects.filter(status="queued").count() == 2


def _throttled() -> bytes:
    body = orjson.dumps({"error": {"code": 130429, "message": "slow down"}})
    return b"HTTP/1.1 400 Bad Request\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)


def _ask(party: Party, dialect: str, to: str) -> tuple[int, str]:
    """Send a text by one of the APIs; the status of the answer, and that of the message."""
    if dialect == "v1":
        body = {"phone_number_id": party.number.phone_number_id, "to": to, "type": "text"}
        answer = _post("/v1/messages", {**body, "text": {"body": "Hola"}}, {"X-API-Key": party.api_key})
        return answer.status_code, orjson.loads(answer.content)["status"]
    minted = keys.mint(tenant=party.tenant, label="x", environment="test", dialect=ApiKey.Dialect(dialect))[1]
    if dialect == "whatomate":
        account = party.number.business_account
        contact = factories.ContactFactory.create(tenant=party.tenant, business_account=account, phone=to)
        path = f"/api/contacts/{uuids.write(uuids.CONTACT, contact.pk)}/messages"
        answer = _post(path, {"type": "text", "text": "Hola"}, {"X-API-Key": minted})
        return answer.status_code, orjson.loads(answer.content)["data"]["status"]
    path = f"/api/v1/sessions/{party.number.phone_number_id}/messages"
    body = {"to": f"{to}@s.whatsapp.net", "type": "text", "text": "Hola"}
    answer = _post(path, body, {"Authorization": f"Bearer {minted}"})
    return answer.status_code, orjson.loads(answer.content)["status"]


def _post(path: str, body: Mapping[str, object], headers: dict[str, str]) -> HttpResponse:
    response = Client().post(path, orjson.dumps(body), content_type="application/json", headers=headers)
    assert isinstance(response, HttpResponse)
    return response
