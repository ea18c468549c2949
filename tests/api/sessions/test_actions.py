"""Edit, revoke, react, forward and vote: real, emulated and said so, or refused with the reason."""

from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage

from accounts.models import PhoneNumber
from messaging import deliver
from messaging.models import Message, MessageContent, PollVote
from tests import factories
from tests.api.sessions.conftest import TO, Call, said

TEXT = {"type": "text", "text": "Hello"}
PNG = b"\x89PNG\r\n\x1a\n" + b"0" * 64


@pytest.fixture
def waiting(send: Call, path: str) -> str:
    return f"{path}/{said(send(TEXT, '?async=true'))['outboxId']}"


@pytest.fixture
def sent(send: Call, path: str) -> str:
    return f"{path}/{said(send(TEXT))['messageId']}"


def _inbound(number: PhoneNumber, type: str, body: dict[str, Any]) -> Message:
    message = factories.MessageFactory.create(
        phone_number=number,
        contact__tenant=number.tenant,
        contact__business_account=number.business_account,
        contact__phone="5491140123456",
        direction="inbound",
        status="received",
        type=type,
    )
    factories.MessageContentFactory.create(message=message, body={"type": type, **body})
    made: Message = message
    return made


def test_a_queued_text_is_edited_and_leaves_with_its_new_words(
    call: Call, waiting: str, number: PhoneNumber
) -> None:
    answer = call("PATCH", waiting, {"chat": TO, "text": "Bye"})
    deliver.drain(number_id=number.pk)

    assert (answer.status_code, said(answer)["status"]) == (200, "queued")
    assert MessageContent.objects.get().body["text"] == {"body": "Bye"}


def test_a_queued_message_is_revoked_and_never_leaves(call: Call, waiting: str, number: PhoneNumber) -> None:
    answer = call("DELETE", waiting, {"chat": TO, "sender": ""})
    deliver.drain(number_id=number.pk)

    assert (answer.status_code, said(answer)["status"]) == (200, "revoked")
    message = Message.objects.get()
    assert (message.status, message.wamid) == ("failed", None)


@pytest.mark.parametrize("method", ["PATCH", "DELETE"])
def test_a_sent_message_is_neither_edited_nor_revoked(call: Call, sent: str, method: str) -> None:
    answer = call(method, sent, {"chat": TO, "text": "Bye"})

    error = said(answer)["error"]
    assert (answer.status_code, error["code"]) == (409, "unsupported_by_channel")
    assert error["details"]["reason"]
    assert error["details"]["alternatives"]
    assert MessageContent.objects.get().body["text"] == {"body": "Hello"}


def test_a_message_is_not_found_in_another_chat(call: Call, waiting: str) -> None:
    assert call("PATCH", waiting, {"chat": "628123456789", "text": "Bye"}).status_code == 404
    assert said(call("PATCH", waiting, {"chat": TO}))["error"]["details"] == {"field": "text"}


def test_a_reaction_is_put_on_and_taken_back(call: Call, sent: str) -> None:
    wamid = Message.objects.get().wamid
    put = call("POST", f"{sent}/reaction", {"chat": TO, "sender": TO, "emoji": "👍"})
    taken = call("DELETE", f"{sent}/reaction", {"chat": TO, "sender": TO})

    assert (put.status_code, taken.status_code) == (200, 200)
    reactions = [
        row.content.body["reaction"] for row in Message.objects.filter(type="reaction").order_by("pk")
    ]
    assert reactions == [{"message_id": wamid, "emoji": "👍"}, {"message_id": wamid, "emoji": ""}]


def test_nothing_can_be_put_on_what_is_not_at_whatsapp(call: Call, waiting: str) -> None:
    answer = call("POST", f"{waiting}/reaction", {"emoji": "👍"})
    assert (answer.status_code, said(answer)["error"]["code"]) == (409, "message_not_sent_yet")
    assert call("POST", f"{waiting}/reaction", {}).status_code == 400


def test_an_own_message_is_forwarded_with_its_content(call: Call, sent: str) -> None:
    answer = call("POST", f"{sent}/forward", {"chat": TO, "sender": "", "to": "628123456789@s.whatsapp.net"})

    result = said(answer)
    assert answer.status_code == 200
    assert result["forwardedFrom"] == sent.rpartition("/messages/")[2]
    assert result["warnings"] == ["forwarded_label_not_supported"]
    forwarded = Message.objects.latest("pk")
    assert (forwarded.peer, forwarded.content.body["text"]) == ("628123456789", {"body": "Hello"})


@pytest.mark.parametrize(
    ("type", "body", "stored"),
    [
        ("text", {"text": {"body": "Hola"}}, {"text": {"body": "Hola"}}),
        (
            "location",
            {"location": {"latitude": 1.5, "longitude": 2, "name": "Here", "url": "https://x.example"}},
            {"location": {"latitude": 1.5, "longitude": 2, "name": "Here"}},
        ),
    ],
)
def test_what_a_customer_wrote_is_forwarded(
    call: Call, path: str, number: PhoneNumber, type: str, body: Any, stored: Any
) -> None:
    message = _inbound(number, type, body)

    assert call("POST", f"{path}/{message.pk}/forward", {"to": "628123456789"}).status_code == 200
    assert Message.objects.latest("pk").content.body == {"type": type, **stored}


def test_a_customers_file_is_forwarded_while_it_is_kept(call: Call, path: str, number: PhoneNumber) -> None:
    image = {"id": "999", "caption": "Look", "mime_type": "image/png", "sha256": "x"}
    message = _inbound(number, "image", {"image": image})
    to = {"to": "628123456789"}
    assert call("POST", f"{path}/{message.pk}/forward", to).status_code == 410

    stored = default_storage.save("media/forward", ContentFile(PNG))
    factories.MediaFileFactory.create(
        tenant=number.tenant, phone_number=number, message=message, state="kept", path=stored, size=len(PNG)
    )
    assert call("POST", f"{path}/{message.pk}/forward", to).status_code == 200
    forwarded = Message.objects.latest("pk").content.body["image"]
    assert forwarded["caption"] == "Look"
    assert forwarded["id"] not in ("999", "")
    default_storage.delete(stored)


def test_what_cannot_be_sent_cannot_be_forwarded(call: Call, path: str, number: PhoneNumber) -> None:
    message = _inbound(number, "order", {"order": {}})
    answer = call("POST", f"{path}/{message.pk}/forward", {"to": "628123456789"})
    assert (answer.status_code, said(answer)["error"]["code"]) == (409, "unsupported_by_channel")


def test_votes_are_counted_and_an_own_vote_is_the_complete_set(send: Call, call: Call, path: str) -> None:
    poll = said(send({"type": "poll", "name": "Lunch?", "options": ["Pizza", "Sushi", "Salad"]}))
    address = f"{path}/{poll['messageId']}"

    voted = call("POST", f"{address}/vote", {"chat": TO, "sender": "", "options": ["Sushi"]})
    tally = call("GET", f"{address}/poll")

    assert said(voted) == said(tally)
    assert [option["votes"] for option in said(tally)["options"]] == [0, 1, 0]
    assert said(tally)["totalVoters"] == 1
    assert call("POST", f"{address}/vote", {"options": ["Fish"]}).status_code == 400
    assert call("POST", f"{address}/vote", {"options": ["Pizza", "Sushi"]}).status_code == 400
    assert call("POST", f"{address}/vote", {}).status_code == 400
    assert said(call("POST", f"{address}/vote", {"options": []}))["totalVoters"] == 0
    assert PollVote.objects.get().selected == []


def test_a_business_cannot_vote_on_a_customers_poll(call: Call, path: str, number: PhoneNumber) -> None:
    message = _inbound(number, "unsupported", {"unsupported": {"type": "poll_creation"}})
    for answer in (
        call("POST", f"{path}/{message.pk}/vote", {"options": ["Pizza"]}),
        call("GET", f"{path}/{message.pk}/poll"),
    ):
        assert (answer.status_code, said(answer)["error"]["code"]) == (409, "unsupported_by_channel")
