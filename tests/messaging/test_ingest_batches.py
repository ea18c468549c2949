"""messaging/ingest.py: hundreds of callbacks in a few statements, and none spoils another."""

from datetime import timedelta
from typing import Any

import orjson
import pytest
from django.db import connection
from django.db.models.functions import Now
from pytest_django import DjangoAssertNumQueries

from accounts.models import PhoneNumber, Tenant
from gosend.lib import stop
from messaging import callbacks, ingest, opaque
from messaging.models import Message, MetaEvent, StatusReport
from tests import factories, plans
from tests.messaging.conftest import envelope, status, text_message
from webhooks_app import endpoints
from webhooks_app.models import Delivery, Event


def _messages(number: PhoneNumber, count: int) -> list[Message]:
    contact = factories.ContactFactory.create(business_account=number.business_account, tenant=number.tenant)
    made = [factories.MessageFactory.create(phone_number=number, contact=contact) for _ in range(count)]
    for one in made:
        factories.MessageContentFactory.create(message=one)
    return made


def _post(number: PhoneNumber, reports: list[dict[str, Any]]) -> None:
    for report in reports:
        ingest.store(body=orjson.dumps(envelope(number, statuses=[report])), app=None, is_sandbox=True)


@pytest.mark.parametrize("count", [3, 200])
def test_a_batch_of_statuses_costs_sixteen_statements_however_many(
    tenant: Tenant, number: PhoneNumber, count: int, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    endpoints.add(tenant=tenant, number=number, url="https://customer.example/", events=["*"])
    messages = _messages(number, count)
    _post(
        number,
        [
            status(one.wamid or "", "delivered", opaque=opaque.write(message_id=one.pk, attempt=1))
            for one in messages
        ],
    )

    # Take; who wants them raw; their numbers; keep, lock, save, who listens, what they say, tell, settle,
    # within a transaction; close. Then two looks that find nothing more.
    with django_assert_num_queries(11 + 2 + 3):
        assert ingest.handle_due() == count

    assert Message.objects.filter(status="delivered").count() == count
    assert Event.objects.filter(type="message.delivered").count() == count
    assert Delivery.objects.count() == count
    assert MetaEvent.objects.filter(handled_at=None).count() == 0


def test_raw_callbacks_are_passed_on_in_as_few(
    tenant: Tenant, number: PhoneNumber, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    endpoints.add(tenant=tenant, number=number, url="https://customer.example/", events=[], type="meta_raw")
    _post(number, [status(f"wamid.{n}", "read") for n in range(40)])

    # As above without a message to move: four fewer to find and move, four more to pass on, in a
    # transaction of their own.
    with django_assert_num_queries(5 + 2 + 3 + 2 + 3):
        assert ingest.handle_due() == 40

    owed = Delivery.objects.filter(event__type="meta_raw").order_by("pk")
    bodies = [bytes(one.event.body) for one in owed.select_related("event")]
    assert bodies == [bytes(one.body) for one in MetaEvent.objects.order_by("pk")]
    assert MetaEvent.objects.filter(forwarded_at=None).count() == 0


def test_one_status_that_cannot_be_kept_spoils_no_other(number: PhoneNumber) -> None:
    good, bad = _messages(number, 2)
    # A failure of the database with one row only, as a real one would be: no such wamid can be stored.
    with connection.cursor() as cursor:
        cursor.execute(
            f"ALTER TABLE messaging_statusreport ADD CONSTRAINT refuses CHECK (wamid <> '{bad.wamid}')"
        )
    _post(number, [status(one.wamid or "", "read") for one in (bad, good)])

    ingest.handle_due()

    good.refresh_from_db()
    bad.refresh_from_db()
    assert (good.status, bad.status) == ("read", "sent")
    failed = MetaEvent.objects.get(handled_at=None)
    assert (bad.wamid or "").encode() in bytes(failed.body)
    assert "refuses" in failed.errors[0]["error"]
    assert failed.next_attempt_at is not None


def test_what_failed_is_handled_on_a_later_try(number: PhoneNumber) -> None:
    [message] = _messages(number, 1)
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE messaging_statusreport ADD CONSTRAINT refuses CHECK (status <> 'read')")
    _post(number, [status(message.wamid or "", "read")])
    ingest.handle_due()
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE messaging_statusreport DROP CONSTRAINT refuses")
    MetaEvent.objects.update(next_attempt_at=Now() - timedelta(seconds=1))

    assert ingest.handle_due() == 1

    message.refresh_from_db()
    event = MetaEvent.objects.get()
    assert (message.status, event.errors, event.attempt_count) == ("read", [], 2)
    assert event.handled_at is not None


def test_a_callback_that_was_tried_before_is_taken_alone(number: PhoneNumber) -> None:
    """What takes workers down must not drag its neighbours along until all are given up."""
    _post(number, [status(f"wamid.{n}", "read") for n in range(3)])
    MetaEvent.objects.update(attempt_count=1)
    taken = callbacks.take(limit=10)
    alone = [callbacks.take_again() for _ in range(4)]

    assert taken == []
    assert [len(one) for one in alone] == [1, 1, 1, 0]


def test_what_was_tried_before_is_found_without_reading_what_waits(number: PhoneNumber) -> None:
    """It is asked for beside each batch: a backlog would else be read through hundreds of times."""
    factories.MetaEventFactory.create_batch(500)
    MetaEvent.objects.filter(pk=MetaEvent.objects.order_by("id")[0].pk).update(attempt_count=1)
    plans.write_anew("messaging_metaevent")

    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN {callbacks._TAKE.format(attempts='> 0')}", [1, 1, 1])
        plan = "\n".join(line for (line,) in cursor.fetchall())

    assert "meta_event_again" in plan


def test_a_worker_asked_to_stop_hands_back_what_it_has_not_begun(
    number: PhoneNumber, monkeypatch: pytest.MonkeyPatch
) -> None:
    for n in range(3):
        body = orjson.dumps(envelope(number, messages=[text_message(f"wamid.{n}")]))
        ingest.store(body=body, app=None, is_sandbox=True)
    taken = callbacks.take(limit=10)
    stop.asked.set()

    try:
        ingest._handle_all(taken)
        assert ingest.handle_due() == 0
    finally:
        stop.asked.clear()

    assert Message.objects.count() == 0
    assert set(MetaEvent.objects.values_list("attempt_count", "handled_at")) == {(0, None)}
    assert ingest.handle_due() == 3
    assert Message.objects.count() == 3


def test_disorder_and_repetition_end_as_order_does(number: PhoneNumber) -> None:
    messages = _messages(number, 5)
    reports = [
        status(one.wamid or "", name, at=1_780_000_000 + n)
        for n, name in enumerate(["read", "sent", "delivered"])
        for one in messages
    ]
    _post(number, reports)
    ingest.handle_due()
    for report in reversed(reports):
        body = orjson.dumps(envelope(number, statuses=[report, report]))
        ingest.store(body=body, app=None, is_sandbox=True)

    ingest.handle_due()

    assert set(Message.objects.values_list("status", flat=True)) == {"read"}
    assert StatusReport.objects.count() == 15


@pytest.mark.parametrize(("most", "taken"), [(1, [1, 1, 1, 1]), (2_500, [3, 1]), (4_000, [4])])
def test_a_batch_ends_where_its_bodies_are_large_and_takes_one_always(
    tenant: Tenant, monkeypatch: pytest.MonkeyPatch, most: int, taken: list[int]
) -> None:
    monkeypatch.setattr(callbacks, "MAX_BYTES", most)
    bodies = [orjson.dumps({"n": n, "object": "x" * 1_000}) for n in range(4)]
    for body in bodies:
        ingest.store(body=body, app=None, is_sandbox=True)

    found = [callbacks.take(limit=300) for _ in range(len(taken) + 1)]

    assert [len(batch) for batch in found] == [*taken, 0]
    assert [one.body for batch in found for one in batch] == bodies
