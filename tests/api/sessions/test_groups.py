"""Groups that the Cloud API made: written to by Meta's id, heard as chats of their own."""

from typing import Any

import orjson
import pytest

from accounts.models import PhoneNumber
from gosend.sandbox import callbacks
from messaging import ingest
from messaging.models import Contact, Message, MessageContent, Poll, ServiceWindow
from tests import factories
from tests.api.sessions.conftest import Call, said
from webhooks_app import session_events

GROUP = "Y2FwaV9ncm91cDoxNjUwNTU1MTIzNDoxMjAzNjM0MDE2MTMwMjk4Mg@g.us"
MEMBER = "5491140123456"


def _say(number: PhoneNumber, text: str) -> None:
    """A member writes in the group, as Meta's callback brings it."""
    payload = callbacks.inbound_text(
        waba_id=number.business_account.waba_id,
        phone_number_id=number.phone_number_id,
        display_phone_number=number.display_phone_number_normalized,
        from_phone=MEMBER,
        body=text,
        name="Ana",
    )
    message = payload["entry"][0]["changes"][0]["value"]["messages"][0]
    message["group_id"] = GROUP.removesuffix("@g.us")
    ingest.store(body=callbacks.to_bytes(payload), app=None, is_sandbox=True)
    ingest.handle_due()


@pytest.mark.parametrize(
    "body",
    [
        {"type": "text", "text": "Hello"},
        {"type": "image", "media": {"id": "934567890123456"}},
        {"type": "document", "media": {"id": "934567890123456", "filename": "a.pdf"}},
    ],
)
def test_a_group_gets_what_it_takes_whatever_the_window(
    body: dict[str, Any], send: Call, number: PhoneNumber
) -> None:
    number.window_policy, number.connected_at = "strict", factories.LONG_AGO
    number.save()

    answer = send(body | {"to": GROUP})

    assert (answer.status_code, said(answer)["status"]) == (200, "sent")
    assert (Message.objects.get().peer, Contact.objects.get().user_id) == (GROUP, GROUP)
    assert Contact.objects.get().phone == ""


@pytest.mark.parametrize(
    "body",
    [
        {"type": "location", "latitude": 1, "longitude": 2},
        {"type": "contact", "contact": {"name": "Ana", "phone": "+5491140123456"}},
    ],
)
def test_what_no_group_takes_is_refused_with_the_reason(body: dict[str, Any], send: Call) -> None:
    answer = send(body | {"to": GROUP})

    error = said(answer)["error"]
    assert (answer.status_code, error["code"]) == (409, "unsupported_by_channel")
    assert "in a group" in error["details"]["reason"]
    assert not Message.objects.exists()


@pytest.mark.parametrize("to", ["120363025246125486@g.us", "34600111222-1600000000@g.us", "x@g.us"])
def test_a_group_that_people_made_is_not_reached(to: str, send: Call) -> None:
    answer = send({"type": "text", "text": "x", "to": to})

    assert (answer.status_code, said(answer)["error"]["code"]) == (409, "unsupported_by_channel")


def test_a_group_is_a_chat_of_its_own_and_opens_no_window_to_its_members(
    call: Call, send: Call, number: PhoneNumber, path: str
) -> None:
    _say(number, "Hi all")
    chats = path.replace("/messages", "/chats")

    (chat,) = said(call("GET", chats))["data"]
    (heard,) = said(call("GET", f"{chats}/{GROUP}/messages"))["data"]
    read = call("POST", f"{chats}/{GROUP}/read")

    assert (chat["id"], chat["jid"], chat["userId"], heard["chatJid"]) == (GROUP, GROUP, None, GROUP)
    (known,) = said(call("GET", path.replace("/messages", "/contacts")))["data"]
    assert (known["jid"], known["userId"], known["phone"]) == (GROUP, None, None)
    assert (heard["senderJid"], heard["body"]) == (f"{MEMBER}@s.whatsapp.net", "Hi all")
    assert not ServiceWindow.objects.filter(contact__phone=MEMBER).exists()
    assert call("GET", f"{chats}/{MEMBER}/messages").status_code == 404
    assert (read.status_code, said(read)["error"]["code"]) == (409, "unsupported_by_channel")
    reaction = call("POST", f"{path}/{heard['id']}/reaction", {"emoji": "👍"})
    assert (reaction.status_code, said(reaction)["error"]["code"]) == (409, "unsupported_by_channel")


def test_a_poll_is_numbered_in_a_group_and_each_member_votes(
    send: Call, call: Call, number: PhoneNumber, path: str
) -> None:
    asked = send({"type": "poll", "name": "Lunch?", "options": ["Pizza", "Sushi"], "to": GROUP})
    _say(number, "2")

    tally = said(call("GET", f"{path}/{said(asked)['messageId']}/poll"))
    assert said(asked)["renderedAs"] == "text"
    assert [one["voters"] for one in tally["options"]] == [[], [f"{MEMBER}@s.whatsapp.net"]]
    assert Poll.objects.get().rendered_as == "text"


def test_the_group_stands_in_the_event_beside_who_wrote(number: PhoneNumber, send: Call, call: Call) -> None:
    call("POST", "/api/v1/webhooks", {"url": "https://hooks.example.com/wa", "events": ["message"]})
    _say(number, "Hi all")

    event = number.tenant.events.get(type="message.received")
    told = session_events.render(type=event.type, event_id=event.pk, body=bytes(event.body))
    payload = orjson.loads(told)["payload"]
    assert payload["chatJid"] == GROUP
    assert payload["senderJid"] == f"{MEMBER}@s.whatsapp.net"
    assert MessageContent.objects.get().body["group_id"] == GROUP.removesuffix("@g.us")
