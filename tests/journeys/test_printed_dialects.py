"""What the pages of the other two APIs print works as printed: host, key and ids apart.

Every code block is cut out and executed against a running server. An answer is that of the body
before it, and an endpoint is asked with the body after it.
"""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests

from accounts import keys
from accounts.models import ApiKey
from gosend.api.whatomate import uuids
from gosend.sandbox import callbacks
from messaging import deliver, ingest
from messaging.models import Message
from templates_app.models import Template
from tests.journeys import code_blocks, printed
from tests.journeys.code_blocks import Block
from tests.journeys.conftest import Client
from tests.material import needs_material

pytestmark = [needs_material, pytest.mark.journey, pytest.mark.django_db(transaction=True)]

WHATOMATE, SESSIONS = code_blocks.DIALECT_PAGES
PERSON = "919876543210"
BODIES = ("body", "shell")
# The smallest PNG, in the place of the one that is printed cut short.
PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
# The templates that the page sends, as its prose says that they are.
TEMPLATES = {
    "hello_world": ("Hello", ""),
    "order_confirmation": ("Hello {{name}}, your order {{order_id}} is ready.", ""),
    "order_shipped": (
        "Hello {{name}}, your order {{order_id}} is on its way.",
        "https://example.com/track/{{1}}",
    ),
}


def _params(name: str) -> list[Any]:
    return [pytest.param(block, id=block.label) for block in code_blocks.all_blocks((name,))]


@pytest.fixture
def key(client_of: Client) -> Callable[[str], str]:
    tenant = client_of.number.tenant
    return lambda dialect: keys.mint(
        tenant=tenant, label="printed", environment="test", dialect=ApiKey.Dialect(dialect)
    )[1]


@pytest.mark.parametrize("name", code_blocks.DIALECT_PAGES)
def test_no_printed_code_is_left_out(name: str) -> None:
    assert code_blocks.stray_code(name) == []
    assert list(code_blocks.blocks(name))


@pytest.mark.parametrize("block", _params(WHATOMATE))
def test_a_block_of_whatomates_page_works(
    block: Block, client_of: Client, key: Callable[[str], str], shop: str, tmp_path: Path
) -> None:
    _approve_templates(client_of)
    received = _hear_from(PERSON, client_of)
    door, body, answer = _around(block)
    assert received.contact_id

    def own(text: str) -> str:
        contact = uuids.write(uuids.CONTACT, received.contact_id or 0)
        message = uuids.write(uuids.MESSAGE, received.pk)
        for theirs, ours in (
            ("http://your-server:8080", client_of.base_url),
            ("whm_your_api_key", secret),
            ("https://example.com/image.jpg", f"{shop}/image.jpg"),
            ('"contact_id": "uuid"', f'"contact_id": "{contact}"'),
            ("contacts/{id}", f"contacts/{contact}"),
            ("{contact_id}", contact),
            ("messages/{id}", f"messages/{message}"),
        ):
            text = text.replace(theirs, ours)
        return text

    secret = key("whatomate")
    expected = dict(answer.data)
    if block.kind == "shell":
        said, status = _curl(own(block.text), client_of, tmp_path)
    else:
        method, path = own(door.text).split(" ")
        sent = requests.request(
            method,
            f"{client_of.base_url}{path}",
            headers={"X-API-Key": secret, "Content-Type": "application/json"},
            data=own(body.text).encode() if body else None,
            timeout=10,
        )
        said, status = sent.json(), str(sent.status_code)
    if body and "template_name" in body.text:
        asked = re.search(r'"template_name": "(\w+)"', body.text)
        assert asked
        expected["data"] = {**expected["data"], "template_name": asked[1]}

    assert status == "200", said
    assert _differences(said, expected) == []
    _everything_reaches_meta(client_of)


@pytest.mark.parametrize("block", _params(SESSIONS))
def test_a_block_of_the_session_gateways_page_works(
    block: Block, client_of: Client, key: Callable[[str], str], tmp_path: Path
) -> None:
    session, secret = client_of.number.phone_number_id, key("sessions")
    path = f"/api/v1/sessions/{session}/messages"
    if block.kind == "shell":
        text = block.text.replace("https://your-gateway", client_of.base_url).replace("{id}", session)
        said, status = _curl(text, client_of, tmp_path, TOKEN=secret)
    else:
        sent = requests.post(
            f"{client_of.base_url}{path}",
            headers={"Authorization": f"Bearer {secret}", "Content-Type": "application/json"},
            data=block.text.replace("iVBORw0KGgoAAAANSUhEUgAA...", PNG).encode(),
            timeout=10,
        )
        said, status = sent.json(), str(sent.status_code)

    # The reply is a SendResult: the WhatsApp message id (messageId), the delivery status, and a timestamp.
    assert status == "200", said
    assert said["messageId"].startswith("wamid.")
    assert (said["status"], type(said["timestamp"])) == ("sent", int)
    assert said["warnings"] == []
    kept = Message.objects.get(wamid=said["messageId"])
    assert kept.peer == "628123456789"


def _around(block: Block) -> tuple[Block, Block | None, Block]:
    """The endpoint, the body and the answer that a block belongs to."""
    page = code_blocks.all_blocks((block.page,))
    at = page.index(block)
    door_at = max(i for i, one in enumerate(page[: at + 1]) if one.kind == "door")
    end = next((i for i, one in enumerate(page[door_at + 1 :], door_at + 1) if one.kind == "door"), len(page))
    group = page[door_at:end]
    bodies = [one for one in group if one.kind in BODIES]
    answers = [one for one in group if one.kind == "envelope"]
    assert len(answers) == 1
    if block.kind in BODIES:
        return page[door_at], block, answers[0]
    bodies = [one for one in bodies if one.kind == "body"]
    return page[door_at], bodies[-1 if block.kind == "envelope" else 0] if bodies else None, answers[0]


def _curl(text: str, client: Client, folder: Path, **environment: str) -> tuple[Any, str]:
    if printed.has_curl():
        answers, statuses = printed.bash(text, folder, **environment)
        return answers[0], statuses[0]
    for name, value in environment.items():
        text = text.replace(f"${name}", value)
    answer = printed.curl(text, client)
    return answer.json(), str(answer.status_code)


def _differences(said: Any, shown: Any, path: str = "") -> list[str]:
    """Where an answer is not what is printed; ids, moments and counts are compared by their form."""
    if isinstance(shown, dict):
        missing = [f"{path}.{name} is missing" for name in shown if name not in said]
        known = [name for name in shown if name in said]
        return missing + [
            d for name in known for d in _differences(said[name], shown[name], f"{path}.{name}")
        ]
    if isinstance(shown, list):
        if len(said) < len(shown):
            return [f"{path} is too short"]
        pairs = zip(said, shown, strict=False)
        return [d for i, (one, other) in enumerate(pairs) for d in _differences(one, other, f"{path}[{i}]")]
    forms = {
        "uuid": r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}",
        "wamid.xxx": r"wamid\.\S+",
        "2024-01-01T12:00:00Z": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ",
    }
    if isinstance(shown, str) and shown in forms:
        fits = isinstance(said, str) and bool(re.fullmatch(forms[shown], said))
    elif path.endswith(".total"):
        fits = type(said) is int
    else:
        fits = said == shown
    return [] if fits else [f"{path} is {said!r}, printed is {shown!r}"]


def _approve_templates(client: Client) -> None:
    number = client.number
    for name, (text, url) in TEMPLATES.items():
        components: list[dict[str, Any]] = [{"type": "BODY", "text": text}]
        if url:
            buttons = [{"type": "URL", "text": "Track", "url": url}]
            components.append({"type": "BUTTONS", "buttons": buttons})
        Template.objects.create(
            tenant=number.tenant,
            business_account=number.business_account,
            name=name,
            language="en_US",
            category="UTILITY",
            status="APPROVED",
            components=components,
        )


def _hear_from(phone: str, client: Client) -> Message:
    """A customer's message, as Meta's callback brings it."""
    number = client.number
    payload = callbacks.inbound_text(
        waba_id=number.business_account.waba_id,
        phone_number_id=number.phone_number_id,
        display_phone_number=number.display_phone_number_normalized,
        from_phone=phone,
        body="Hello!",
        name="John",
    )
    ingest.store(body=callbacks.to_bytes(payload), app=None, is_sandbox=True)
    ingest.handle_due()
    message: Message = Message.objects.get(direction=Message.Direction.INBOUND)
    assert message.contact is not None
    assert message.contact.phone == phone
    return message


def _everything_reaches_meta(client: Client) -> None:
    """What was answered `pending` goes out, and is taken."""
    deliver.drain(number_id=client.number.pk)
    outgoing = Message.objects.filter(direction=Message.Direction.OUTBOUND)
    assert [one.status for one in outgoing] == ["sent"] * len(outgoing)


def test_differences_are_told() -> None:
    shown = {"data": {"id": "uuid", "status": "sent", "items": [{"a": "x"}], "total": 100}}

    assert _differences(json.loads('{"data": {"id": "1", "items": [], "total": 3}}'), shown) == [
        ".data.status is missing",
        ".data.id is '1', printed is 'uuid'",
        ".data.items is too short",
    ]
