"""One message through each of the three APIs: Meta gets the same bytes, ids apart."""

import re
from typing import Any

import orjson
import pytest
from django.test import Client
from pytest_django import Settings

from accounts import keys
from accounts.models import ApiKey
from gosend.api.whatomate import uuids
from tests import factories
from tests.conftest import Party, make_party
from tests.lib.raw_server import RawServer, answers

_PHONE = "919876543210"
_SENT = b'{"messaging_product":"whatsapp","messages":[{"id":"wamid.same"}]}'
_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(_SENT), _SENT)
_PLACE = {"latitude": -34.6, "longitude": -58.4, "name": "Obelisco", "address": "Corrientes"}
_BUTTONS = [{"id": "yes", "title": "Yes"}, {"id": "no", "title": "No"}]
_LINK = {"display_text": "View", "url": "https://example.com/1"}

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
}


def _post(party: Party, dialect: str, body: dict[str, Any]) -> None:
    number = party.number
    contact = number.business_account.contacts.filter(phone=_PHONE).first() or (
        factories.ContactFactory.create(
            tenant=party.tenant, business_account=number.business_account, phone=_PHONE
        )
    )
    path, more = {
        "native": ("/v1/messages", {"phone_number_id": number.phone_number_id, "to": _PHONE}),
        "whatomate": (f"/api/contacts/{uuids.write(uuids.CONTACT, contact.pk)}/messages", {}),
        "sessions": (f"/api/v1/sessions/{number.phone_number_id}/messages", {"to": _PHONE}),
    }[dialect]
    _, key = keys.mint(tenant=party.tenant, label="x", environment="test", dialect=ApiKey.Dialect(dialect))
    answer = Client().post(path, orjson.dumps(body | more), "application/json", headers={"X-API-Key": key})
    assert answer.status_code in (200, 201), answer.content


def _on_the_wire(settings: Settings, dialect: str, body: dict[str, Any]) -> bytes:
    # A number of its own each time: nothing waits for an earlier message to the same person.
    party = make_party(dialect)
    with RawServer(answers(_ANSWER)) as meta:
        settings.SANDBOX_URL = meta.url("")
        _post(party, dialect, body)
    (request,) = meta.requests
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
