"""Send to a contact."""

from typing import Any

import pytest
from pytest_django import Settings

from accounts import tenants
from gosend.api.whatomate import uuids
from messaging.models import Contact, Dispatch, IdempotentAnswer, Message, MessageContent
from tests import factories
from tests.api.whatomate.conftest import Ask, asking, mint
from tests.api.whatomate.counting import native_send, statements
from tests.conftest import Party


def _kept() -> dict[str, Any]:
    body: dict[str, Any] = MessageContent.objects.get().body
    return body


@pytest.mark.parametrize(
    "said",
    [
        {"text": "Hello!"},
        {"text": {"body": "Hello!"}},
        {"content": {"body": "Hello!"}},
        {"content": {"text": "Hello!"}},
        {"content": "Hello!"},
    ],
)
def test_a_text_is_sent_in_each_spelling(said: dict[str, Any], ask: Ask, contact_id: str) -> None:
    sent = ask("POST", f"contacts/{contact_id}/messages", {"type": "text", **said})

    assert _kept() == {"type": "text", "text": {"body": "Hello!"}}
    assert sent["status"] == "sent"
    assert sent["wa_message_id"] == sent["wamid"] == Message.objects.get().wamid
    assert sent["content"] == {"text": "Hello!", "body": "Hello!"}
    assert (sent["direction"], sent["type"], sent["message_type"]) == ("outgoing", "text", "text")
    assert (sent["contact_id"], sent["phone_number"]) == (contact_id, "919876543210")
    assert sent["timestamp"] == sent["created_at"]


def test_a_test_key_that_asks_for_it_gets_pending_at_once(ask: Ask, contact_id: str) -> None:
    sent = ask("POST", f"contacts/{contact_id}/messages?async=true", {"type": "text", "text": "Hi"})

    assert (sent["status"], sent["wamid"], sent["wa_message_id"]) == ("pending", "", "")
    assert Dispatch.objects.count() == 1


@pytest.mark.parametrize(
    ("body", "code", "field"),
    [
        ({}, "missing_required_field", "type"),
        ({"type": "text"}, "missing_required_field", "text"),
        ({"type": "text", "text": 5}, "invalid_field", "text"),
        ({"type": "text", "text": "x" * 4097}, "invalid_content", "text"),
        ({"type": "text", "content": {"body": "x" * 4097}}, "invalid_content", "content.body"),
        ({"type": "telegram"}, "invalid_message_type", "type"),
        ({"type": "interactive"}, "missing_required_field", "interactive"),
        (
            {"type": "interactive", "interactive": {"type": "button", "body": "?"}},
            "missing_required_field",
            "interactive.buttons",
        ),
        (
            {
                "type": "interactive",
                "interactive": {"type": "button", "body": "?", "buttons": [{"id": "1", "title": "x" * 21}]},
            },
            "invalid_content",
            "interactive.buttons[0].title",
        ),
        (
            {"type": "interactive", "interactive": {"type": "cta_url", "body": "?", "button_text": "Go"}},
            "missing_required_field",
            "interactive.url",
        ),
        (
            {"type": "interactive", "interactive": {"type": "flow", "body": "?"}},
            "missing_required_field",
            "interactive.flow_id",
        ),
        ({"type": "interactive", "interactive": {"type": "dance"}}, "invalid_field", "interactive.type"),
        ({"type": "image"}, "missing_required_field", "media_url"),
        ({"type": "image", "media_url": "ftp://x"}, "invalid_content", "media_url"),
        ({"type": "audio", "media_url": "https://a.example/a", "caption": "x"}, "invalid_content", "caption"),
    ],
)
def test_what_is_wrong_is_named_as_the_client_wrote_it(
    body: dict[str, Any], code: str, field: str, ask: Ask, contact_id: str
) -> None:
    said = ask("POST", f"contacts/{contact_id}/messages", body, status=400)

    assert (said["code"], said["details"]["field"]) == (code, field)
    assert not Message.objects.exists()


def test_an_answer_carries_the_message_that_it_answers(
    ask: Ask, contact_id: str, person: Contact, acme: Party
) -> None:
    asked = factories.MessageFactory.create(
        phone_number=acme.number, contact=person, direction="inbound", status="received", wamid="wamid.Q"
    )
    factories.MessageContentFactory.create(message=asked)
    own_id = uuids.write(uuids.MESSAGE, asked.pk)

    ask(
        "POST",
        f"contacts/{contact_id}/messages",
        {"type": "text", "text": "Yes", "reply_to_message_id": own_id},
    )

    (_, sent) = ask("GET", f"contacts/{contact_id}/messages")["items"]
    assert MessageContent.objects.latest("pk").body["context"] == {"message_id": "wamid.Q"}
    assert (sent["is_reply"], sent["reply_to_message_id"]) == (True, own_id)
    assert sent["reply_to_message"]["content"]["text"] == "Hello"
    assert sent["reply_to_message"]["direction"] == "incoming"


def test_an_answer_to_a_strangers_message_is_refused(
    ask: Ask, contact_id: str, acme: Party, person: Contact
) -> None:
    other = factories.MessageFactory.create()
    body = {"type": "text", "text": "x", "reply_to_message_id": uuids.write(uuids.MESSAGE, other.pk)}

    said = ask("POST", f"contacts/{contact_id}/messages", body, status=404)

    assert said["details"]["field"] == "reply_to_message_id"
    assert Message.objects.filter(tenant=acme.tenant).count() == 0


def test_a_reaction_is_sent_and_taken_back(ask: Ask, contact_id: str, person: Contact, acme: Party) -> None:
    asked = factories.MessageFactory.create(
        phone_number=acme.number, contact=person, direction="inbound", status="received", wamid="wamid.R"
    )
    factories.MessageContentFactory.create(message=asked)
    path = f"contacts/{contact_id}/messages/{uuids.write(uuids.MESSAGE, asked.pk)}/reaction"

    put = ask("POST", path, {"emoji": "👍"}, Idempotency_Key="r-1")
    again = ask("POST", path, {"emoji": "👍"}, Idempotency_Key="r-1")
    shown = ask("GET", f"contacts/{contact_id}/messages")
    taken = ask("POST", path, {"emoji": ""})

    assert put == again
    assert put["reactions"] == [{"emoji": "👍", "from_user": "business"}]
    assert put["message_id"] == uuids.write(uuids.MESSAGE, asked.pk)
    assert [one["reactions"] for one in shown["items"]] == [put["reactions"]]
    assert shown["total"] == 1
    assert taken["reactions"] == []
    assert Message.objects.filter(type="reaction").count() == 2


@pytest.mark.parametrize(
    ("emoji", "code"), [(None, "missing_required_field"), ("no emoji", "invalid_content")]
)
def test_a_reaction_that_is_none_is_refused(
    emoji: Any, code: str, ask: Ask, contact_id: str, person: Contact, acme: Party
) -> None:
    asked = factories.MessageFactory.create(phone_number=acme.number, contact=person)

    said = ask("POST", f"contacts/{contact_id}/messages/{asked.pk}/reaction", {"emoji": emoji}, status=400)

    assert (said["code"], said["details"]["field"]) == (code, "emoji")


def test_one_person_on_two_accounts_is_one_contact(ask: Ask, person: Contact, acme: Party) -> None:
    second = tenants.add_sandbox(tenant=acme.tenant)
    second.display_name = "Second"
    second.save()
    contact_id = uuids.write(uuids.CONTACT, person.pk)

    sent = ask(
        "POST",
        f"contacts/{contact_id}/messages",
        {"type": "text", "text": "Hi", "whatsapp_account": "Second"},
    )

    assert Contact.objects.count() == 2
    assert (sent["contact_id"], sent["whatsapp_account"]) == (contact_id, "Second")
    assert ask("GET", "contacts")["total"] == 1
    shown = ask("GET", f"contacts/{contact_id}/messages")
    assert [one["contact_id"] for one in shown["items"]] == [contact_id]
    assert ask("GET", f"contacts/{contact_id}/messages?account={acme.number.phone_number_id}")["total"] == 0
    assert ask("GET", f"contacts/{contact_id}/messages?account=Second")["total"] == 1


def test_a_closed_window_is_an_error_of_this_dialect(ask: Ask, contact_id: str, acme: Party) -> None:
    acme.number.window_policy = "strict"
    acme.number.connected_at = factories.LONG_AGO
    acme.number.save()

    said = ask("POST", f"contacts/{contact_id}/messages", {"type": "text", "text": "Hi"}, status=403)

    assert said["code"] == "outside_24h_window"
    assert said["doc_url"].endswith("/docs/errors#outside_24h_window")


def test_a_file_that_cannot_be_fetched_is_an_error_with_the_message_kept(
    ask: Ask, contact_id: str, settings: Settings
) -> None:
    settings.TRUSTED_NETWORKS = []
    body = {"type": "image", "media_url": "https://127.0.0.1/a.jpg"}

    said = ask("POST", f"contacts/{contact_id}/messages", body, status=422)

    (shown,) = ask("GET", f"contacts/{contact_id}/messages")["items"]
    assert said["code"] == "media_download_failed"
    assert (shown["id"], shown["status"]) == (said["details"]["message_id"], "failed")
    assert shown["error_message"]


def test_a_repeat_with_a_key_is_one_message(ask: Ask, contact_id: str) -> None:
    body = {"type": "text", "text": "Once"}
    path = f"contacts/{contact_id}/messages"

    first = ask("POST", path, body, Idempotency_Key="k-1")
    again = ask("POST", path, body, Idempotency_Key="k-1")
    other = ask("POST", path, body | {"text": "Twice"}, status=409, Idempotency_Key="k-1")

    assert first == again
    assert other["code"] == "idempotency_key_conflict"
    assert Message.objects.count() == IdempotentAnswer.objects.count() == 1


def test_a_key_without_the_scope_may_not_send(acme: Party, contact_id: str) -> None:
    reader = asking(mint(acme, scopes=["read"]))

    said = reader("POST", f"contacts/{contact_id}/messages", {"type": "text", "text": "x"}, status=403)

    assert said["code"] == "insufficient_scope"


def test_a_send_costs_one_statement_more_than_the_native_one(ask: Ask, contact_id: str, acme: Party) -> None:
    ask("POST", f"contacts/{contact_id}/messages?async=true", {"type": "text", "text": "Hi"})

    native = statements(lambda: native_send(acme))
    here = statements(
        lambda: ask("POST", f"contacts/{contact_id}/messages?async=true", {"type": "text", "text": "Hi"})
    )

    assert here <= native + 1
