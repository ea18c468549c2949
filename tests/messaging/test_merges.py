"""A person whose user id was replaced stays one contact, however often and in whichever way it is told."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import PhoneNumber
from gosend.whatsapp import content as contents
from messaging import acquaintance, contacts, conversations, merges, people, send
from messaging.models import Contact, Conversation, Message, MetaEvent, ServiceWindow
from tests import factories
from tests.messaging.conftest import envelope, text_message

Tell = Callable[..., MetaEvent]
JUAN = "5491140123456"


@pytest.fixture
def juan(number: PhoneNumber) -> Contact:
    return contacts.find_or_create(account=number.business_account, phone=JUAN, user_id="AR.1", name="Juan")


def _update(number: PhoneNumber, previous: object = "AR.1", current: object = "AR.2") -> dict[str, Any]:
    update = {"wa_id": JUAN, "detail": "…", "user_id": {"previous": previous, "current": current}}
    told = envelope(number, user_id_update=[update])
    told["entry"][0]["changes"][0]["field"] = "user_id_update"
    return told


def _system(number: PhoneNumber, wamid: str = "wamid.s") -> dict[str, Any]:
    system = {"type": "user_changed_user_id", "user_id": "AR.2", "body": "changed"}
    message = text_message(wamid) | {"type": "system", "system": system, "from_user_id": "AR.1"}
    del message["text"]
    return envelope(number, messages=[message])


def test_a_contact_goes_by_its_new_id(number: PhoneNumber, juan: Contact, tell: Tell) -> None:
    event = tell(_update(number))

    juan.refresh_from_db()
    assert (juan.user_id, juan.phone, juan.name) == ("AR.2", JUAN, "Juan")
    assert (Contact.objects.count(), event.errors) == (1, [])


@pytest.mark.parametrize("order", ["us", "su", "uu", "ss", "usu"])
def test_both_ways_of_telling_in_any_order_leave_one_contact(
    number: PhoneNumber, juan: Contact, tell: Tell, order: str
) -> None:
    for turn, way in enumerate(order):
        tell(_update(number) | {"turn": turn} if way == "u" else _system(number) | {"turn": turn})

    assert [(one.pk, one.user_id, one.phone) for one in Contact.objects.all()] == [(juan.pk, "AR.2", JUAN)]
    assert Message.objects.count() == ("s" in order)


def test_what_whatsapp_says_of_a_customer_opens_no_window(
    number: PhoneNumber, juan: Contact, tell: Tell
) -> None:
    tell(_system(number))

    assert Message.objects.get().type == "system"
    assert ServiceWindow.objects.count() == 0


def test_two_contacts_become_one_with_all_that_was_exchanged(number: PhoneNumber, juan: Contact) -> None:
    account = number.business_account
    new = contacts.find_or_create(account=account, user_id="AR.2")
    now = timezone.now()
    for contact, at in ((juan, now), (new, now - timedelta(hours=1))):
        conversation, _ = conversations.touch(number=number, contact=contact, direction="inbound", at=at)
        conversations.extend_window(number=number, contact=contact, written_at=at)
        factories.MessageFactory.create(
            phone_number=number, contact=contact, conversation=conversation, peer=contact.phone or "AR.2"
        )

    for _ in range(2):
        merges.follow(account=account, previous="AR.1", current="AR.2")

    new.refresh_from_db()
    assert (new.phone, new.name) == (JUAN, "Juan")
    assert Message.objects.filter(contact=new).count() == 2
    assert sorted(Conversation.objects.filter(contact=new).values_list("status", flat=True)) == [
        "active",
        "ended",
    ]
    assert ServiceWindow.objects.get(contact=new).expires_at == now + timedelta(hours=24)
    assert ServiceWindow.objects.count() == 1
    assert contacts.find_or_create(account=account, phone=JUAN).pk == new.pk


def test_a_conversation_that_runs_under_the_old_id_alone_goes_on(number: PhoneNumber, juan: Contact) -> None:
    new = contacts.find_or_create(account=number.business_account, user_id="AR.2")
    running, _ = conversations.touch(number=number, contact=juan, direction="inbound", at=timezone.now())

    merges.follow(account=number.business_account, previous="AR.1", current="AR.2")

    running.refresh_from_db()
    assert (running.contact_id, running.status) == (new.pk, "active")


def test_another_accounts_contact_is_left_alone(number: PhoneNumber, juan: Contact) -> None:
    stranger = factories.ContactFactory.create(user_id="AR.1")

    merges.follow(account=number.business_account, previous="AR.1", current="AR.2")

    stranger.refresh_from_db()
    assert stranger.user_id == "AR.1"


@pytest.mark.parametrize(("previous", "current"), [(None, "AR.2"), ("AR.1", None), ("AR.1", "AR.1"), (7, [])])
def test_an_update_that_says_nothing_changes_nothing(
    number: PhoneNumber, juan: Contact, tell: Tell, previous: object, current: object
) -> None:
    event = tell(_update(number, previous, current))

    juan.refresh_from_db()
    assert (juan.user_id, event.errors) == ("AR.1", [])


def test_an_unknown_person_is_not_made_up(number: PhoneNumber, tell: Tell) -> None:
    tell(_update(number))

    assert Contact.objects.count() == 0


def test_two_contacts_meet_when_a_message_shows_that_they_are_one(number: PhoneNumber, tell: Tell) -> None:
    account = number.business_account
    by_id = contacts.find_or_create(account=account, user_id="AR.1", name="Juan")
    by_phone = contacts.find_or_create(account=account, phone=JUAN)
    conversations.touch(number=number, contact=by_phone, direction="outbound", at=timezone.now())

    tell(envelope(number, messages=[text_message("wamid.1") | {"from_user_id": "AR.1"}]))

    by_id.refresh_from_db()
    assert (by_id.phone, by_id.user_id, by_id.name) == (JUAN, "AR.1", "Juan")
    assert contacts.find_or_create(account=account, phone=JUAN).pk == by_id.pk
    assert ServiceWindow.objects.get().contact_id == by_id.pk
    assert Conversation.objects.exclude(status="ended").get().contact_id == by_id.pk


@pytest.mark.parametrize("told_first", ["first change", "second change"])
def test_who_changed_twice_is_one_person_in_whatever_order_it_is_told(
    number: PhoneNumber, juan: Contact, told_first: str
) -> None:
    account = number.business_account
    second = contacts.find_or_create(account=account, user_id="AR.2")
    third = contacts.find_or_create(account=account, user_id="AR.3")
    told = [("AR.1", "AR.2"), ("AR.2", "AR.3")]

    for previous, current in told if told_first == "first change" else [*reversed(told), *told]:
        merges.follow(account=account, previous=previous, current=current)

    merged = dict(Contact.objects.values_list("pk", "merged_into"))
    assert merged == {juan.pk: third.pk, second.pk: third.pk, third.pk: None}
    third.refresh_from_db()
    assert (third.phone, third.user_id) == (JUAN, "AR.3")


def test_who_changes_back_is_the_contact_that_they_were(number: PhoneNumber, juan: Contact) -> None:
    account = number.business_account
    new = contacts.find_or_create(account=account, user_id="AR.2")

    merges.follow(account=account, previous="AR.1", current="AR.2")
    merges.follow(account=account, previous="AR.2", current="AR.1")

    assert dict(Contact.objects.values_list("pk", "merged_into")) == {juan.pk: None, new.pk: juan.pk}
    juan.refresh_from_db()
    assert (juan.phone, juan.user_id) == (JUAN, "AR.1")


def test_what_still_comes_and_goes_under_the_old_id_is_the_new_contacts(
    number: PhoneNumber, juan: Contact, tell: Tell
) -> None:
    account = number.business_account
    new = contacts.find_or_create(account=account, user_id="AR.2")
    before = factories.MessageFactory.create(phone_number=number, contact=juan, peer="AR.1")
    merges.follow(account=account, previous="AR.1", current="AR.2")

    late = text_message("wamid.late") | {"from_user_id": "AR.1"}
    late.pop("from", None)
    tell(envelope(number, messages=[late]))
    sent = send.accept(
        tenant=number.tenant, number=number, to="AR.1", content=contents.Text(body="Hola"), is_async=True,
        environment="test", api_key=None,
    )  # fmt: skip

    exchanged = people.messages(tenant=number.tenant, environment="test", contact=new)
    assert set(exchanged.values_list("contact", flat=True)) == {new.pk}
    assert {before.pk, sent.pk} < set(exchanged.values_list("pk", flat=True))
    assert exchanged.count() == 3
    assert contacts.find_many(account=account, peers=["AR.1"])["AR.1"].pk == new.pk


def test_a_late_message_under_an_old_id_leaves_one_person(number: PhoneNumber, tell: Tell) -> None:
    account = number.business_account
    former = contacts.find_or_create(account=account, user_id="AR.1", name="Juan")
    whole = contacts.find_or_create(account=account, user_id="AR.2")
    merges.follow(account=account, previous="AR.1", current="AR.2")
    by_phone = contacts.find_or_create(account=account, phone=JUAN)

    tell(envelope(number, messages=[text_message("wamid.late") | {"from_user_id": "AR.1"}]))

    merged = dict(Contact.objects.values_list("pk", "merged_into"))
    assert merged == {former.pk: whole.pk, by_phone.pk: whole.pk, whole.pk: None}
    whole.refresh_from_db()
    assert (whole.phone, whole.user_id) == (JUAN, "AR.2")
    assert ServiceWindow.objects.get().contact_id == whole.pk


def test_what_was_accepted_while_two_became_one_is_in_the_history(number: PhoneNumber, juan: Contact) -> None:
    account = number.business_account
    new = contacts.find_or_create(account=account, user_id="AR.2")
    merges.follow(account=account, previous="AR.1", current="AR.2")
    stayed = factories.MessageFactory.create(phone_number=number, contact=juan, peer="AR.1")
    factories.MessageContentFactory.create(message=stayed, body={"type": "text", "text": {"body": "Hola"}})
    new.refresh_from_db()

    exchanged = people.messages(tenant=number.tenant, environment="test", contact=new)
    facts = acquaintance.of(tenant=number.tenant, environment="test", contacts=[new])

    assert list(exchanged.values_list("pk", flat=True)) == [stayed.pk]
    assert facts[new.pk].last_words == "Hola"


def test_a_sibling_accounts_former_contact_belongs_to_the_person_too(
    number: PhoneNumber, juan: Contact
) -> None:
    sibling = factories.BusinessAccountFactory.create(tenant=number.tenant, is_sandbox=True)
    other = factories.PhoneNumberFactory.create(
        tenant=number.tenant, business_account=sibling, is_sandbox=number.is_sandbox
    )
    former = contacts.find_or_create(account=sibling, phone=JUAN, user_id="BR.1")
    contacts.find_or_create(account=sibling, user_id="BR.2")
    merges.follow(account=sibling, previous="BR.1", current="BR.2")
    stayed = factories.MessageFactory.create(phone_number=other, contact=former, peer="BR.1")

    exchanged = people.messages(tenant=number.tenant, environment="test", contact=juan)

    assert list(exchanged.values_list("pk", flat=True)) == [stayed.pk]
