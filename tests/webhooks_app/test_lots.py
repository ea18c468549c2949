"""webhooks_app/deliver.py and outcomes.py: many at a time, and what that must not cost."""

import threading
import time
from contextlib import suppress
from dataclasses import replace

import pytest
from django.db import OperationalError, connection
from django.db.models.functions import Now
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries, Settings

from accounts.models import PhoneNumber, Tenant
from gosend.lib import stop
from gosend.lib.crew import Crew
from tests.webhooks_app import receiver as receivers
from tests.webhooks_app.conftest import Publish
from webhooks_app import claims, deliver, endpoints, outcomes
from webhooks_app.models import Attempt, Delivery, WebhookEndpoint


def test_a_run_of_hundreds_costs_less_than_a_fifth_of_a_statement_each(
    acme: Tenant, number: PhoneNumber, receiver: receivers.Receiver, publish: Publish
) -> None:
    for index in range(10):
        endpoints.add(tenant=acme, number=number, url=receiver.url(f"/{index}"), events=["*"])
    for _ in range(30):
        publish(number)

    with CaptureQueriesContext(
        connection,
    ) as seen:
        assert deliver.run() == 300

    assert Delivery.objects.filter(status="delivered", attempt_count=1).count() == 300
    assert Attempt.objects.filter(response_status=200, number=1).count() == 300
    statements = [one for one in seen if "SAVEPOINT" not in one["sql"]]
    assert len(statements) / 300 < 0.2


@pytest.mark.parametrize("count", [2, 40])
def test_recording_many_costs_one_statement(
    number: PhoneNumber,
    endpoint: WebhookEndpoint,
    publish: Publish,
    django_assert_num_queries: DjangoAssertNumQueries,
    count: int,
) -> None:
    for _ in range(count):
        publish(number)
    taken = claims.take_due(limit=count, per_endpoint=count)
    good = outcomes.Answer(status=200, duration_ms=1)

    # Two more are the savepoint that stands for the transaction in this test.
    with django_assert_num_queries(1 + 2):
        assert outcomes.record([(claim, good) for claim in taken]) == count


def test_an_endpoint_that_failed_is_tried_with_one_at_a_time_until_one_succeeds(
    number: PhoneNumber, endpoint: WebhookEndpoint, publish: Publish
) -> None:
    for _ in range(12):
        publish(number)
    failed, *_ = claims.take_due(limit=4)
    assert deliver.record(failed, outcomes.Answer(status=503, duration_ms=1))
    Delivery.objects.filter(claim_token__isnull=False).update(
        claim_token=None, lease_expires_at=None, next_attempt_at=Now()
    )

    [probe] = claims.take_due(limit=16)
    assert claims.take_due(limit=16) == []

    assert deliver.record(probe, outcomes.Answer(status=200, duration_ms=1))
    assert len(claims.take_due(limit=16)) == claims.PER_ENDPOINT


def test_a_dead_endpoint_holds_one_thread_and_wears_no_queue_down(
    acme: Tenant, number: PhoneNumber, receiver: receivers.Receiver, publish: Publish
) -> None:
    dead, _ = endpoints.add(tenant=acme, number=number, url=receiver.url("/dead"), events=["*"])
    for _ in range(30):
        publish(number)
    WebhookEndpoint.objects.filter(pk=dead.pk).update(failing_since=timezone.now())
    endpoints.add(tenant=acme, number=number, url=receiver.url("/alive"), events=["*"])
    for _ in range(30):
        publish(number)

    served, meanwhile = threading.Event(), []

    def answer(handler: receivers.Handler) -> None:
        """The dead endpoint answers nothing before the other one has got all."""
        if handler.path == "/dead":
            served.wait(8)
            receivers.reply(503)(handler)
            return
        paths = [one.path for one in receiver.received]
        if paths.count("/alive") == 30 and not served.is_set():
            meanwhile.append(paths.count("/dead"))
            served.set()
        receivers.reply(200)(handler)

    receiver.answer = answer
    deliver.run()

    assert served.is_set()
    assert meanwhile[0] <= 1
    assert Delivery.objects.filter(endpoint=dead, claim_token__isnull=False).count() == 0


def test_what_is_not_begun_is_handed_back_when_the_worker_is_to_stop(
    number: PhoneNumber, endpoint: WebhookEndpoint, receiver: receivers.Receiver, publish: Publish
) -> None:
    for _ in range(40):
        publish(number)

    def answer(handler: receivers.Handler) -> None:
        stop.asked.set()
        receivers.reply(200)(handler)

    receiver.answer = answer
    try:
        made = deliver.run()
    finally:
        stop.asked.clear()

    assert 1 <= made == len(receiver.received) < 40
    left = Delivery.objects.filter(
        status="pending", next_attempt_at__lte=Now(), claim_token=None, claim_count=0
    )
    assert left.count() == 40 - made


def test_what_waited_too_long_for_its_lease_is_handed_back_and_not_posted(
    number: PhoneNumber,
    endpoint: WebhookEndpoint,
    receiver: receivers.Receiver,
    publish: Publish,
    settings: Settings,
) -> None:
    settings.CLAIM_LEASE_SECONDS = settings.WEBHOOK_TIMEOUT_SECONDS
    delivery = publish(number)

    deliver.run(seconds=0.5)

    delivery.refresh_from_db()
    assert receiver.received == []
    assert (delivery.claim_count, delivery.attempt_count, delivery.claim_token) == (0, 0, None)


def test_a_lease_hardly_longer_than_an_attempt_still_delivers(
    number: PhoneNumber,
    endpoint: WebhookEndpoint,
    receiver: receivers.Receiver,
    publish: Publish,
    settings: Settings,
) -> None:
    settings.CLAIM_LEASE_SECONDS = settings.WEBHOOK_TIMEOUT_SECONDS + 1
    delivery = publish(number)

    deliver.run(seconds=0.5)

    delivery.refresh_from_db()
    assert (delivery.status, len(receiver.received)) == ("delivered", 1)


def test_one_that_cannot_be_recorded_costs_the_others_nothing(
    number: PhoneNumber, endpoint: WebhookEndpoint, publish: Publish
) -> None:
    for _ in range(3):
        publish(number)
    good = outcomes.Answer(status=200, duration_ms=1)
    bad = replace(good, duration_ms=2**40)
    first, second, third = claims.take_due(limit=3)

    assert outcomes.record([(first, good), (second, bad), (third, good)]) == 2

    assert set(Delivery.objects.filter(status="delivered").values_list("pk", flat=True)) == {
        first.delivery.pk,
        third.delivery.pk,
    }


def test_one_alone_that_cannot_be_recorded_raises_nothing(
    number: PhoneNumber, endpoint: WebhookEndpoint, publish: Publish
) -> None:
    publish(number)

    assert outcomes.record([(claims.take_due(limit=1)[0], outcomes.Answer(200, duration_ms=2**40))]) == 0


def _cut(pid: int) -> None:
    """End another connection, as a restart of the database does."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])
    finally:
        connection.close()


def _own_pid() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        return int(cursor.fetchone()[0])


@pytest.mark.django_db(transaction=True)
def test_an_answer_in_hand_survives_a_short_absence_of_the_database(
    number: PhoneNumber, endpoint: WebhookEndpoint, publish: Publish
) -> None:
    publish(number)
    taken = claims.take_due(limit=1)
    cutting = threading.Thread(target=_cut, args=[_own_pid()])
    cutting.start()
    cutting.join()

    assert outcomes.record([(claim, outcomes.Answer(200, duration_ms=1)) for claim in taken]) == 1


@pytest.mark.django_db(transaction=True)
def test_a_run_that_the_database_breaks_still_records_what_was_on_the_wire(
    number: PhoneNumber, endpoint: WebhookEndpoint, receiver: receivers.Receiver, publish: Publish
) -> None:
    delivery = publish(number)
    pid = _own_pid()

    def answer(handler: receivers.Handler) -> None:
        _cut(pid)
        time.sleep(0.6)  # meanwhile the run looks for more
        receivers.reply(200)(handler)

    receiver.answer = answer
    with suppress(OperationalError):
        deliver.run()

    delivery.refresh_from_db()
    assert (delivery.status, len(receiver.received)) == ("delivered", 1)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("claim_count", [0, 2])
def test_a_run_without_any_thread_ends_and_hands_back_what_it_claimed(
    number: PhoneNumber,
    endpoint: WebhookEndpoint,
    receiver: receivers.Receiver,
    publish: Publish,
    monkeypatch: pytest.MonkeyPatch,
    claim_count: int,
) -> None:
    for _ in range(3):
        publish(number)
    Delivery.objects.update(claim_count=claim_count)
    monkeypatch.setattr(deliver, "_crew", Crew(deliver.THREADS, name="refused"))
    start = threading.Thread.start
    made: list[int] = []

    def refuse(thread: threading.Thread) -> None:
        if thread.name.startswith("refused"):
            raise RuntimeError("can't start new thread")
        start(thread)

    def run() -> None:
        try:
            made.append(deliver.run())
        finally:
            connection.close()

    with monkeypatch.context() as full:
        full.setattr(threading.Thread, "start", refuse)
        running = threading.Thread(target=run, daemon=True)
        running.start()
        running.join(10)

    waiting = Delivery.objects.filter(next_attempt_at__lte=Now(), claim_token=None, claim_count=claim_count)
    assert (made, waiting.count(), receiver.received) == ([0], 3, [])
    assert deliver.run() == 3


def test_each_run_has_as_many_threads_as_it_counts_on() -> None:
    wanted = deliver.RUNS * deliver.THREADS
    all_there = threading.Barrier(wanted + 1)

    def arrive() -> None:
        all_there.wait(20)

    for _ in range(wanted):
        deliver._crew.submit(arrive)

    all_there.wait(timeout=20)
