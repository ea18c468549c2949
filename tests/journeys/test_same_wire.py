"""One message through each of the three APIs: Meta gets the same bytes, ids apart."""

import re
import socket
from collections.abc import Callable
from typing import Any

import orjson
import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from pytest_django import Settings

from accounts import keys
from accounts.models import ApiKey
from gosend.api.whatomate import uuids
from messaging.models import Contact, Message
from tests import factories
from tests.conftest import Party, make_party
from tests.journeys.same_messages import ASKED, LINKED, PHONE, SAME, TEMPLATES
from tests.lib.raw_server import RawServer
from tests.messaging.media_host import MediaHost, serving

_SENT = b'{"messaging_product":"whatsapp","messages":[{"id":"wamid.same"}]}'
_UPLOADED = b'{"id":"934567890123456"}'


def _known(party: Party) -> Contact:
    """A customer who has asked something, and a template to answer with."""
    account = party.number.business_account
    contact: Contact = factories.ContactFactory.create(
        tenant=party.tenant, business_account=account, phone=PHONE
    )
    factories.MessageFactory.create(
        phone_number=party.number, contact=contact, wamid=ASKED, direction=Message.Direction.INBOUND
    )
    for name, components in TEMPLATES.items():
        factories.TemplateFactory.create(
            tenant=party.tenant, business_account=account, name=name, components=components
        )
    return contact


def _post(party: Party, dialect: str, body: dict[str, Any]) -> None:
    number = party.number
    contact = uuids.write(uuids.CONTACT, _known(party).pk)
    path, more = {
        "native": ("/v1/messages", {"phone_number_id": number.phone_number_id, "to": PHONE}),
        "whatomate": (f"/api/contacts/{contact}/messages", {}),
        "sessions": (f"/api/v1/sessions/{number.phone_number_id}/messages", {"to": PHONE}),
    }[dialect]
    send: Callable[..., Any] = Client().post
    if "emoji" in body:
        path = f"{path}/{ASKED}/reaction"
        send = Client().delete if dialect == "sessions" and not body["emoji"] else send
    elif "template_name" in body:
        path = "/api/messages/template?async=false"
    _, key = keys.mint(tenant=party.tenant, label="x", environment="test", dialect=ApiKey.Dialect(dialect))
    headers = {"X-API-Key": key}
    if "file" in body:
        form = body | {"contact_id": contact, "file": SimpleUploadedFile("a.png", body["file"])}
        answer = send("/api/messages/media", form, headers=headers)
    else:
        answer = send(path, orjson.dumps(body | more), "application/json", headers=headers)
    assert answer.status_code in (200, 201), answer.content


def _meta(connection: socket.socket, server: RawServer) -> None:
    """Take a file or a message."""
    address = server.read_request(connection).split(b" ", 2)[1]
    said = _UPLOADED if address.endswith(b"/media") else _SENT
    # Said, because it is done: else the next request might go out on this connection just before it closes.
    head = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n"
    connection.sendall(head % len(said) + said)


def _on_the_wire(settings: Settings, dialect: str, body: dict[str, Any]) -> bytes:
    # A number of its own each time: nothing waits for an earlier message to the same person.
    party = make_party(dialect)
    shop = MediaHost()
    stop = serving(shop)
    address = shop.put("/a.png")
    with RawServer(_meta) as meta:
        settings.SANDBOX_URL = meta.url("")
        _post(party, dialect, _linking(body, address))
    stop()
    *uploads, request = meta.requests
    assert bool(uploads) is (shop.asked.total() == 1 or "iVBO" in str(body) or "file" in body)
    line, content = request.split(b"\r\n", 1)[0], request.partition(b"\r\n\r\n")[2]
    masked, count = re.subn(rb'("biz_opaque_callback_data":")[^"]+', rb"\1id", content)
    assert count == 1
    return line.replace(party.number.phone_number_id.encode(), b"number") + masked


def _linking(body: Any, address: str) -> Any:
    """The body with the shop's address where a link stands."""
    if isinstance(body, dict):
        return {name: _linking(value, address) for name, value in body.items()}
    return address if body == LINKED else body


@pytest.mark.django_db
@pytest.mark.parametrize("name", SAME)
def test_meta_gets_the_same_bytes_from_every_api(name: str, settings: Settings) -> None:
    native, whatomate, sessions = SAME[name]

    wire = _on_the_wire(settings, "native", native)
    assert _on_the_wire(settings, "whatomate", whatomate) == wire
    if sessions is not None:
        assert _on_the_wire(settings, "sessions", sessions) == wire
