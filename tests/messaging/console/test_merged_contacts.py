"""A contact that turned out to be another is listed no more, and leads to who it is."""

import pytest
from django.urls import reverse

from accounts import roles
from messaging import contacts, merges
from messaging.models import Contact
from tests.conftest import Party
from tests.messaging.console.conftest import Told, sign_in

LIST = "/console/messaging/contact/"


@pytest.fixture
def ghost(told: Told) -> Contact:
    """Juan under the id that he had before he changed his number."""
    old, account = told.message.contact, told.party.number.business_account
    assert old is not None
    Contact.objects.filter(pk=old.pk).update(user_id="AR.1")
    new = contacts.find_or_create(account=account, user_id="AR.2", name="Juan anew")
    merges.follow(account=account, previous="AR.1", current="AR.2")
    old.refresh_from_db()
    assert old.merged_into_id == new.pk
    return old


def test_lists_and_searches_show_the_person_once(told: Told, ghost: Contact) -> None:
    client = sign_in(roles.OPERATOR, told.party)

    for query in ("", "?q=AR.1", "?q=AR.2", f"?q={told.message.peer}"):
        shown = client.get(LIST + query).context["cl"].result_list
        assert [row.pk for row in shown] == [ghost.merged_into_id], query


def test_its_page_leads_to_the_one_that_it_became_part_of(told: Told, ghost: Contact) -> None:
    answer = sign_in(roles.OPERATOR, told.party).get(f"{LIST}{ghost.pk}/change/", follow=True)

    assert answer.redirect_chain == [(f"{LIST}{ghost.merged_into_id}/change/", 302)]
    assert "Juan anew" in answer.content.decode()
    assert f"Contact {ghost.pk} turned out to be this one." in answer.content.decode()


def test_the_box_finds_the_person_by_the_old_id(told: Told, ghost: Contact) -> None:
    client = sign_in(roles.OPERATOR, told.party)

    found = client.get("/console/messaging/message/find/", {"q": "AR.1"})
    listed = client.get("/console/messaging/conversation/", {"q": "AR.1"}).context["cl"].result_list

    talk = reverse("admin:messaging_conversation_change", args=[told.message.conversation_id])
    assert found["Location"] == talk
    assert [row.pk for row in listed] == [told.message.conversation_id]


def test_who_may_not_see_the_person_is_led_nowhere(told: Told, ghost: Contact, globex: Party) -> None:
    answer = sign_in(roles.SUPPORT, globex).get(f"{LIST}{ghost.pk}/change/")

    assert (answer.status_code, answer["Location"]) == (302, reverse("admin:index"))
