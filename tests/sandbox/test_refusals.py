"""What Graph refuses in a message, and with which code."""

from typing import Any

import pytest

from gosend.sandbox import refusals
from gosend.sandbox.refusals import Refusal

TO = {"messaging_product": "whatsapp", "to": "+5491123456789"}
BUTTON = {"type": "reply", "reply": {"id": "yes", "title": "Yes"}}
ROW = {"id": "1", "title": "One"}


def code_of(body: dict[str, Any]) -> int | None:
    try:
        refusals.check_product(body)
        refusals.recipient_of(body)
        refusals.check_message(body)
        refusals.opaque_of(body)
    except Refusal as refusal:
        return refusal.code
    return None


GOOD: list[dict[str, Any]] = [
    {"text": {"body": "Hi"}},
    {"type": "text", "text": {"body": "x" * 4096, "preview_url": True}},
    {"type": "image", "image": {"id": "123", "caption": "c" * 1024}},
    {"type": "document", "document": {"link": "https://example.com/a.pdf", "filename": "a.pdf"}},
    {"type": "template", "template": {"name": "hi", "language": {"code": "es"}, "components": []}},
    {"type": "location", "location": {"latitude": "-34.6", "longitude": -58.4}},
    {"type": "contacts", "contacts": [{"name": {"formatted_name": "Ana"}}]},
    {"type": "reaction", "reaction": {"message_id": "wamid.x", "emoji": ""}},
    {"type": "interactive", "interactive": {"type": "button", "action": {"buttons": [BUTTON]}}},
    {"type": "interactive", "interactive": {"type": "list", "action": {"sections": [{"rows": [ROW] * 10}]}}},
    {"type": "text", "text": {"body": "Hi"}, "context": {"message_id": "wamid.x"}},
    {"type": "text", "text": {"body": "Hi"}, "biz_opaque_callback_data": "o" * 512},
]


@pytest.mark.parametrize("body", GOOD, ids=lambda body: str(body.get("type", "no type")))
def test_good_message_passes(body: dict[str, Any]) -> None:
    assert code_of(TO | body) is None


BAD: list[tuple[dict[str, Any], int]] = [
    ({"messaging_product": None}, 100),
    ({"messaging_product": "telegram"}, 100),
    ({"to": None}, 100),
    ({"to": ""}, 131009),
    ({"to": "12"}, 131009),
    ({"to": "+1234567890123456"}, 131009),
    ({"to": "ana@example.com"}, 131009),
    ({"to": 5491123456789}, 131009),
    ({"to": None, "recipient": "not a user id"}, 131009),
    ({"recipient_type": "group"}, 131041),
    ({"recipient_type": "flock"}, 100),
    ({"recipient_type": []}, 100),
    ({"type": "poll"}, 100),
    ({"type": ["text"]}, 100),
    ({"type": "image"}, 131008),
    ({"text": "Hi"}, 131009),
    ({"text": {}}, 131008),
    ({"text": {"body": ""}}, 131009),
    ({"text": {"body": 7}}, 131009),
    ({"text": {"body": "x" * 4097}}, 100),
    ({"text": {"body": "x", "preview_url": "yes"}}, 131009),
    ({"type": "image", "image": {}}, 131008),
    ({"type": "image", "image": {"id": "1", "link": "https://example.com"}}, 131009),
    ({"type": "image", "image": {"link": "ftp://example.com"}}, 131009),
    ({"type": "image", "image": {"id": "1", "caption": "c" * 1025}}, 100),
    ({"type": "audio", "audio": {"id": "1", "caption": "no"}}, 131009),
    ({"type": "template", "template": {"language": {"code": "en"}}}, 131008),
    ({"type": "template", "template": {"name": "hi"}}, 131008),
    ({"type": "template", "template": {"name": "hi", "language": {}}}, 131008),
    ({"type": "template", "template": {"name": "Not A Name", "language": {"code": "en"}}}, 132001),
    ({"type": "template", "template": {"name": "hi", "language": {"code": "en"}, "components": {}}}, 131009),
    (
        {"type": "template", "template": {"name": "hi", "language": {"code": "en"}, "components": [{}]}},
        131009,
    ),
    ({"type": "interactive", "interactive": {"type": "poll", "action": {}}}, 131009),
    ({"type": "interactive", "interactive": {"type": "button"}}, 131008),
    ({"type": "interactive", "interactive": {"type": "button", "action": {"buttons": [BUTTON] * 4}}}, 131009),
    ({"type": "interactive", "interactive": {"type": "list", "action": {"sections": [{"rows": 5}]}}}, 131009),
    (
        {
            "type": "interactive",
            "interactive": {"type": "list", "action": {"sections": [{"rows": [ROW] * 6}] * 2}},
        },
        131009,
    ),
    ({"type": "location", "location": {"latitude": 1}}, 131008),
    ({"type": "location", "location": {"latitude": 91, "longitude": 0}}, 131009),
    ({"type": "contacts", "contacts": []}, 131009),
    ({"type": "contacts", "contacts": {}}, 131009),
    ({"type": "contacts", "contacts": [{"name": {}}]}, 131008),
    ({"type": "reaction", "reaction": {"message_id": "wamid.x"}}, 131008),
    ({"type": "reaction", "reaction": {"message_id": "7", "emoji": "👍"}}, 131009),
    ({"context": {}}, 131009),
    ({"context": "wamid.x"}, 131009),
    ({"biz_opaque_callback_data": "o" * 513}, 100),
    ({"biz_opaque_callback_data": 7}, 100),
]


@pytest.mark.parametrize(("change", "code"), BAD, ids=lambda part: str(part)[:60])
def test_bad_message_is_refused_with_metas_code(change: dict[str, Any], code: int) -> None:
    assert code_of(TO | {"type": "text", "text": {"body": "Hi"}} | change) == code


def test_template_that_does_not_exist_is_404() -> None:
    with pytest.raises(Refusal) as caught:
        refusals.check_message({"type": "template", "template": {"name": "A B", "language": {"code": "en"}}})

    assert caught.value.http_status == 404
