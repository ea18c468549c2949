"""A drain whose Meta refuses the token, over real HTTP: nothing is burned, and one success lets it go on."""

import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import orjson
import pytest
from django.utils import timezone
from pytest_django import Settings

from accounts.models import PhoneNumber
from messaging import deliver
from messaging.models import Dispatch, Message
from tests import factories
from webhooks_app.models import Event

SendText = Callable[..., Message]


class Meta(ThreadingHTTPServer):
    """Answers every send with one error code, or takes it."""

    code: int | None = None
    asked = 0


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Meta

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.server.asked += 1
        code = self.server.code
        answer = {"error": {"code": code, "message": "no"}} if code else _taken(self.server.asked)
        body = orjson.dumps(answer)
        self.send_response(400 if code else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


def _taken(count: int) -> dict[str, object]:
    return {"messages": [{"id": f"wamid.{count}"}], "contacts": []}


@pytest.fixture
def meta(settings: Settings) -> Iterator[Meta]:
    with Meta(("127.0.0.1", 0), _Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        settings.SANDBOX_URL = f"http://127.0.0.1:{server.server_port}"
        yield server
        server.shutdown()


def _again(number: PhoneNumber) -> PhoneNumber:
    return PhoneNumber.objects.select_related("business_account", "tenant").get(pk=number.pk)


def _earlier(number: PhoneNumber, field: str, seconds: float) -> PhoneNumber:
    moment = timezone.now() - timedelta(seconds=seconds)
    PhoneNumber.objects.filter(pk=number.pk).update(**{field: moment})
    return _again(number)


def test_a_dead_token_burns_nothing_alerts_once_and_one_success_lets_the_rest_go(
    send_text: SendText, number: PhoneNumber, meta: Meta
) -> None:
    factories.WebhookEndpointFactory.create(
        tenant=number.tenant, phone_number=None, events=["*"], is_test=True
    )
    meta.code = 190
    for person in range(5):
        send_text(to=f"549114012340{person}", is_async=True)
    deliver.drain(number_id=number.pk)
    asked = meta.asked
    deliver.drain(number_id=number.pk)

    assert meta.asked == asked <= 5
    assert Message.objects.filter(status="queued").count() == 5
    assert _again(number).held_for == "token"
    assert Event.objects.filter(type="account.alert").count() == 1

    meta.code = None
    _earlier(number, "held_until", 1)
    Dispatch.objects.update(due_at=timezone.now())
    deliver.drain(number_id=number.pk)
    assert meta.asked == asked + 5
    assert Message.objects.filter(status="sent").count() == 5
    assert (_again(number).held_for, _again(number).held_until) == ("", None)


def test_meta_slows_a_drain_and_every_message_arrives(
    send_text: SendText, number: PhoneNumber, meta: Meta
) -> None:
    meta.code = 130429
    for person in range(3):
        send_text(to=f"549114012340{person}", is_async=True)
    deliver.drain(number_id=number.pk)
    assert _again(number).slowed_to == 0.5

    meta.code = None
    Dispatch.objects.update(due_at=timezone.now())
    deliver.drain(number_id=number.pk)
    assert Message.objects.filter(status="sent").count() == 3
