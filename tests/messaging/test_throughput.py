"""A number's messages per second: counted in PostgreSQL and in Redis, kept by accept and by the drain."""

import os
import threading
import time
from collections.abc import Callable, Iterator

import pytest
import redis
from django.db import connection, connections
from django.db.models import F
from django.test.utils import CaptureQueriesContext
from pytest_django.fixtures import Settings

from accounts.models import PhoneNumber
from messaging import conversations, deliver, throughput
from messaging.models import Contact, Dispatch, Message, Throughput
from tests import factories, plans

REDIS_URL = os.environ.get("REDIS_URL", "")
needs_redis = pytest.mark.skipif(not REDIS_URL, reason="REDIS_URL names no Redis to test against")
SendText = Callable[..., Message]
Tier = PhoneNumber.Tier


@pytest.fixture(params=["in PostgreSQL", pytest.param("in Redis", marks=needs_redis)])
def store(
    request: pytest.FixtureRequest, settings: Settings, caplog: pytest.LogCaptureFixture
) -> Iterator[None]:
    settings.REDIS_URL = REDIS_URL if request.param == "in Redis" else ""
    yield
    # Else the fall-back would have been tested under the name of Redis.
    assert [record for record in caplog.records if record.name == "gosend.lib.rate_limit"] == []


@pytest.fixture
def slow_number(number: PhoneNumber) -> PhoneNumber:
    """20 messages per second, Meta's cap for a number that is also in the app."""
    PhoneNumber.objects.update(connection_type=PhoneNumber.Connection.COEXISTENCE)
    number.refresh_from_db()
    return number


def _spend(number: PhoneNumber) -> None:
    """Leave nothing of a number's budget for a good while."""
    throughput.take(number=number, most=1000)
    Throughput.objects.update(full_at=F("full_at") + 900_000)


@pytest.mark.usefixtures("store")
def test_a_clock_that_stepped_back_keeps_a_number_for_one_message(
    slow_number: PhoneNumber, settings: Settings
) -> None:
    throughput.take(number=slow_number, most=1)
    Throughput.objects.update(full_at=F("full_at") + 3_600_000_000)
    if settings.REDIS_URL:
        with redis.Redis.from_url(settings.REDIS_URL) as client:
            ahead = time.time_ns() // 1000 + 3_600_000_000
            client.set(f"gosend:limit:number:{slow_number.phone_number_id}", ahead)

    refused = throughput.take(number=slow_number, most=1)

    assert refused.count == 0
    assert 0 < refused.retry_after <= 1 / 20
    time.sleep(refused.retry_after + 0.01)
    assert throughput.take(number=slow_number, most=1).count == 1


@pytest.mark.parametrize(
    ("tier", "connection_type", "rate"),
    [
        (Tier.STANDARD, "dedicated", 80),
        (Tier.MEDIUM, "dedicated", 200),
        (Tier.HIGH, "dedicated", 1000),
        (Tier.UNLIMITED, "dedicated", None),
        (Tier.STANDARD, "coexistence", 20),
        (Tier.UNLIMITED, "coexistence", 20),
    ],
)
def test_the_tier_decides_the_rate(tier: Tier, connection_type: str, rate: int | None) -> None:
    number = PhoneNumber(throughput_tier=tier, connection_type=connection_type)

    assert throughput.per_second(number) == rate


@pytest.mark.usefixtures("store")
def test_a_burst_is_one_seconds_worth_and_then_it_trickles(slow_number: PhoneNumber) -> None:
    first = throughput.take(number=slow_number, most=15)
    rest = throughput.take(number=slow_number, most=15)
    none = throughput.take(number=slow_number, most=15)
    time.sleep(none.retry_after + 0.005)

    assert (first.count, first.retry_after) == (15, 0)
    assert 5 <= rest.count <= 7
    assert none.count == 0
    assert 0 < none.retry_after <= 0.05
    assert throughput.take(number=slow_number, most=15).count == 1


@pytest.mark.usefixtures("store")
def test_what_is_given_back_can_be_taken_again_and_never_more(slow_number: PhoneNumber) -> None:
    assert throughput.take(number=slow_number, most=20).count == 20
    throughput.give_back(number=slow_number, count=5)
    assert throughput.take(number=slow_number, most=20).count in (5, 6, 7)
    throughput.give_back(number=slow_number, count=500)

    assert throughput.take(number=slow_number, most=100).count == 20


def test_a_number_without_a_limit_asks_nobody(number: PhoneNumber) -> None:
    number.throughput_tier = Tier.UNLIMITED

    with CaptureQueriesContext(connection) as queries:
        assert throughput.take(number=number, most=1000).count == 1000
    assert len(queries) == 0


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("store")
def test_many_at_once_never_get_more_than_burst_and_rate(slow_number: PhoneNumber) -> None:
    granted: list[int] = []
    started = time.monotonic()

    def hammer(most: int) -> None:
        while time.monotonic() < started + 1.0:
            grant = throughput.take(number=slow_number, most=most)
            granted.append(grant.count)
            if most == 3 and grant.count == 3:
                throughput.give_back(number=slow_number, count=1)
                granted.append(-1)
            time.sleep(0.001)
        connections.close_all()

    threads = [threading.Thread(target=hammer, args=[most]) for most in (1, 3, 5, 16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    elapsed = time.monotonic() - started

    assert 20 + 0.8 * 20 <= sum(granted) <= 20 + 20 * elapsed + 1


def test_a_synchronous_send_over_the_tier_is_refused_and_not_stored(
    send_text: SendText, slow_number: PhoneNumber, settings: Settings
) -> None:
    settings.REDIS_URL = ""
    _spend(slow_number)

    with pytest.raises(throughput.NumberOverLimit) as refused:
        send_text(to="5491140123499")

    assert refused.value.message == (
        f"Rate limit exceeded for phone_number_id={slow_number.phone_number_id}. Tier: standard (20 msg/s)."
    )
    assert refused.value.retry_after == 1
    assert not Message.objects.exists()
    assert not Contact.objects.exists()


def test_a_send_that_is_refused_for_another_reason_costs_no_budget(
    send_text: SendText, number: PhoneNumber, strict_number: PhoneNumber, settings: Settings
) -> None:
    settings.REDIS_URL = ""
    throughput.take(number=number, most=40)
    full_at = Throughput.objects.get().full_at

    with pytest.raises(conversations.WindowClosed):
        send_text()

    assert Throughput.objects.get().full_at == full_at


def test_asynchronous_sends_over_the_tier_go_out_as_the_budget_refills(
    send_text: SendText, slow_number: PhoneNumber
) -> None:
    for n in range(12):
        assert send_text(to=f"54911401234{n:02d}", is_async=True).status == "queued"
    throughput.take(number=slow_number, most=20)
    started = time.monotonic()

    drained: list[int] = []
    while sum(drained) < 12 and time.monotonic() < started + 5:
        drained.append(deliver.drain(number_id=slow_number.pk))
        time.sleep(0.02)

    assert time.monotonic() - started >= 11 / 20
    assert set(Message.objects.values_list("status", flat=True)) == {"sent"}
    assert not Dispatch.objects.exists()


def test_a_drain_of_one_message_spends_one(send_text: SendText, slow_number: PhoneNumber) -> None:
    for n in range(3):
        send_text(body=str(n), is_async=True)

    assert deliver.drain(number_id=slow_number.pk) == 3

    assert throughput.take(number=slow_number, most=20).count >= 17


def test_a_spent_number_is_not_claimed(
    send_text: SendText, slow_number: PhoneNumber, settings: Settings
) -> None:
    settings.REDIS_URL = ""
    send_text(is_async=True)
    _spend(slow_number)

    with CaptureQueriesContext(connection) as queries:
        assert deliver.drain(number_id=slow_number.pk) == 0

    assert Dispatch.objects.get().epoch == 0
    assert len(queries) <= 4


def test_a_queue_takes_ten_thousand_and_no_more(
    send_text: SendText, number: PhoneNumber, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(throughput, "MAX_WAITING", 3)
    for _ in range(3):
        send_text(is_async=True)

    with pytest.raises(throughput.QueueFull) as refused:
        send_text(is_async=True)

    assert refused.value.message.endswith("Tier: standard (80 msg/s).")
    assert Message.objects.count() == 3
    deliver.drain(number_id=number.pk)
    assert send_text(is_async=True).status == "queued"


def test_the_count_of_a_queue_reads_an_index_and_stops_at_the_limit(number: PhoneNumber) -> None:
    with CaptureQueriesContext(connection) as queries:
        assert throughput.room(number=number) == 1
        assert throughput.room(number=number) == 1

    (query,) = queries
    counted = query["sql"].replace("$1", f"'{number.pk}'").replace("$2", f"'{throughput.MAX_WAITING + 1}'")
    assert "LIMIT '10001'" in counted
    plans.write_anew("messaging_dispatch")
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute(f"EXPLAIN {counted}")
        plan = "\n".join(line for (line,) in cursor.fetchall())
    assert "dispatch_due" in plan


def test_two_numbers_have_a_budget_each(slow_number: PhoneNumber) -> None:
    other = factories.PhoneNumberFactory.create(connection_type="coexistence")
    throughput.take(number=slow_number, most=20)

    assert throughput.take(number=other, most=20).count == 20
