"""The words of a message."""

from typing import Any

import pytest

from gosend.whatsapp import content


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"type": "text", "text": {"body": "Hola"}}, "Hola"),
        ({"type": "image", "image": {"id": "1", "caption": "The part"}}, "The part"),
        ({"type": "image", "image": {"id": "1"}}, ""),
        ({"type": "document", "document": {"filename": "bill.pdf"}}, "bill.pdf"),
        ({"type": "template", "template": {"name": "visit_reminder"}}, "visit_reminder"),
        ({"type": "button", "button": {"text": "Confirm", "payload": "c-1"}}, "Confirm"),
        ({"type": "interactive", "interactive": {"button_reply": {"id": "1", "title": "Yes"}}}, "Yes"),
        ({"type": "interactive", "interactive": {"list_reply": {"title": "10:00"}}}, "10:00"),
        ({"type": "interactive", "interactive": {"nfm_reply": {"body": "Sent"}}}, "Sent"),
        ({"type": "interactive", "interactive": {"type": "button", "body": {"text": "Agreed?"}}}, "Agreed?"),
        ({"type": "reaction", "reaction": {"message_id": "wamid.1", "emoji": "👍"}}, "👍"),
        ({"type": "location", "location": {"latitude": 1, "name": "Office"}}, "Office"),
        (
            {
                "type": "contacts",
                "contacts": [{"name": {"formatted_name": "Ana"}}, {}, {"name": {"formatted_name": "Bea"}}],
            },
            "Ana, Bea",
        ),
    ],
)
def test_every_type_has_its_words(body: dict[str, Any], words: str) -> None:
    assert content.text_of(body) == words


@pytest.mark.parametrize(
    "odd",
    [
        None,
        [],
        {},
        {"type": "text"},
        {"type": "text", "text": "bare"},
        {"type": "text", "text": {"body": 7}},
        {"type": ["text"], "text": {"body": "a"}},
        {"type": "contacts", "contacts": [None, 7, {"name": "Ana"}]},
        {"type": "interactive", "interactive": {"button_reply": "x", "body": []}},
        {"type": "hologram", "hologram": {"body": "a"}},
    ],
)
def test_what_has_no_words_is_empty(odd: Any) -> None:
    assert content.text_of(odd) == ""
