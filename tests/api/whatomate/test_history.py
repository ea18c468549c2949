"""Read what was exchanged with a contact."""

from typing import Any

import pytest
from pytest_django import DjangoAssertNumQueries

from gosend.api.whatomate import history, uuids
from messaging.models import Contact, Message
from tests import factories
from tests.api.whatomate.conftest import Ask, asking, mint
from tests.conftest import Party


def _exchange(person: Contact, acme: Party, count: int) -> list[str]:
    made = []
    for number in range(count):
        message = factories.MessageFactory.create(
            phone_number=acme.number,
            contact=person,
            direction="inbound" if number % 2 else "outbound",
            status="received" if number % 2 else "delivered",
        )
        factories.MessageContentFactory.create(
            message=message, body={"type": "text", "text": {"body": str(number)}}
        )
        made.append(uuids.write(uuids.MESSAGE, message.pk))
    return made


def test_pages_are_in_order_and_the_first_is_the_newest(
    ask: Ask, contact_id: str, person: Contact, acme: Party
) -> None:
    made = _exchange(person, acme, 5)
    path = f"contacts/{contact_id}/messages"

    first, second, last, beyond = (ask("GET", f"{path}?limit=2&page={page}") for page in (1, 2, 3, 4))

    assert [one["id"] for one in first["items"]] == made[3:]
    assert [one["id"] for one in second["messages"]] == made[1:3]
    assert [one["id"] for one in last["items"]] == made[:1]
    assert beyond["items"] == []
    assert [page["has_more"] for page in (first, second, last, beyond)] == [True, True, False, False]
    assert {page["total"] for page in (first, second, last, beyond)} == {5}
    assert (second["page"], second["limit"]) == (2, 2)
    assert first["items"] == first["messages"]


@pytest.mark.parametrize(
    ("type", "value", "shown"),
    [
        (
            "interactive",
            {"type": "button_reply", "button_reply": {"id": "y", "title": "Yes"}},
            "button_reply",
        ),
        ("interactive", {"type": "list_reply", "list_reply": {"id": "y", "title": "Yes"}}, "button_reply"),
        ("interactive", {"type": "nfm_reply", "nfm_reply": {"response_json": "{}"}}, "nfm_reply"),
        ("button", {"text": "Yes", "payload": "y"}, "button_reply"),
        ("image", {"id": "1"}, "image"),
    ],
)
def test_a_tap_is_told_from_what_offers_it(
    type: str, value: Any, shown: str, ask: Ask, contact_id: str, person: Contact, acme: Party
) -> None:
    message = factories.MessageFactory.create(
        phone_number=acme.number, contact=person, direction="inbound", status="received", type=type
    )
    factories.MessageContentFactory.create(message=message, body={"type": type, type: value})

    (one,) = ask("GET", f"contacts/{contact_id}/messages")["items"]

    assert (one["type"], one["message_type"]) == (type, shown)


def test_cursors_go_both_ways(ask: Ask, contact_id: str, person: Contact, acme: Party) -> None:
    made = _exchange(person, acme, 5)
    path = f"contacts/{contact_id}/messages?limit=2"

    before = ask("GET", f"{path}&before={made[3]}")
    before_id = ask("GET", f"{path}&before_id={made[3]}")
    after = ask("GET", f"{path}&after={made[0]}")
    oldest = ask("GET", f"{path}&before={made[1]}")

    assert [one["id"] for one in before["items"]] == made[1:3]
    assert before == before_id
    wamid = Message.objects.order_by("pk")[3].wamid
    assert ask("GET", f"{path}&before={wamid}") == before
    assert [one["id"] for one in after["items"]] == made[1:3]
    assert [page["has_more"] for page in (before, after, oldest)] == [True, True, False]
    assert ask("GET", f"{path}&before=nonsense", status=400)["details"]["field"] == "before"
    assert ask("GET", f"{path}&after={contact_id}", status=400)["details"]["field"] == "after"


def test_the_latest_reaction_counts_however_many_others_came_between(
    ask: Ask, contact_id: str, person: Contact, acme: Party, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history, "_MOST_REACTIONS", 2)
    first, other = _exchange(person, acme, 2)
    wamids = [message.wamid for message in Message.objects.order_by("pk")]
    for wamid, emoji in ((wamids[0], "👍"), (wamids[1], "🎉"), (wamids[1], "❤"), (wamids[0], "")):
        reaction = factories.MessageFactory.create(
            phone_number=acme.number, contact=person, direction="inbound", status="received", type="reaction"
        )
        said = {"message_id": wamid, "emoji": emoji}
        factories.MessageContentFactory.create(message=reaction, body={"type": "reaction", "reaction": said})

    shown = [ask("GET", f"contacts/{contact_id}/messages?limit=1&page={page}") for page in (1, 2)]

    assert [page["items"][0]["id"] for page in shown] == [other, first]
    assert [[one["emoji"] for one in page["items"][0]["reactions"]] for page in shown] == [["❤"], []]


def test_reading_changes_nothing(ask: Ask, contact_id: str, person: Contact, acme: Party) -> None:
    _exchange(person, acme, 2)
    before = list(Message.objects.order_by("pk").values())

    shown = ask("GET", f"contacts/{contact_id}/messages")

    assert [one["status"] for one in shown["items"]] == ["delivered", "delivered"]
    assert [one["direction"] for one in shown["items"]] == ["outgoing", "incoming"]
    assert list(Message.objects.order_by("pk").values()) == before


@pytest.mark.parametrize(
    ("kept", "shown"),
    [("queued", "pending"), ("sending", "pending"), ("sent", "sent"), ("read", "read"), ("failed", "failed")]
    + [("unknown", "unknown"), ("unconfirmed", "unconfirmed")],
)
def test_a_status_is_told_in_the_documented_words(
    kept: str, shown: str, ask: Ask, contact_id: str, person: Contact, acme: Party
) -> None:
    factories.MessageFactory.create(phone_number=acme.number, contact=person, status=kept)

    assert [one["status"] for one in ask("GET", f"contacts/{contact_id}/messages")["items"]] == [shown]


def test_an_id_that_is_none_is_told_from_one_that_is_unknown(ask: Ask) -> None:
    said = ask("GET", "contacts/nonsense/messages", status=400)
    unknown = ask("GET", "contacts/6f2c1e3a-8c53-4a5b-9a3d-0f2f4f0c9f11/messages", status=404)

    assert (said["message"], said["details"]["field"]) == ("Invalid contact ID", "contact_id")
    assert unknown["message"] == "Contact not found"


def test_a_live_key_does_not_see_test_contacts(acme: Party, contact_id: str) -> None:
    live = asking(mint(acme, "live"))

    assert live("GET", f"contacts/{contact_id}/messages", status=404)["code"] == "contact_not_found"
    assert live("GET", "contacts")["total"] == 0


@pytest.mark.parametrize("count", [1, 3])
def test_a_list_costs_the_same_however_long_it_is(
    count: int,
    ask: Ask,
    contact_id: str,
    person: Contact,
    acme: Party,
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    _exchange(person, acme, count)
    ask("GET", f"contacts/{contact_id}/messages")

    with django_assert_num_queries(6):
        ask("GET", f"contacts/{contact_id}/messages")
