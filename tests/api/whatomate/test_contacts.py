"""Contacts: one per person, listed, searched, created and changed; what is unread; what was read."""

from datetime import timedelta
from typing import Any
from urllib.parse import quote

import pytest
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from gosend.api.whatomate import uuids
from messaging import merges
from messaging.models import AddressBookEntry, Contact, Message
from tests import factories
from tests.api.whatomate.conftest import Ask, asking, mint
from tests.conftest import Party


def _person(party: Party, phone: str, **fields: Any) -> Contact:
    made: Contact = factories.ContactFactory.create(
        tenant=party.tenant, business_account=party.number.business_account, phone=phone, **fields
    )
    return made


def _written(party: Party, person: Contact, text: str, *, is_read: bool = False) -> Message:
    made: Message = factories.MessageFactory.create(
        phone_number=party.number,
        contact=person,
        direction="inbound",
        status="received",
        read_at=timezone.now() if is_read else None,
    )
    factories.MessageContentFactory.create(message=made, body={"type": "text", "text": {"body": text}})
    return made


def test_a_contact_is_created_read_and_changed(ask: Ask, acme: Party) -> None:
    made = ask(
        "POST",
        "contacts",
        {
            "phone_number": "+91 98765 43210",
            "profile_name": "John Doe",
            "tags": ["vip", "vip"],
            "metadata": {"plan": "premium"},
        },
    )
    changed = ask("PUT", f"contacts/{made['id']}", {"tags": ["billing"]})

    assert (made["phone_number"], made["name"], made["tags"]) == ("919876543210", "John Doe", ["vip"])
    assert (made["metadata"], made["unread_count"], made["status"]) == ({"plan": "premium"}, 0, "active")
    assert (made["service_window_open"], made["last_message_at"]) == (False, None)
    assert made["whatsapp_account"] == acme.number.display_name
    assert (changed["tags"], changed["name"]) == (["billing"], "John Doe")
    assert ask("GET", f"contacts/{made['id']}") == changed
    again = ask("POST", "contacts", {"phone_number": "919876543210"}, status=409)
    assert (again["code"], again["details"]["contact_id"]) == ("contact_exists", made["id"])


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "phone_number"),
        ({"phone_number": "hello"}, "phone_number"),
        ({"phone_number": "919876543210", "tags": "vip"}, "tags"),
        ({"phone_number": "919876543210", "tags": [""]}, "tags"),
        ({"phone_number": "919876543210", "metadata": []}, "metadata"),
        ({"phone_number": "919876543210", "metadata": {"x": "y" * 20_000}}, "metadata"),
        ({"phone_number": "919876543210", "profile_name": "x" * 501}, "profile_name"),
    ],
)
def test_a_contact_that_cannot_be_is_refused(body: dict[str, Any], field: str, ask: Ask) -> None:
    said = ask("POST", "contacts", body, status=400)

    assert said["details"]["field"] == field
    assert not Contact.objects.exists()


def test_another_number_is_another_contact(ask: Ask, contact_id: str) -> None:
    said = ask("PUT", f"contacts/{contact_id}", {"phone_number": "5491140123456"}, status=400)

    assert said["details"]["field"] == "phone_number"
    assert ask("PUT", f"contacts/{contact_id}", {"phone_number": "+919876543210"})["id"] == contact_id


def test_a_name_of_the_projects_own_survives_what_whatsapp_says(
    ask: Ask, contact_id: str, person: Contact
) -> None:
    ask("PUT", f"contacts/{contact_id}", {"profile_name": "Customer 7"})
    Contact.objects.filter(pk=person.pk).update(name="~john~")

    assert ask("GET", f"contacts/{contact_id}")["name"] == "Customer 7"


def test_what_was_noted_of_a_person_stays_when_two_contacts_become_one(acme: Party) -> None:
    by_phone = _person(acme, "919876543210")
    AddressBookEntry.objects.create(contact=by_phone, name="Customer 7", tags=["vip"])
    by_id = _person(acme, "", user_id="IN.123")

    merges.meet(account=acme.number.business_account, phone="919876543210", user_id="IN.123")

    assert AddressBookEntry.objects.get().contact_id == by_id.pk


def test_the_id_of_what_became_part_of_another_contact_leads_to_that_one(ask: Ask, acme: Party) -> None:
    old, new = _person(acme, "919876543210", user_id="IN.1"), _person(acme, "", user_id="IN.2")
    _written(acme, old, "Hello")
    Message.objects.update(peer="IN.1")
    held = uuids.write(uuids.CONTACT, old.pk)

    merges.follow(account=acme.number.business_account, previous="IN.1", current="IN.2")

    person = ask("GET", f"contacts/{held}")
    assert person["id"] == uuids.write(uuids.CONTACT, new.pk)
    assert (person["phone_number"], person["user_id"]) == ("919876543210", "IN.2")
    assert (person["last_message_preview"], person["unread_count"]) == ("Hello", 1)
    assert [one["id"] for one in ask("GET", "contacts")["contacts"]] == [person["id"]]
    assert ask("PUT", f"contacts/{held}", {"tags": ["vip"]})["id"] == person["id"]


def test_contacts_are_listed_and_found(ask: Ask, acme: Party) -> None:
    ana, bob, eve = (
        _person(acme, f"5491140{number}", name=name)
        for number, name in (("123456", "Ana"), ("123457", "Bob"), ("999999", "Eve"))
    )
    factories.ConversationFactory.create(
        phone_number=acme.number, contact=bob, last_message_at=timezone.now()
    )
    AddressBookEntry.objects.create(contact=eve, name="Evelyn", tags=["vip", "billing"])

    names = [one["name"] for one in ask("GET", "contacts")["contacts"]]
    paged = ask("GET", "contacts?limit=2&page=2")

    assert names == ["Bob", "Evelyn", "Ana"]
    assert [one["name"] for one in paged["items"]] == ["Ana"]
    assert (paged["total"], paged["page"], paged["limit"]) == (3, 2, 2)
    for query, found in {
        "search=bo": ["Bob"],
        "search=evel": ["Evelyn"],
        "search=999": ["Evelyn"],
        "search=%2B54+9+11+40-123": ["Bob", "Ana"],
        "tags=vip,other": ["Evelyn"],
        "tags=none": [],
    }.items():
        assert [one["name"] for one in ask("GET", f"contacts?{query}")["contacts"]] == found
    assert ana.pk


@pytest.mark.parametrize("count", [1, 3])
def test_a_list_costs_the_same_however_long_it_is(
    count: int, ask: Ask, acme: Party, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    for number in range(count):
        _written(acme, _person(acme, f"5491140{number:06d}"), "Hello")
    ask("GET", "contacts")

    with django_assert_num_queries(9):
        assert len(ask("GET", "contacts")["contacts"]) == count


def test_a_contact_shows_what_was_said_last_and_what_is_unread(
    ask: Ask, contact_id: str, person: Contact, acme: Party
) -> None:
    _written(acme, person, "one")
    _written(acme, person, "two", is_read=True)
    _written(acme, person, "three")
    now = timezone.now()
    factories.ConversationFactory.create(phone_number=acme.number, contact=person, last_message_at=now)
    factories.ServiceWindowFactory.create(
        phone_number=acme.number, contact=person, expires_at=now + timedelta(hours=23)
    )

    shown = ask("GET", f"contacts/{contact_id}")

    assert (shown["unread_count"], shown["is_read"], shown["last_message_preview"]) == (1, False, "three")
    assert shown["service_window_open"] is True
    assert shown["last_inbound_at"] == (now - timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    assert shown["last_message_at"] == now.strftime("%Y-%m-%dT%H:%M:%SZ")


def test_a_message_is_marked_as_read_at_whatsapp(
    ask: Ask, contact_id: str, person: Contact, acme: Party
) -> None:
    message = _written(acme, person, "Hello")

    said = ask("PUT", f"messages/{uuids.write(uuids.MESSAGE, message.pk)}/read")
    ask("PUT", f"messages/{message.wamid}/read")

    assert said is None
    message.refresh_from_db()
    assert message.read_at is not None
    assert [one["status"] for one in ask("GET", f"contacts/{contact_id}/messages")["items"]] == ["read"]


def test_our_own_message_cannot_be_marked_as_read(ask: Ask, person: Contact, acme: Party) -> None:
    message = factories.MessageFactory.create(phone_number=acme.number, contact=person)

    ask("PUT", f"messages/{uuids.write(uuids.MESSAGE, message.pk)}/read", status=404)


def test_all_of_a_contacts_messages_are_marked_as_read(
    ask: Ask, contact_id: str, person: Contact, acme: Party
) -> None:
    for text in ("one", "two"):
        _written(acme, person, text)

    assert ask("POST", f"contacts/{contact_id}/mark-read") == {"status": "ok"}
    assert ask("POST", f"contacts/{contact_id}/mark-read") == {"status": "ok"}

    assert ask("GET", f"contacts/{contact_id}")["unread_count"] == 0
    assert Message.objects.exclude(read_at=None).count() == 1


def test_accounts_and_the_key_are_shown(ask: Ask, acme: Party) -> None:
    (account,) = ask("GET", "accounts")["accounts"]
    key = ask("GET", "me")

    assert (account["name"], account["phone_id"]) == (acme.number.display_name, acme.number.phone_number_id)
    assert account["business_id"] == acme.number.business_account.waba_id
    assert (account["status"], account["is_default_outgoing"]) == ("active", True)
    assert ask("GET", f"accounts/{account['id']}") == ask("GET", f"accounts/{account['phone_id']}") == account
    assert (key["name"], key["environment"], key["organization_name"]) == ("whatomate", "test", "Acme")
    assert key["key_prefix"].startswith("whm_test_")


def test_a_live_key_sees_no_sandbox(acme: Party) -> None:
    assert asking(mint(acme, "live"))("GET", "accounts")["accounts"] == []


@pytest.mark.parametrize("search", ["00", "(00)", "+"])
def test_a_search_for_no_number_finds_nobody(search: str, ask: Ask, acme: Party) -> None:
    _person(acme, "5491140123456", name="Juan")

    assert ask("GET", f"contacts?search={quote(search)}")["items"] == []
