"""Where a message names files by link."""

import copy
from typing import Any

import pytest

from gosend.whatsapp import links
from gosend.whatsapp.links import Link

URL = "https://cdn.example.com/a"


def media(**more: Any) -> dict[str, Any]:
    return {"link": URL, **more}


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        *[
            ({"type": kind, kind: media(caption="x")}, kind)
            for kind in ("image", "video", "audio", "document")
        ],
        ({"type": "sticker", "sticker": media()}, "sticker"),
        (
            {
                "type": "template",
                "template": {
                    "name": "t",
                    "components": [
                        {"type": "header", "parameters": [{"type": "document", "document": media()}]},
                        {"type": "body", "parameters": [{"type": "text", "text": "x"}]},
                    ],
                },
            },
            "document",
        ),
        (
            {
                "type": "template",
                "template": {
                    "components": [
                        {
                            "type": "carousel",
                            "cards": [
                                {
                                    "components": [
                                        {
                                            "type": "header",
                                            "parameters": [{"type": "image", "image": media()}],
                                        }
                                    ]
                                }
                            ],
                        }
                    ]
                },
            },
            "image",
        ),
        (
            {
                "type": "interactive",
                "interactive": {"type": "button", "header": {"type": "video", "video": media()}},
            },
            "video",
        ),
        (
            {
                "type": "interactive",
                "interactive": {
                    "type": "carousel",
                    "action": {"cards": [{"header": {"type": "image", "image": media()}}]},
                },
            },
            "image",
        ),
    ],
)
def test_a_link_is_found_and_replaced_and_nothing_else_changes(body: dict[str, Any], kind: str) -> None:
    before = copy.deepcopy(body)
    assert links.find(body) == (Link(kind, URL),)

    replaced = links.replace(body, {Link(kind, URL): "42"})

    assert body == before
    assert links.find(replaced) == ()
    spelled = str(before).replace(f"'link': '{URL}'", "'id': '42'")
    assert sorted(str(replaced)) == sorted(spelled)


@pytest.mark.parametrize(
    "body",
    [
        {"type": "image", "image": {"id": "1"}},
        {"type": "image", "image": {"id": "1", "link": URL}},
        {"type": "image", "image": None},
        {"type": "image", "image": {"link": ""}},
        {"type": "image", "image": {"link": 5}},
        {"type": "text", "text": {"body": URL, "image": media()}},
        {"type": "text"},
        {"type": None},
        {"type": ["image"]},
        {},
        {"type": "template", "template": {"components": "x"}},
        {"type": "template", "template": {"components": [None, {"parameters": [None, {"image": "x"}]}]}},
        {"type": "interactive", "interactive": {"header": "x", "action": []}},
        {"type": "interactive", "interactive": {"action": {"parameters": {"image": media()}}}},
        {
            "type": "template",
            "template": {"components": [{"parameters": [{"type": "action", "action": {"image": media()}}]}]},
        },
    ],
)
def test_what_is_no_link_of_a_file_is_left_alone(body: dict[str, Any]) -> None:
    assert links.find(body) == ()
    assert links.replace(body, {Link("image", URL): "42"}) == body


def test_the_same_link_is_named_once() -> None:
    header = {"type": "image", "image": media()}
    card = {"components": [{"type": "header", "parameters": [header]}]}
    body = {"type": "template", "template": {"components": [{"type": "carousel", "cards": [card, card]}]}}

    assert links.find(body) == (Link("image", URL),)
