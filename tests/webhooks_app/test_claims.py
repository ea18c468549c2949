"""webhooks_app/deliver.py: who may attempt what, and when."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from urllib.parse import quote, urlencode

import pytest
from django.db import connection
from django.db.models.functions import Now
from pytest_django import DjangoAssertNumQueries

from accounts.models import PhoneNumber, Tenant
from tests.webhooks_app import receiver as receivers
from tests.webhooks_app.conftest import HAPPENED, Publish
from webhooks_app import claims, deliver, endpoints, events, outcomes
from webhooks_app.models import Attempt, Delivery, WebhookEndpoint


def _expire_leases() -> None:
    past = Now() - timedelta(seconds=1)
    Delivery.objects.filter(claim_token__isnull=False).update(lease_expires_at=past, next_attempt_at=past)


def test_a_claim_takes_few_of_each_endpoint_whoever_waits_longest(
    acme: Tenant, number: PhoneNumber, endpoint: WebhookEndpoint, publish: Publish
) -> None:
    for _ in range(10):
        publish(number)
    quiet, _ = endpoints.add(tenant=acme, number=number, url="https://quiet.example/", events=["*"])
    publish(number)

    first = claims.take_due(limit=16)
    second = claims.take_due(limit=16)

    assert sorted(c.delivery.endpoint_id for c in first) == [endpoint.pk] * 4 + [quiet.pk]
    assert second == []


def test_a_small_claim_takes_one_of_each_before_a_second_of_any(
    acme: Tenant, number: PhoneNumber, endpoint: WebhookEndpoint, publish: Publish
) -> None:
    for _ in range(3):
        publish(number)
    quiet, _ = endpoints.add(tenant=acme, number=number, url="https://quiet.example/", events=["*"])
    publish(number)

    taken = claims.take_due(limit=2)

    assert {c.delivery.endpoint_id for c in taken} == {endpoint.pk, quiet.pk}


@pytest.mark.parametrize("count", [1, 4])
def test_a_claim_costs_two_queries(
    number: PhoneNumber,
    endpoint: WebhookEndpoint,
    publish: Publish,
    django_assert_num_queries: DjangoAssertNumQueries,
    count: int,
) -> None:
    for _ in range(count):
        publish(number)

    with django_assert_num_queries(2):
        taken = claims.take_due(limit=16)
        assert [c.delivery.endpoint.url for c in taken] == [endpoint.url] * count
        assert all(c.delivery.body for c in taken)


def test_a_claim_that_finds_nothing_costs_one_query(
    db: None, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    with django_assert_num_queries(1):
        assert claims.take_due(limit=16) == []


@pytest.mark.parametrize(("answer", "count"), [(200, 3), (500, 5)])
def test_recording_costs_few_queries(
    number: PhoneNumber,
    endpoint: WebhookEndpoint,
    publish: Publish,
    django_assert_num_queries: DjangoAssertNumQueries,
    answer: int,
    count: int,
) -> None:
    publish(number)
    [claim] = claims.take_due(limit=1)

    # Two of them are the savepoint that stands for the transaction in this test.
    with django_assert_num_queries(count):
        assert deliver.record(claim, outcomes.Answer(status=answer, duration_ms=1))


def test_a_dead_workers_delivery_is_made_again_after_the_lease_with_the_same_bytes(
    number: PhoneNumber, endpoint: WebhookEndpoint, receiver: receivers.Receiver, publish: Publish
) -> None:
    delivery = publish(number)
    [lost] = claims.take_due(limit=1)
    first = deliver.build(lost)
    assert claims.take_due(limit=1) == []

    _expire_leases()
    assert deliver.run() == 1

    delivery.refresh_from_db()
    assert delivery.status == "delivered"
    assert receiver.received[0].body == first.body
    assert receiver.received[0].headers["webhook-id"] == first.headers["webhook-id"]


def test_a_worker_that_lost_its_claim_records_nothing(
    number: PhoneNumber, endpoint: WebhookEndpoint, publish: Publish
) -> None:
    delivery = publish(number)
    [slow] = claims.take_due(limit=1)
    _expire_leases()
    [quick] = claims.take_due(limit=1)

    assert deliver.record(slow, outcomes.Answer(status=500, duration_ms=1)) is False
    assert deliver.record(quick, outcomes.Answer(status=200, duration_ms=1)) is True
    assert deliver.record(slow, outcomes.Answer(status=200, duration_ms=1)) is False

    delivery.refresh_from_db()
    endpoint.refresh_from_db()
    assert (delivery.status, Attempt.objects.count()) == ("delivered", 1)
    assert endpoint.failing_since is None


def test_a_delivery_that_outlives_five_workers_is_parked(
    number: PhoneNumber, endpoint: WebhookEndpoint, receiver: receivers.Receiver, publish: Publish
) -> None:
    delivery = publish(number)
    for _ in range(2):
        assert len(claims.take_due(limit=1)) == 1
        _expire_leases()
    for _ in range(3):
        assert claims.take_suspect() is not None
        _expire_leases()

    assert deliver.run() == 0

    delivery.refresh_from_db()
    assert (delivery.status, delivery.ended_reason) == ("failed", "abandoned")
    assert receiver.received == []


def test_what_was_lost_twice_with_a_lot_is_claimed_alone_and_nothing_of_it_is_abandoned(
    number: PhoneNumber, endpoint: WebhookEndpoint, receiver: receivers.Receiver, publish: Publish
) -> None:
    for _ in range(4):
        publish(number)
    for _ in range(8):
        claims.take_due(limit=4)
        _expire_leases()
    assert {one.claim_count for one in Delivery.objects.all()} == {2}

    publish(number)
    assert len(claims.take_due(limit=16)) == 1
    _expire_leases()
    assert deliver.run() == 5
    assert Delivery.objects.filter(status="delivered").count() == 5


def test_suspects_cost_other_endpoints_no_turns(
    acme: Tenant, number: PhoneNumber, endpoint: WebhookEndpoint, publish: Publish
) -> None:
    for index in range(15):
        endpoints.add(tenant=acme, number=number, url=f"https://r{index}.example/", events=["*"])
    publish(number)
    Delivery.objects.update(claim_count=2)
    healthy, _ = endpoints.add(tenant=acme, number=number, url="https://well.example/", events=["*"])
    for _ in range(4):
        publish(number)
    Delivery.objects.exclude(endpoint=healthy).filter(claim_count=0).update(next_attempt_at=None)

    taken = claims.take_due(limit=16)

    assert [claim.delivery.endpoint_id for claim in taken] == [healthy.pk] * 4


def test_suspects_go_out_beside_a_lot(
    acme: Tenant, number: PhoneNumber, receiver: receivers.Receiver, publish: Publish
) -> None:
    for _ in range(2):
        endpoints.add(tenant=acme, number=number, url=receiver.url("/suspect"), events=["*"])
    publish(number)
    Delivery.objects.update(claim_count=2)
    endpoints.add(tenant=acme, url=receiver.url("/busy"), events=["*"], is_test=True)
    events.publish(
        tenant_id=acme.pk,
        number=None,
        type="account.alert",
        data={"alert": {}},
        occurred_at=HAPPENED,
        is_test=True,
    )
    told = threading.Semaphore(0)
    waits: list[bool] = []

    def answer(handler: receivers.Handler) -> None:
        if handler.path == "/busy":
            waits.extend(told.acquire(timeout=5) for _ in range(2))
        else:
            told.release()
        receivers.reply(200)(handler)

    receiver.answer = answer
    assert deliver.run() == 3

    assert waits == [True, True]


@pytest.mark.django_db(transaction=True)
def test_suspects_go_out_one_at_a_time_in_a_process(
    acme: Tenant, number: PhoneNumber, receiver: receivers.Receiver, publish: Publish
) -> None:
    for _ in range(4):
        endpoints.add(tenant=acme, number=number, url=receiver.url("/suspect"), events=["*"])
    publish(number)
    Delivery.objects.update(claim_count=2)
    at_once = [0]

    def answer(handler: receivers.Handler) -> None:
        at_once.append(at_once[-1] + 1)
        time.sleep(0.3)
        at_once.append(at_once[-1] - 1)
        receivers.reply(200)(handler)

    receiver.answer = answer
    _run_beside()

    assert max(at_once) == 1
    assert Delivery.objects.filter(status="delivered").count() == 4


def _run_beside() -> None:
    """Two runs in one process."""

    def run() -> None:
        try:
            deliver.run()
        finally:
            connection.close()

    threads = [threading.Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_suspects_of_a_failing_endpoint_go_one_at_a_time(
    number: PhoneNumber, endpoint: WebhookEndpoint, publish: Publish
) -> None:
    for _ in range(2):
        publish(number)
    Delivery.objects.update(claim_count=2)
    WebhookEndpoint.objects.update(failing_since=Now())

    assert claims.take_suspect() is not None
    assert claims.take_suspect() is None


def test_the_lease_is_on_the_databases_clock(
    number: PhoneNumber, endpoint: WebhookEndpoint, publish: Publish
) -> None:
    publish(number)

    [claim] = claims.take_due(limit=1, lease_seconds=30)

    row = Delivery.objects.get(pk=claim.delivery.pk)
    assert row.lease_expires_at == claim.at + timedelta(seconds=30)
    assert row.next_attempt_at == row.lease_expires_at


@pytest.mark.django_db(transaction=True)
def test_concurrent_claimers_never_share_a_delivery(
    acme: Tenant, number: PhoneNumber, publish: Publish
) -> None:
    for index in range(15):
        endpoints.add(tenant=acme, number=number, url=f"https://r{index}.example/", events=["*"])
    for _ in range(4):
        publish(number)
    claimed: list[int] = []
    start = threading.Barrier(4)

    def claim() -> None:
        try:
            start.wait()
            # Bounded, because a claimer may find all of them locked by another.
            for _ in range(60):
                claimed.extend(c.delivery.pk for c in claims.take_due(limit=5))
        finally:
            connection.close()

    threads = [threading.Thread(target=claim) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(claimed) == len(set(claimed)) == 60


@pytest.mark.django_db(transaction=True)
def test_two_runs_side_by_side_post_each_event_once(
    acme: Tenant, number: PhoneNumber, receiver: receivers.Receiver, publish: Publish
) -> None:
    for index in range(5):
        endpoints.add(tenant=acme, number=number, url=receiver.url(f"/{index}"), events=["*"])
    for _ in range(6):
        publish(number)

    _run_beside()

    ids = [r.headers["webhook-id"] for r in receiver.received]
    assert len(ids) == len(set(ids)) == 30
    assert Delivery.objects.filter(status="delivered", attempt_count=1).count() == 30


def test_a_hanging_endpoint_does_not_hold_up_the_others(
    acme: Tenant, number: PhoneNumber, receiver: receivers.Receiver, publish: Publish
) -> None:
    endpoints.add(tenant=acme, number=number, url=receiver.url("/slow"), events=["*"])
    for _ in range(8):
        publish(number)
    endpoints.add(tenant=acme, number=number, url=receiver.url("/quick"), events=["*"])
    publish(number)

    def answer(handler: receivers.Handler) -> None:
        if handler.path == "/slow":
            time.sleep(0.3)
        receivers.reply(200)(handler)

    receiver.answer = answer
    deliver.run()

    paths = [r.path for r in receiver.received]
    assert paths.count("/slow") == 9
    assert "/quick" in paths[: claims.PER_ENDPOINT + 1]


@pytest.mark.django_db(transaction=True)
def test_a_worker_killed_while_the_receiver_works_costs_a_repeat_and_never_the_event(
    number: PhoneNumber, endpoint: WebhookEndpoint, receiver: receivers.Receiver, publish: Publish
) -> None:
    receiver.answer = receivers.hang
    delivery = publish(number)
    database = connection.settings_dict
    login = f"{quote(database['USER'])}:{quote(database['PASSWORD'])}"
    address = f"postgres://{login}@/{database['NAME']}"
    where = urlencode({"host": database["HOST"], "port": database["PORT"] or 5432})
    worker = subprocess.Popen(  # noqa: S603 -- our own interpreter, our own words
        [sys.executable, "-c", _WORKER], env={**os.environ, "DATABASE_URL": f"{address}?{where}"}
    )
    try:
        _wait_until(lambda: len(receiver.received) == 1)
    finally:
        worker.kill()
        worker.wait()

    receiver.answer = receivers.reply(200)
    assert deliver.run() == 0
    _expire_leases()
    assert deliver.run() == 1

    first, second = receiver.received
    delivery.refresh_from_db()
    assert (delivery.status, delivery.attempt_count, Attempt.objects.count()) == ("delivered", 1, 1)
    assert first.body == second.body
    assert first.headers["webhook-id"] == second.headers["webhook-id"] == str(delivery.delivery_id)


_WORKER = """
import os
os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
import django
django.setup()
from webhooks_app import deliver
deliver.run()
"""


def _wait_until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.02)
