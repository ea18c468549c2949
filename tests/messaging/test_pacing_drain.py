"""A drain whose Meta refuses the token, over real HTTP: nothing is burned, and one success lets it go on."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import orjson
import pytest
from django.db import connections
from django.utils import timezone
from pytest_django import Settings

from accounts import numbers
from accounts.models import PhoneNumber
from gosend.whatsapp import content
from messaging import deliver, pacing, send, throughput
from messaging.models import Dispatch, Message
from tests import factories
from tests.messaging.media_host import MediaHost, serving
from webhooks_app.models import Event

SendText = Callable[..., Message]


class Meta(ThreadingHTTPServer):
    """Answers every send with one error code, or takes it."""

    request_queue_size = 64
    code: int | None = None
    usage: dict[str, int] | None = None
    seconds = 0.0
    asked = 0
    counting = threading.Lock()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Meta

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        with self.server.counting:
            self.server.asked += 1
            asked = self.server.asked
        time.sleep(self.server.seconds)
        code = self.server.code
        answer = {"error": {"code": code, "message": "no"}} if code else _taken(asked)
        body = orjson.dumps(answer)
        self.send_response(400 if code else 200)
        self.send_header("Content-Length", str(len(body)))
        if usage := self.server.usage:
            said = orjson.dumps({"1": [{"type": "whatsapp", **usage}]}).decode()
            self.send_header("X-Business-Use-Case-Usage", said)
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

    assert deliver.numbers_due() == []

    meta.code = None
    _earlier(number, "held_until", 1)
    Dispatch.objects.update(due_at=timezone.now())
    assert deliver.numbers_due() == [number.pk]
    deliver.drain(number_id=number.pk)
    assert meta.asked == asked + 5
    assert Message.objects.filter(status="sent").count() == 5
    assert (_again(number).held_for, _again(number).held_until) == ("", None)


def test_a_replaced_token_lets_all_numbers_of_its_account_try_again_at_once(
    send_text: SendText, number: PhoneNumber, meta: Meta
) -> None:
    sibling = factories.PhoneNumberFactory.create(
        tenant=number.tenant, business_account=number.business_account
    )
    meta.code = 190
    send_text(to="5491140123400", is_async=True)
    deliver.drain(number_id=number.pk)
    assert _again(sibling).held_for == "token"
    meta.code = None

    account = number.business_account
    account.access_token = "another"
    account.save()
    numbers.token_replaced(account)

    assert {(_again(one).held_for, _again(one).held_until) for one in (number, sibling)} == {("", None)}
    # It was put back to be tried as soon as the number may, not after the pause.
    assert Dispatch.objects.get().due_at < timezone.now() + timedelta(seconds=3)
    time.sleep(2)
    assert deliver.numbers_due() == [number.pk]
    deliver.drain(number_id=number.pk)
    assert Message.objects.get().status == "sent"


@pytest.mark.parametrize(("code", "why"), [(190, "token"), (80007, "account_calls")])
def test_metas_answer_to_an_upload_pauses_the_number_as_that_to_a_send_does(
    number: PhoneNumber, meta: Meta, code: int, why: str
) -> None:
    host = MediaHost()
    stop = serving(host)
    meta.code = code
    image = content.parse(type="image", value={"link": host.put("/a.png")})

    message = send.accept(
        tenant=number.tenant, number=number, to="5491140123400", content=image, environment="test"
    )
    stop()

    assert (message.status, _again(number).held_for) == ("queued", why)
    assert message.error is not None
    assert message.error["code"] == code


def test_an_account_that_has_used_most_of_its_calls_slows_down_before_meta_refuses(
    send_text: SendText, number: PhoneNumber, meta: Meta
) -> None:
    sibling = factories.PhoneNumberFactory.create(
        tenant=number.tenant, business_account=number.business_account
    )
    stranger = factories.PhoneNumberFactory.create()
    meta.usage = {"call_count": 90, "total_cputime": 20, "estimated_time_to_regain_access": 0}
    send_text(to="5491140123400", is_async=True)
    deliver.drain(number_id=number.pk)

    assert _again(number).slowed_to == _again(sibling).slowed_to == pytest.approx(0.4)
    assert pacing.slowed(_again(number), 80) in {32, 33, 34}
    assert _again(stranger).slowed_to is None

    meta.usage = {"call_count": 100, "estimated_time_to_regain_access": 7}
    send_text(to="5491140123401", is_async=True)
    deliver.drain(number_id=number.pk)
    assert _again(sibling).held_for == "account_calls"
    assert 410 < pacing.held_seconds(_again(sibling)) <= 420
    assert Message.objects.filter(status="sent").count() == 2


def test_the_sandbox_can_say_that_an_account_has_used_most_of_its_calls(
    send_text: SendText, number: PhoneNumber
) -> None:
    assert send_text(to="5491140120009").status == "sent"
    assert _again(number).slowed_to == pytest.approx(0.4)


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


@pytest.mark.django_db(transaction=True)
def test_of_synchronous_sends_at_once_after_a_pause_one_tries_and_the_next_go_when_meta_took_it(
    send_text: SendText, number: PhoneNumber, meta: Meta
) -> None:
    PhoneNumber.objects.filter(pk=number.pk).update(held_for="spam", held_until=timezone.now())
    meta.seconds = 0.5

    def one(person: int) -> str:
        try:
            asked = content.parse(type="text", value={"body": "Hola"})
            mine = _again(number)
            return send.accept(
                tenant=mine.tenant, number=mine, to=f"549114012340{person}", content=asked, environment="test"
            ).status
        except throughput.NumberOverLimit as refused:
            return refused.code
        finally:
            connections.close_all()

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(one, range(4))) == ["rate_limited_phone_number"] * 3 + ["sent"]
        assert meta.asked == 1
        assert list(pool.map(one, range(4, 8))) == ["sent"] * 4
    assert _again(number).held_for == ""


def test_a_try_that_fails_for_a_reason_of_its_own_is_followed_by_the_next_at_once(
    send_text: SendText, number: PhoneNumber, meta: Meta
) -> None:
    for person in range(3):
        send_text(to=f"549114012340{person}", is_async=True)
    PhoneNumber.objects.filter(pk=number.pk).update(held_for="spam", held_until=timezone.now())
    meta.code = 131026

    assert deliver.drain(number_id=number.pk) == 3

    assert Message.objects.filter(status="failed").count() == 3
    assert (_again(number).held_for, pacing.held_seconds(_again(number))) == ("spam", 0)
