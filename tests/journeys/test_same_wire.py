"""One message through each of the three APIs: Meta gets the same bytes, ids apart."""

import re
import socket
from typing import Any

import orjson
import pytest
from django.test import Client
from pytest_django import Settings

from accounts import keys
from accounts.models import ApiKey
from gosend.api.whatomate import uuids
from messaging.models import Contact, Message
from tests import factories
from tests.conftest import Party, make_party
from tests.lib.raw_server import RawServer
from tests.messaging.media_host import MediaHost, serving

_PHONE = "919876543210"
_SENT = b'{"messaging_product":"whatsapp","messages":[{"id":"wamid.same"}]}'
_UPLOADED = b'{"id":"934567890123456"}'
_PLACE = {"latitude": -34.6, "longitude": -58.4, "name": "Obelisco", "address": "Corrientes"}
_BUTTONS = [{"id": "yes", "title": "Yes"}, {"id": "no", "title": "No"}]
_LINK = {"display_text": "View", "url": "https://example.com/1"}
_PERSON = {
    "name": {"formatted_name": "Ana", "first_name": "Ana"},
    "phones": [{"phone": "+5491140123456", "type": "CELL", "wa_id": "5491140123456"}],
}
_OTHER = {
    "name": {"formatted_name": "Ben", "first_name": "Ben"},
    "phones": [{"phone": "+4917012345678", "type": "CELL", "wa_id": "4917012345678"}],
}
_VCARDS = "\n".join(
    f"BEGIN:VCARD\nVERSION:3.0\nFN:{name}\nTEL;type=CELL;waid={digits}:+{digits}\nEND:VCARD"
    for name, digits in (("Ana", "5491140123456"), ("Ben", "4917012345678"))
)
_ROWS = [{"id": str(n), "title": f"Row {n}"} for n in range(4)]
_OFFER = {
    "name": "offer",
    "language": {"code": "en_US"},
    "components": [
        {"type": "body", "parameters": [{"type": "text", "text": "John", "parameter_name": "name"}]}
    ],
}
# A message of the customer's, which some of the others refer to.
_ASKED = "wamid.asked"
_LINKED = "https://shop.example/a.png"
_FILE = {"id": "934567890123456", "caption": "Look"}

# Native, Whatomate's, the session gateway's; None where an API has no such type.
_SAME: dict[str, tuple[dict[str, Any], dict[str, Any], dict[str, Any] | None]] = {
    "text": (
        {"type": "text", "text": {"body": "Hi 👋"}},
        {"type": "text", "text": "Hi 👋"},
        {"type": "text", "text": "Hi 👋"},
    ),
    "location": (
        {"type": "location", "location": _PLACE},
        {"type": "location", "location": _PLACE},
        {"type": "location", **_PLACE},
    ),
    "buttons": (
        {
            "type": "interactive",
            "interactive": {
                "type": "button",
                "body": {"text": "?"},
                "action": {"buttons": [{"type": "reply", "reply": one} for one in _BUTTONS]},
            },
        },
        {"type": "interactive", "interactive": {"type": "button", "body": "?", "buttons": _BUTTONS}},
        None,
    ),
    "cta_url": (
        {
            "type": "interactive",
            "interactive": {
                "type": "cta_url",
                "body": {"text": "?"},
                "action": {"name": "cta_url", "parameters": _LINK},
            },
        },
        {
            "type": "interactive",
            "interactive": {
                "type": "cta_url",
                "body": "?",
                "button_text": _LINK["display_text"],
                "url": _LINK["url"],
            },
        },
        None,
    ),
    "list": (
        {
            "type": "interactive",
            "interactive": {
                "type": "list",
                "body": {"text": "?"},
                "action": {"button": "Select an option", "sections": [{"title": "Options", "rows": _ROWS}]},
            },
        },
        {"type": "interactive", "interactive": {"type": "button", "body": "?", "buttons": _ROWS}},
        None,
    ),
    "contact": (
        {"type": "contacts", "contacts": [_PERSON]},
        {"type": "contacts", "contacts": [_PERSON]},
        {"type": "contact", "contact": {"name": "Ana", "phone": "+5491140123456"}},
    ),
    "contacts by vCard": (
        {"type": "contacts", "contacts": [_PERSON, _OTHER]},
        {"type": "contacts", "contacts": [_PERSON, _OTHER]},
        {"type": "contact", "contact": [{"vcard": _VCARDS}]},
    ),
    "flow": (
        {
            "type": "interactive",
            "interactive": {
                "type": "flow",
                "body": {"text": "Fill in"},
                "action": {
                    "name": "flow",
                    "parameters": {
                        "flow_message_version": "3",
                        "flow_id": "4711",
                        "flow_cta": "Open",
                        "flow_action": "navigate",
                        "flow_action_payload": {"screen": "START"},
                    },
                },
            },
        },
        {"type": "flow", "body": "Fill in", "flow_id": "4711", "first_screen": "START"},
        None,
    ),
    **{
        kind: (
            {"type": kind, kind: {"id": _FILE["id"]}},
            {"type": kind, "media_id": _FILE["id"]},
            {"type": kind, "media": {"id": _FILE["id"]}},
        )
        for kind in ("video", "audio", "sticker")
    },
    "image": (
        {"type": "image", "image": _FILE},
        {"type": "image", "media_id": _FILE["id"], "caption": "Look"},
        {"type": "image", "media": _FILE},
    ),
    "image by link": (
        {"type": "image", "image": {"link": _LINKED, "caption": "Look"}},
        {"type": "image", "media_url": _LINKED, "caption": "Look"},
        {"type": "image", "media": {"url": _LINKED, "caption": "Look"}},
    ),
    "document": (
        {"type": "document", "document": {**_FILE, "filename": "a.pdf"}},
        {"type": "document", "media_id": _FILE["id"], "caption": "Look", "filename": "a.pdf"},
        {"type": "document", "media": {**_FILE, "filename": "a.pdf"}},
    ),
    "template": (
        {"type": "template", "template": _OFFER},
        {"template_name": "offer", "phone_number": _PHONE, "template_params": {"name": "John"}},
        {"type": "template", "template": _OFFER},
    ),
    "reply": (
        {"type": "text", "text": {"body": "Yes"}, "context": {"message_id": _ASKED}},
        {"type": "text", "text": "Yes", "reply_to_message_id": _ASKED},
        {"type": "text", "text": "Yes", "replyTo": _ASKED},
    ),
    "reaction": (
        {"type": "reaction", "reaction": {"message_id": _ASKED, "emoji": "👍"}},
        {"emoji": "👍"},
        {"emoji": "👍"},
    ),
    "reaction taken back": (
        {"type": "reaction", "reaction": {"message_id": _ASKED, "emoji": ""}},
        {"emoji": ""},
        {"emoji": None},  # a DELETE there
    ),
}


def _known(party: Party) -> Contact:
    """A customer who has asked something, and a template to answer with."""
    account = party.number.business_account
    contact: Contact = factories.ContactFactory.create(
        tenant=party.tenant, business_account=account, phone=_PHONE
    )
    factories.MessageFactory.create(
        phone_number=party.number, contact=contact, wamid=_ASKED, direction=Message.Direction.INBOUND
    )
    components = [{"type": "BODY", "text": "Hello {{name}}"}]
    factories.TemplateFactory.create(
        tenant=party.tenant, business_account=account, name="offer", components=components
    )
    return contact


def _post(party: Party, dialect: str, body: dict[str, Any]) -> None:
    number = party.number
    contact = uuids.write(uuids.CONTACT, _known(party).pk)
    path, more = {
        "native": ("/v1/messages", {"phone_number_id": number.phone_number_id, "to": _PHONE}),
        "whatomate": (f"/api/contacts/{contact}/messages", {}),
        "sessions": (f"/api/v1/sessions/{number.phone_number_id}/messages", {"to": _PHONE}),
    }[dialect]
    if "emoji" in body:
        path = f"{path}/{_ASKED}/reaction"
    elif "template_name" in body:
        path = "/api/messages/template?async=false"
    _, key = keys.mint(tenant=party.tenant, label="x", environment="test", dialect=ApiKey.Dialect(dialect))
    content = orjson.dumps(body | more)
    ask = Client().delete if body.get("emoji", "") is None else Client().post
    answer = ask(path, content, "application/json", headers={"X-API-Key": key})
    assert answer.status_code in (200, 201), answer.content


def _meta(connection: socket.socket, server: RawServer) -> None:
    """Take a file or a message."""
    address = server.read_request(connection).split(b" ", 2)[1]
    said = _UPLOADED if address.endswith(b"/media") else _SENT
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(said), said))


def _on_the_wire(settings: Settings, dialect: str, body: dict[str, Any]) -> bytes:
    # A number of its own each time: nothing waits for an earlier message to the same person.
    party = make_party(dialect)
    shop = MediaHost()
    stop = serving(shop)
    asked = orjson.dumps(body).replace(_LINKED.encode(), shop.put("/a.png").encode())
    with RawServer(_meta) as meta:
        settings.SANDBOX_URL = meta.url("")
        _post(party, dialect, orjson.loads(asked))
    stop()
    *uploads, request = meta.requests
    assert bool(uploads) is (shop.asked.total() == 1)
    line, content = request.split(b"\r\n", 1)[0], request.partition(b"\r\n\r\n")[2]
    masked, count = re.subn(rb'("biz_opaque_callback_data":")[^"]+', rb"\1id", content)
    assert count == 1
    return line.replace(party.number.phone_number_id.encode(), b"number") + masked


@pytest.mark.django_db
@pytest.mark.parametrize("name", _SAME)
def test_meta_gets_the_same_bytes_from_every_api(name: str, settings: Settings) -> None:
    native, whatomate, sessions = _SAME[name]

    wire = _on_the_wire(settings, "native", native)
    assert _on_the_wire(settings, "whatomate", whatomate) == wire
    if sessions is not None:
        assert _on_the_wire(settings, "sessions", sessions) == wire
