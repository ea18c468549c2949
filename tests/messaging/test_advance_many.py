"""messaging/statuses.py: many messages in a few statements, by the rule that holds for one."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from pytest_django import DjangoAssertNumQueries

from accounts import tenants
from accounts.models import PhoneNumber, Tenant
from messaging import statuses
from messaging.models import Message
from messaging.statuses import Change
from tests import factories
from webhooks_app import endpoints, events
from webhooks_app.models import Delivery, Event

AT = datetime(2026, 5, 18, 12, 35, tzinfo=UTC)
Status = Message.Status


def _messages(number: PhoneNumber, count: int, status: str = "sending") -> list[Message]:
    contact = factories.ContactFactory.create(business_account=number.business_account, tenant=number.tenant)
    made = [
        factories.MessageFactory.create(phone_number=number, contact=contact, status=status, wamid=None)
        for _ in range(count)
    ]
    for message in made:
        factories.MessageContentFactory.create(message=message)
    return made


def _sent(messages: list[Message]) -> list[Change]:
    return [
        Change(message_id=one.pk, to=Status.SENT, at=AT, wamid=f"wamid.{i}") for i, one in enumerate(messages)
    ]


@pytest.mark.parametrize("count", [1, 30])
def test_many_are_moved_and_told_in_five_statements(
    tenant: Tenant, number: PhoneNumber, count: int, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    for _ in range(2):
        endpoints.add(tenant=tenant, number=number, url="https://customer.example/", events=["*"])
    messages = _messages(number, count)

    with django_assert_num_queries(5):  # lock, save, who listens, what they say, events with deliveries
        moved = statuses.advance_many(changes=_sent(messages))

    assert moved == {one.pk for one in messages}
    rows = Message.objects.order_by("pk").values_list("status", "wamid", "sent_at")
    assert list(rows) == [("sent", f"wamid.{i}", AT) for i in range(count)]
    told = [json.loads(bytes(body)) for body in Event.objects.order_by("pk").values_list("body", flat=True)]
    assert [one["message"]["id"] for one in told] == [f"wamid.{i}" for i in range(count)]
    assert Delivery.objects.filter(status="pending", next_attempt_at__isnull=False).count() == 2 * count


def test_a_batch_that_nobody_hears_of_costs_three_statements(
    number: PhoneNumber, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    messages = _messages(number, 5)

    with django_assert_num_queries(3):
        statuses.advance_many(changes=_sent(messages))

    assert Event.objects.count() == 0


def test_one_message_may_come_far_in_one_batch_and_each_step_is_told_as_it_was(
    tenant: Tenant, number: PhoneNumber
) -> None:
    endpoints.add(tenant=tenant, number=number, url="https://customer.example/", events=["*"])
    [message] = _messages(number, 1)
    steps = [Status.READ, Status.SENT, Status.DELIVERED, Status.READ]

    statuses.advance_many(
        changes=[
            Change(message_id=message.pk, to=to, at=AT + timedelta(seconds=i)) for i, to in enumerate(steps)
        ]
    )

    message.refresh_from_db()
    assert message.status == "read"
    assert (message.read_at, message.sent_at) == (AT, AT + timedelta(seconds=1))
    told = Event.objects.order_by("pk").values_list("type", flat=True)
    assert list(told) == ["message.read", "message.sent", "message.delivered"]


def test_each_number_of_a_mixed_batch_tells_its_own_endpoints(tenant: Tenant, number: PhoneNumber) -> None:
    other = tenants.add_sandbox(tenant=tenants.open_tenant(name="Globex"))
    mine, _ = endpoints.add(tenant=tenant, number=number, url="https://a.example/", events=["*"])
    theirs, _ = endpoints.add(
        tenant=other.tenant, number=other, url="https://b.example/", events=["whatsapp.message.failed"]
    )
    [first], [second] = _messages(number, 1), _messages(other, 1)
    why = {"code": 131026, "title": "Undeliverable"}

    statuses.advance_many(
        changes=[
            Change(message_id=second.pk, to=Status.FAILED, at=AT, error=why),
            Change(message_id=first.pk, to=Status.SENT, at=AT, wamid="wamid.1"),
        ]
    )

    owed = Delivery.objects.order_by("pk").values_list("endpoint_id", "tenant_id", "event__type")
    assert list(owed) == [
        (theirs.pk, other.tenant_id, "message.failed"),
        (mine.pk, tenant.pk, "message.sent"),
    ]
    second.refresh_from_db()
    assert second.error == why


def test_what_meta_has_spoken_of_goes_back_to_no_queue(number: PhoneNumber) -> None:
    [message] = _messages(number, 1, status="delivered")

    moved = statuses.advance_many(
        changes=[Change(message_id=message.pk, to=to, at=AT) for to in (Status.QUEUED, Status.UNCONFIRMED)]
    )

    message.refresh_from_db()
    assert (moved, message.status) == (set(), "delivered")


def test_a_message_that_is_gone_stops_no_other(number: PhoneNumber) -> None:
    [message] = _messages(number, 1)

    moved = statuses.advance_many(
        changes=[
            Change(message_id=1, to=Status.SENT, at=AT),
            Change(message_id=message.pk, to=Status.SENT, at=AT, wamid="wamid.1"),
        ]
    )

    assert moved == {message.pk}


def test_a_published_body_is_the_same_in_a_batch_and_alone(tenant: Tenant, number: PhoneNumber) -> None:
    endpoints.add(tenant=tenant, number=number, url="https://customer.example/", events=["*"])
    data = {"message": {"text": {"body": '¿Sí? \u0000 \\u0000 " 👋'}}}
    events.publish(tenant_id=tenant.pk, number=number, type="message.read", data=data, occurred_at=AT)
    news = events.News(events.source_of(number), "message.read", AT, data)
    events.publish_all(news=[news], heard=events.audience(number_ids=[number.pk]))

    alone, of_batch = Event.objects.order_by("pk")

    assert bytes(alone.body) == bytes(of_batch.body)
