"""Something to tap on, in this dialect's flat words and in Meta's."""

from typing import Any

import pytest

from messaging.models import MessageContent
from tests.api.whatomate.conftest import Ask

BUTTONS = [{"id": "yes", "title": "Yes"}, {"id": "no", "title": "No"}]


def _kept() -> dict[str, Any]:
    body: dict[str, Any] = MessageContent.objects.get().body
    return body


INTERACTIVE: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "button": (
        {"type": "button", "body": "Proceed?", "header": "Order", "footer": "Bye", "buttons": BUTTONS},
        {
            "type": "button",
            "header": {"type": "text", "text": "Order"},
            "body": {"text": "Proceed?"},
            "footer": {"text": "Bye"},
            "action": {"buttons": [{"type": "reply", "reply": one} for one in BUTTONS]},
        },
    ),
    "many buttons": (
        {
            "type": "button",
            "body": "Which?",
            "buttons": [{"id": str(n), "title": f"No {n}"} for n in range(4)],
        },
        {
            "type": "list",
            "body": {"text": "Which?"},
            "action": {
                "button": "Select an option",
                "sections": [
                    {"title": "Options", "rows": [{"id": str(n), "title": f"No {n}"} for n in range(4)]}
                ],
            },
        },
    ),
    "list": (
        {
            "type": "list",
            "body": "Which?",
            "button_text": "Look",
            "sections": [{"rows": [{"id": "a", "title": "A", "description": "First"}]}],
        },
        {
            "type": "list",
            "body": {"text": "Which?"},
            "action": {
                "button": "Look",
                "sections": [{"rows": [{"id": "a", "title": "A", "description": "First"}]}],
            },
        },
    ),
    "cta_url": (
        {"type": "cta_url", "body": "See", "button_text": "View", "url": "https://example.com/1"},
        {
            "type": "cta_url",
            "body": {"text": "See"},
            "action": {
                "name": "cta_url",
                "parameters": {"display_text": "View", "url": "https://example.com/1"},
            },
        },
    ),
    "flow": (
        {"type": "flow", "body": "Fill in", "flow_id": "4711", "first_screen": "START"},
        {
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
    ),
}


@pytest.mark.parametrize("name", INTERACTIVE)
def test_something_to_tap_on_is_sent_as_meta_has_it(name: str, ask: Ask, contact_id: str) -> None:
    asked, expected = INTERACTIVE[name]

    sent = ask("POST", f"contacts/{contact_id}/messages", {"type": "interactive", "interactive": asked})

    assert _kept()["interactive"] == expected
    assert sent["status"] == "sent"
    assert sent["interactive_data"]["type"] == expected["type"]
    assert sent["interactive_data"]["body"] == sent["content"]["body"] == asked["body"]


def test_a_flow_may_be_a_type_of_its_own(ask: Ask, contact_id: str) -> None:
    asked, expected = INTERACTIVE["flow"]

    ask("POST", f"contacts/{contact_id}/messages", {"type": "flow", "interactive": asked})

    assert _kept()["interactive"] == expected


def test_metas_own_shape_passes(ask: Ask, contact_id: str) -> None:
    _, shape = INTERACTIVE["list"]
    place = {"latitude": 1.5, "longitude": 2.5, "name": "Here"}

    ask("POST", f"contacts/{contact_id}/messages", {"type": "interactive", "interactive": shape})
    sent = ask("POST", f"contacts/{contact_id}/messages", {"type": "location", "location": place})

    kept = [held.body for held in MessageContent.objects.order_by("pk")]
    assert kept == [{"type": "interactive", "interactive": shape}, {"type": "location", "location": place}]
    assert sent["content"]["location"] == place
