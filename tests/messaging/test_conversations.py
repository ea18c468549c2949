"""The record of an exchange, and the people in it."""

from datetime import timedelta

import pytest
from django.utils import timezone

from accounts.models import PhoneNumber
from messaging import contacts, conversations
from messaging.models import Contact, Conversation, ServiceWindow


@pytest.fixture
def juan(number: PhoneNumber) -> Contact:
    return contacts.find_or_create(account=number.business_account, phone="5491140123456", name="Juan")


def test_the_first_message_starts_a_conversation_and_the_next_joins_it(
    number: PhoneNumber, juan: Contact
) -> None:
    now = timezone.now()
    first, is_new = conversations.touch(number=number, contact=juan, direction="outbound", at=now)
    second, is_still_new = conversations.touch(number=number, contact=juan, direction="inbound", at=now)

    assert (is_new, is_still_new) == (True, False)
    assert first.pk == second.pk
    assert Conversation.objects.get().messages_count == 2


def test_a_conversation_of_yesterday_is_ended_and_a_new_one_starts(
    number: PhoneNumber, juan: Contact
) -> None:
    yesterday = timezone.now() - timedelta(hours=24, seconds=1)
    old, _ = conversations.touch(number=number, contact=juan, direction="inbound", at=yesterday)

    fresh, is_new = conversations.touch(number=number, contact=juan, direction="inbound", at=timezone.now())

    assert is_new
    assert fresh.pk != old.pk
    old.refresh_from_db()
    assert (old.status, old.ended_reason) == ("ended", "expired")


def test_a_message_that_comes_late_takes_nothing_back(number: PhoneNumber, juan: Contact) -> None:
    now = timezone.now()
    conversations.touch(number=number, contact=juan, direction="inbound", at=now)
    conversations.touch(number=number, contact=juan, direction="inbound", at=now - timedelta(hours=3))

    conversation = Conversation.objects.get()
    assert (conversation.last_message_at, conversation.last_inbound_at) == (now, now)
    assert conversation.last_outbound_at is None


def test_the_window_is_never_shortened(number: PhoneNumber, juan: Contact) -> None:
    now = timezone.now()
    conversations.extend_window(number=number, contact=juan, written_at=now)
    conversations.extend_window(number=number, contact=juan, written_at=now - timedelta(hours=3))

    assert ServiceWindow.objects.get().expires_at == now + timedelta(hours=24)


def test_one_person_is_one_contact_by_either_key(number: PhoneNumber, juan: Contact) -> None:
    account = number.business_account

    both = contacts.find_or_create(account=account, phone="5491140123456", user_id="AR.1")
    by_id = contacts.find_or_create(account=account, user_id="AR.1")

    assert {juan.pk, both.pk, by_id.pk} == {juan.pk}
    juan.refresh_from_db()
    assert (juan.phone, juan.user_id, juan.name) == ("5491140123456", "AR.1", "Juan")


def test_the_user_id_decides_when_a_number_changed_hands(number: PhoneNumber, juan: Contact) -> None:
    account = number.business_account
    maria = contacts.find_or_create(account=account, user_id="AR.2", name="María")

    found = contacts.find_or_create(account=account, phone="5491140123456", user_id="AR.2")

    assert found.pk == maria.pk
    assert found.phone == ""
    assert Contact.objects.count() == 2


def test_a_number_with_a_new_owner_is_a_new_person(number: PhoneNumber, juan: Contact) -> None:
    account = number.business_account
    contacts.find_or_create(account=account, phone="5491140123456", user_id="AR.1")

    new = contacts.find_or_create(account=account, phone="5491140123456", user_id="AR.2", name="Ana")

    juan.refresh_from_db()
    assert new.pk != juan.pk
    assert (new.phone, new.user_id, new.name) == ("5491140123456", "AR.2", "Ana")
    assert (juan.phone, juan.user_id, juan.name) == ("", "AR.1", "Juan")
