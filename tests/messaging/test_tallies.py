"""The tallies say how many messages there are, whatever happens to the messages."""

from datetime import UTC, datetime

import pytest
from django.db import connection, transaction
from django.utils import timezone

from messaging import statuses, tallies
from messaging.models import Message, MessageTally, MessageTallyChange
from messaging.tallies import Kind
from tests import factories
from tests.conftest import Party

pytestmark = pytest.mark.django_db


def _total(party: Party, **asked: object) -> int:
    kind = Kind(tenant_id=party.tenant.pk, number_ids=[party.number.pk], **asked)  # type: ignore[arg-type]
    found, is_whole = tallies.total(kind)
    assert is_whole
    return found


def _fold() -> None:
    while tallies.fold():
        pass


@pytest.mark.parametrize("is_folded", [False, True])
def test_a_message_is_counted_wherever_it_stands(acme: Party, is_folded: bool) -> None:
    sent = factories.MessageFactory.create(phone_number=acme.number)
    waiting = factories.DispatchFactory.create(message__phone_number=acme.number).message
    factories.MessageFactory.create(phone_number=acme.number, direction="inbound", status="received")
    factories.MessageFactory.create()
    statuses.advance(message_id=sent.pk, to=Message.Status.DELIVERED, at=timezone.now())
    statuses.advance(message_id=sent.pk, to=Message.Status.READ, at=timezone.now())
    if is_folded:
        _fold()

    by_status = {status: _total(acme, status=status) for status in Message.Status.values}
    assert {status: count for status, count in by_status.items() if count} == {
        "read": 1, "queued": 1, "received": 1,
    }  # fmt: skip
    assert (_total(acme), _total(acme, direction="outbound")) == (3, 2)

    waiting.dispatch.delete()
    statuses.advance(message_id=waiting.pk, to=Message.Status.SENT, at=timezone.now())
    sent.delete()
    assert (_total(acme), _total(acme, status="sent"), _total(acme, status="read")) == (2, 1, 0)


def test_what_changes_nothing_that_is_counted_writes_nothing(acme: Party) -> None:
    message = factories.MessageFactory.create(phone_number=acme.number)
    _fold()

    Message.objects.filter(pk=message.pk).update(attempt_count=3)

    assert MessageTallyChange.objects.count() == 0


def test_an_accepted_message_costs_nothing(acme: Party) -> None:
    factories.MessageFactory.create(phone_number=acme.number, status="queued")

    assert MessageTallyChange.objects.count() == 0


def test_many_rows_of_one_statement_are_one_change(acme: Party) -> None:
    for _ in range(20):
        factories.MessageFactory.create(
            phone_number=acme.number, created_at=datetime(2026, 1, 1, 5, tzinfo=UTC)
        )
    _fold()

    Message.objects.update(status="delivered")

    changes = MessageTallyChange.objects.order_by("delta").values_list("status", "delta")
    assert list(changes) == [("sent", -20), ("delivered", 20)]


def test_empty_tallies_are_forgotten(acme: Party) -> None:
    factories.MessageFactory.create(phone_number=acme.number)
    _fold()
    Message.objects.update(status="delivered")
    _fold()

    tallies.forget_empty()

    assert [(row.status, row.count) for row in MessageTally.objects.all()] == [("delivered", 1)]


def test_days_are_those_of_the_list(acme: Party) -> None:
    late = datetime(2026, 3, 1, 23, 59, tzinfo=UTC)
    factories.MessageFactory.create(phone_number=acme.number, created_at=late)

    assert _total(acme, since=late.date(), until=late.date()) == 1
    assert _total(acme, since=datetime(2026, 3, 2, tzinfo=UTC).date()) == 0


def test_rows_that_came_past_the_triggers_are_counted_anew(acme: Party) -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        factories.MessageFactory.create(phone_number=acme.number)
        cursor.execute("SET LOCAL session_replication_role = DEFAULT")
    factories.MessageFactory.create(phone_number=acme.number)
    assert _total(acme) == 1

    tallies.count_anew(tenant_id=acme.tenant.pk)

    assert (_total(acme), MessageTallyChange.objects.count()) == (2, 0)
