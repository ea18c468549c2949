"""Conversations come to rest by silence, by age and by hand, and each is told exactly once."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import orjson
import pytest
from django.db import IntegrityError, connections, transaction
from django.utils import timezone

from accounts.models import PhoneNumber, Tenant
from messaging import contacts, conversations, endings, tasks
from messaging.models import Contact, Conversation, Message, ServiceWindow
from tests import factories
from webhooks_app.models import Event

ALL = ["*"]


@pytest.fixture
def juan(number: PhoneNumber) -> Contact:
    return contacts.find_or_create(account=number.business_account, phone="5491140123456", name="Juan")


@pytest.fixture
def heard(tenant: Tenant, number: PhoneNumber) -> Callable[[], list[dict[str, Any]]]:
    """What the number's endpoint was owed, oldest first."""
    factories.WebhookEndpointFactory.create(tenant=tenant, phone_number=number, events=ALL)
    return lambda: [orjson.loads(bytes(event.body)) for event in Event.objects.order_by("pk")]


Heard = Callable[[], list[dict[str, Any]]]


def _quiet(number: PhoneNumber, contact: Contact, **age: float) -> Conversation:
    conversation, _ = conversations.touch(
        number=number, contact=contact, direction="inbound", at=timezone.now() - timedelta(**age)
    )
    return conversation


def _names(heard: Heard) -> list[str]:
    return [event["event"] for event in heard()]


@pytest.mark.parametrize(("minutes", "quiet", "status"), [(30, 29, "active"), (30, 31, "inactive")])
def test_silence_makes_a_conversation_inactive(
    number: PhoneNumber, juan: Contact, minutes: int, quiet: int, status: str
) -> None:
    assert number.tenant.conversation_inactive_minutes == minutes
    conversation = _quiet(number, juan, minutes=quiet)

    endings.sweep()

    conversation.refresh_from_db()
    assert (conversation.status, conversation.ended_at) == (status, None)


def test_each_tenant_says_how_long_silence_is(tenant: Tenant, number: PhoneNumber, juan: Contact) -> None:
    Tenant.objects.filter(pk=tenant.pk).update(conversation_inactive_minutes=1)
    conversation = _quiet(number, juan, minutes=2)
    other = factories.ConversationFactory.create(last_message_at=timezone.now() - timedelta(minutes=2))

    assert endings.sweep() == 1

    conversation.refresh_from_db()
    other.refresh_from_db()
    assert (conversation.status, other.status) == ("inactive", "active")


@pytest.mark.parametrize("minutes", [0, 1441])
def test_the_minutes_of_silence_lie_within_a_day(tenant: Tenant, minutes: int) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        Tenant.objects.filter(pk=tenant.pk).update(conversation_inactive_minutes=minutes)


def test_becoming_inactive_is_told_once_with_the_last_message(
    number: PhoneNumber, juan: Contact, heard: Heard
) -> None:
    conversation = _quiet(number, juan, hours=1)
    factories.MessageFactory.create(phone_number=number, contact=juan, conversation=conversation)
    last = factories.MessageFactory.create(
        phone_number=number, contact=juan, conversation=conversation, direction="inbound", wamid="wamid.last"
    )

    endings.sweep()
    endings.sweep()

    told = heard()
    assert [event["event"] for event in told] == ["whatsapp.conversation.inactive"]
    assert told[0]["conversation"] == {"id": str(conversation.pk), "status": "inactive"}
    assert told[0]["inactivity"] == {"minutes": 30}
    assert told[0]["since_message"] | {"created_at": ""} == {
        "id": str(last.pk), "whatsapp_message_id": "wamid.last", "direction": "inbound", "created_at": "",
    }  # fmt: skip
    assert told[0]["phone_number_id"] == number.phone_number_id


def test_a_message_makes_an_inactive_conversation_active_again(number: PhoneNumber, juan: Contact) -> None:
    conversation = _quiet(number, juan, hours=1)
    endings.sweep()

    same, is_new = conversations.touch(number=number, contact=juan, direction="outbound", at=timezone.now())

    assert (same.pk, is_new, same.status) == (conversation.pk, False, "active")
    assert endings.sweep() == 0


@pytest.mark.parametrize("status", ["active", "inactive"])
def test_a_day_without_a_message_ends_a_conversation_once(
    number: PhoneNumber, juan: Contact, heard: Heard, status: str
) -> None:
    conversation = _quiet(number, juan, hours=25)
    Conversation.objects.update(status=status)

    tasks.sweep_conversations()
    tasks.sweep_conversations()

    conversation.refresh_from_db()
    assert (conversation.status, conversation.ended_reason) == ("ended", "expired")
    assert conversation.ended_at is not None
    assert conversation.ended_at < timezone.now() - timedelta(minutes=59)
    (told,) = heard()
    assert (told["event"], told["reason"]) == ("whatsapp.conversation.ended", "expired")
    assert told["conversation"] == {
        "id": str(conversation.pk), "status": "ended", "ended_reason": "expired",
    }  # fmt: skip


def test_an_ending_that_no_sweep_saw_is_told_by_the_next_message(
    number: PhoneNumber, juan: Contact, heard: Heard
) -> None:
    _quiet(number, juan, hours=25)

    _, is_new = conversations.touch(number=number, contact=juan, direction="inbound", at=timezone.now())
    endings.sweep()

    assert is_new
    assert _names(heard) == ["whatsapp.conversation.ended"]


def test_closing_is_told_once_and_leaves_metas_window_open(
    number: PhoneNumber, juan: Contact, heard: Heard
) -> None:
    conversation = _quiet(number, juan, minutes=1)
    conversations.extend_window(number=number, contact=juan, written_at=timezone.now())

    first = endings.close(conversation=conversation)
    ended_at = first.ended_at
    second = endings.close(conversation=Conversation.objects.get(pk=conversation.pk))

    assert (first.status, first.ended_reason) == ("ended", "closed")
    assert second.ended_at == ended_at
    assert [event["reason"] for event in heard()] == ["closed"]
    assert ServiceWindow.objects.get().expires_at > timezone.now()


def test_the_message_after_a_closing_opens_another_record(number: PhoneNumber, juan: Contact) -> None:
    closed = endings.close(conversation=_quiet(number, juan, minutes=1))

    fresh, is_new = conversations.touch(number=number, contact=juan, direction="inbound", at=timezone.now())

    assert is_new
    assert fresh.pk != closed.pk


def test_a_sweep_takes_more_than_one_batch(number: PhoneNumber) -> None:
    count = endings.BATCH + 5
    people = Contact.objects.bulk_create(
        factories.ContactFactory.build_batch(
            count, tenant=number.tenant, business_account=number.business_account
        )
    )
    old = timezone.now() - timedelta(hours=30)
    Conversation.objects.bulk_create(
        Conversation(
            tenant=number.tenant, phone_number=number, contact=one, last_message_at=old, looked_at=old
        )
        for one in people
    )

    assert endings.sweep() == count
    assert Conversation.objects.exclude(status="ended").count() == 0


def test_a_sweep_comes_back_to_a_talk_that_went_on(number: PhoneNumber, juan: Contact, heard: Heard) -> None:
    conversation = _quiet(number, juan, minutes=40)
    conversations.touch(number=number, contact=juan, direction="outbound", at=timezone.now())

    assert endings.sweep() == 0
    conversation.refresh_from_db()
    assert conversation.status == "active"
    assert conversation.looked_at == conversation.last_message_at

    Conversation.objects.update(last_message_at=timezone.now() - timedelta(minutes=40))
    assert endings.sweep() == 0  # not before the silence that was found has lasted long enough
    Conversation.objects.update(looked_at=timezone.now() - timedelta(minutes=40))
    assert endings.sweep() == 1
    assert _names(heard)[-1] == "whatsapp.conversation.inactive"


@pytest.mark.django_db(transaction=True)
def test_two_sweeps_and_a_message_at_once_tell_each_ending_once(
    number: PhoneNumber, juan: Contact, heard: Heard
) -> None:
    _quiet(number, juan, hours=25)
    for _ in range(20):
        factories.ConversationFactory.create(
            phone_number=number, last_message_at=timezone.now() - timedelta(hours=25)
        )

    def act(turn: int) -> None:
        try:
            if turn == 2:
                conversations.touch(number=number, contact=juan, direction="inbound", at=timezone.now())
            else:
                endings.sweep()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(max_workers=3) as pool:
        list(pool.map(act, range(3)))
    endings.sweep()

    assert _names(heard) == ["whatsapp.conversation.ended"] * 21
    assert Conversation.objects.filter(contact=juan).exclude(status="ended").count() == 1
    assert Message.objects.count() == 0
