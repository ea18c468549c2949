"""One person gets one message in six seconds, with a burst of 45; nobody else waits for it."""

import os
import time
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
import redis
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django import Settings

from accounts.models import PhoneNumber
from gosend.whatsapp import content
from gosend.whatsapp.client import GraphClient
from gosend.whatsapp.wire import GraphRequest, GraphResponse
from messaging import claims, deliver, intents, pairs, send
from messaging.line import Line
from messaging.models import Dispatch, Message, PairBudget
from tests import factories

REDIS_URL = os.environ.get("REDIS_URL", "")
needs_redis = pytest.mark.skipif(not REDIS_URL, reason="REDIS_URL names no Redis to test against")
SendText = Callable[..., Message]
CHATTY, OTHER = "5491140111222", "5491140333444"


@pytest.fixture(params=["in PostgreSQL", pytest.param("in Redis", marks=needs_redis)])
def store(
    request: pytest.FixtureRequest, settings: Settings, caplog: pytest.LogCaptureFixture
) -> Iterator[None]:
    settings.REDIS_URL = REDIS_URL if request.param == "in Redis" else ""
    yield
    # Else the fall-back would have been tested under the name of Redis.
    assert [record for record in caplog.records if record.name == "gosend.lib.rate_limit"] == []


def _drafts(*messages: Message) -> list[intents.Draft]:
    taken = [claims.take_one(message_id=message.pk) for message in messages]
    return intents.read([claim for claim in taken if claim])


def _queue(number: PhoneNumber, peer: str, count: int) -> None:
    text = content.parse(type="text", value={"body": "Hola"})
    asked = [send.Asked(number, peer, text) for _ in range(count)]
    send.accept_many(tenant=number.tenant, asked=asked, environment="test")


def _waits(peer: str) -> list[float]:
    now = timezone.now()
    rows = Dispatch.objects.filter(peer=peer).order_by("message_id")
    return [(due_at - now).total_seconds() for due_at in rows.values_list("due_at", flat=True)]


@pytest.mark.usefixtures("store")
def test_a_burst_of_45_goes_at_once_and_the_next_six_seconds_later(
    send_text: SendText, number: PhoneNumber
) -> None:
    draft, other = _drafts(send_text(to=CHATTY, is_async=True), send_text(to=OTHER, is_async=True))

    went = sum(len(pairs.admit(number=number, drafts=[draft])) for _ in range(pairs.BURST))
    assert went == pairs.BURST
    assert pairs.admit(number=number, drafts=[draft, other]) == [other]

    held = Dispatch.objects.get(message_id=draft.claim.message_id)
    assert (held.state, held.claim_count) == ("queued", 0)
    assert 4.5 < _waits(CHATTY)[0] < 6.1


@pytest.mark.usefixtures("store")
def test_a_bulk_to_one_person_steps_aside_and_another_goes_at_once(
    send_text: SendText, number: PhoneNumber
) -> None:
    _queue(number, CHATTY, 1000)
    other = send_text(to=OTHER, is_async=True)
    pairs.exhaust(number=number, peer=CHATTY)

    started = time.monotonic()
    deliver.drain(number_id=number.pk)

    other.refresh_from_db()
    assert other.status == "sent"
    assert time.monotonic() - started < 5
    waits = _waits(CHATTY)
    assert len(waits) == 1000
    assert 0 < waits[0] < 6.1
    steps = {round(later - sooner, 1) for sooner, later in zip(waits, waits[1:], strict=False)}
    assert steps == {6.0}
    assert deliver.drain(number_id=number.pk) == 0


@needs_redis
def test_with_redis_many_people_cost_no_statement(
    send_text: SendText, number: PhoneNumber, settings: Settings
) -> None:
    settings.REDIS_URL = REDIS_URL
    drafts = _drafts(*(send_text(to=f"54911401234{i:02}", is_async=True) for i in range(20)))

    with CaptureQueriesContext(
        connection,
    ) as queries:
        assert pairs.admit(number=number, drafts=drafts) == drafts

    assert len(queries) == 0


def test_without_redis_many_people_cost_one_statement(
    send_text: SendText, number: PhoneNumber, settings: Settings
) -> None:
    settings.REDIS_URL = ""
    drafts = _drafts(*(send_text(to=f"54911401234{i:02}", is_async=True) for i in range(20)))

    with CaptureQueriesContext(connection) as queries:
        assert pairs.admit(number=number, drafts=drafts) == drafts

    assert len(queries) == 1


@pytest.mark.usefixtures("store")
def test_metas_131056_takes_what_was_left_of_the_burst(send_text: SendText, number: PhoneNumber) -> None:
    body = b'{"error": {"code": 131056, "message": "Pair rate limit hit"}}'

    def meta(_: GraphRequest) -> GraphResponse:
        return GraphResponse(status=400, body=body)

    first, second = (send_text(to=CHATTY, body=text, is_async=True) for text in "12")
    with Line(client=GraphClient(transport=meta, token="t"), number=number, here=True) as line:
        line.add([claim for claim in [claims.take_one(message_id=first.pk)] if claim])
        line.turn()

    assert 3 < _waits(CHATTY)[0] < 4.1
    Dispatch.objects.filter(message=first).delete()
    assert pairs.admit(number=number, drafts=_drafts(second)) == []


@pytest.mark.usefixtures("store")
@pytest.mark.parametrize("hours", [2, 2_000_000_000], ids=["two-hours-ahead", "for-good"])
def test_a_clock_that_stepped_back_keeps_a_person_for_one_message(
    send_text: SendText, number: PhoneNumber, settings: Settings, hours: int
) -> None:
    full_at = time.time_ns() // 1000 + hours * 3_600_000_000
    factories.PairBudgetFactory.create(phone_number=number, peer=CHATTY, full_at=full_at)
    key = f"gosend:limit:{pairs._key(number, CHATTY)}"
    if settings.REDIS_URL:
        with redis.Redis.from_url(settings.REDIS_URL) as client:
            client.set(key, full_at)
    draft, other = _drafts(send_text(to=CHATTY, is_async=True), send_text(to=OTHER, is_async=True))

    assert pairs.admit(number=number, drafts=[draft, other]) == [other]

    assert 5 < _waits(CHATTY)[0] < 6.1
    kept = PairBudget.objects.get(peer=CHATTY).full_at
    if settings.REDIS_URL:
        with redis.Redis.from_url(settings.REDIS_URL) as client:
            kept = int(client.get(key) or 0)
            client.delete(key)
    assert kept - time.time_ns() // 1000 <= pairs._CAPACITY  # so that the next is not kept as long again


def test_a_budget_that_is_whole_again_is_forgotten(number: PhoneNumber) -> None:
    ahead = int((timezone.now() + timedelta(minutes=1)).timestamp() * 1_000_000)
    factories.PairBudgetFactory.create(phone_number=number, peer="1", full_at=0)
    kept = factories.PairBudgetFactory.create(phone_number=number, peer="2", full_at=ahead)

    assert pairs.forget_past() == 1
    assert list(PairBudget.objects.all()) == [kept]
