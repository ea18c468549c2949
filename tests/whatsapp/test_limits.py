"""Every limit that Meta documents: what is just inside passes, one step further is named."""

from typing import Any

import pytest

from gosend.whatsapp import content
from gosend.whatsapp.content import ContentInvalid, Violation

LINK = {"link": "https://example.org/a"}
URL = "https://example.org/"
ROW = {"id": "r", "title": "Row"}


def violations(type_: str, value: object) -> list[Violation]:
    with pytest.raises(ContentInvalid) as caught:
        content.parse(type=type_, value=value)
    return caught.value.violations


def interactive(kind: str, action: object = None, body: str = "b", **more: Any) -> dict[str, Any]:
    return {"type": kind, "body": {"text": body}, "action": action, **more}


def buttons(*replies: tuple[str, str], **more: Any) -> dict[str, Any]:
    made = [{"type": "reply", "reply": {"id": id_, "title": title}} for id_, title in replies]
    return interactive("button", {"buttons": made}, **more)


def reply(id_: str = "yes", title: str = "Yes", **more: Any) -> dict[str, Any]:
    return buttons((id_, title), **more)


def rows(*counts: int, title: str | None = "Title") -> dict[str, Any]:
    numbers = iter(range(1000))
    sections = [
        ({"title": title} if title else {})
        | {"rows": [ROW | {"id": str(next(numbers))} for _ in range(count)]}
        for count in counts
    ]
    return interactive("list", {"button": "Open", "sections": sections})


def row(section: str = "Title", button: str = "Open", body: str = "b", **fields: Any) -> dict[str, Any]:
    sections = [{"title": section, "rows": [ROW | fields]}]
    return interactive("list", {"button": button, "sections": sections}, body=body)


def products(*counts: int, title: str | None = "Title") -> dict[str, Any]:
    sections = [
        ({"title": title} if title else {}) | {"product_items": [{"product_retailer_id": "p"}] * count}
        for count in counts
    ]
    action = {"catalog_id": "c", "sections": sections}
    return interactive("product_list", action, header={"type": "text", "text": "h"})


def url(label: str) -> dict[str, Any]:
    return interactive("cta_url", {"name": "cta_url", "parameters": {"display_text": label, "url": URL}})


def flow(**more: Any) -> dict[str, Any]:
    known = {"flow_message_version": "3", "flow_id": "1", "flow_cta": "Go"}
    parameters = {key: value for key, value in (known | more).items() if value is not None}
    return interactive("flow", {"name": "flow", "parameters": parameters})


def cards(count: int, *, header: str = "image") -> dict[str, Any]:
    made = [
        {
            "card_index": index,
            "type": "cta_url",
            "header": {"type": header, header: LINK},
            "action": {"name": "cta_url", "parameters": {"display_text": "Go", "url": URL}},
        }
        for index in range(count)
    ]
    return interactive("carousel", {"cards": made})


def contacts(count: int = 1, **more: Any) -> list[dict[str, Any]]:
    return [{"name": {"formatted_name": "Ana"}, **more}] * count


def place(latitude: Any, longitude: Any = 0) -> dict[str, Any]:
    return {"latitude": latitude, "longitude": longitude}


_ACTION = "interactive.action"
_SECTION = f"{_ACTION}.sections[0]"
_REPLY = f"{_ACTION}.buttons[0].reply"
# Type, the last value that passes, the first that does not, and how the violation names it.
LIMITS: list[tuple[str, Any, Any, str, object]] = [
    ("text", {"body": "a" * 4096}, {"body": "a" * 4097}, "text.body", 4096),
    *(
        (kind, LINK | {"caption": "c" * 1024}, LINK | {"caption": "c" * 1025}, f"{kind}.caption", 1024)
        for kind in ("image", "video", "document")
    ),
    ("location", place(90), place(90.000001), "location.latitude", 90),
    ("location", place("-90"), place("-90.1"), "location.latitude", 90),
    ("location", place(0, 180), place(0, 181), "location.longitude", 180),
    ("location", place(0, "-180.0"), place(0, "-180.5"), "location.longitude", 180),
    ("contacts", contacts(257), contacts(258), "contacts", 257),
    ("contacts", contacts(1), [], "contacts", 1),
    ("interactive", reply(body="b" * 1024), reply(body="b" * 1025), "interactive.body.text", 1024),
    (
        "interactive",
        reply(header={"type": "text", "text": "h" * 60}),
        reply(header={"type": "text", "text": "h" * 61}),
        "interactive.header.text",
        60,
    ),
    (
        "interactive",
        reply(footer={"text": "f" * 60}),
        reply(footer={"text": "f" * 61}),
        "interactive.footer.text",
        60,
    ),
    ("interactive", reply("i" * 256), reply("i" * 257), f"{_REPLY}.id", 256),
    ("interactive", reply(title="t" * 20), reply(title="t" * 21), f"{_REPLY}.title", 20),
    (
        "interactive",
        buttons(("1", "a"), ("2", "b"), ("3", "c")),
        buttons(("1", "a"), ("2", "b"), ("3", "c"), ("4", "d")),
        f"{_ACTION}.buttons",
        3,
    ),
    ("interactive", reply(), buttons(), f"{_ACTION}.buttons", 1),
    ("interactive", row(body="b" * 4096), row(body="b" * 4097), "interactive.body.text", 4096),
    ("interactive", row(button="b" * 20), row(button="b" * 21), f"{_ACTION}.button", 20),
    ("interactive", rows(10), rows(11), f"{_ACTION}.sections", 10),
    ("interactive", rows(5, 5), rows(5, 6), f"{_ACTION}.sections", 10),
    ("interactive", rows(*[1] * 10), rows(*[1] * 11), f"{_ACTION}.sections", 10),
    ("interactive", rows(1), rows(), f"{_ACTION}.sections", 1),
    ("interactive", row(section="s" * 24), row(section="s" * 25), f"{_SECTION}.title", 24),
    ("interactive", row(id="i" * 200), row(id="i" * 201), f"{_SECTION}.rows[0].id", 200),
    ("interactive", row(title="t" * 24), row(title="t" * 25), f"{_SECTION}.rows[0].title", 24),
    (
        "interactive",
        row(description="d" * 72),
        row(description="d" * 73),
        f"{_SECTION}.rows[0].description",
        72,
    ),
    ("interactive", products(30), products(31), f"{_ACTION}.sections", 30),
    ("interactive", products(15, 15), products(15, 16), f"{_ACTION}.sections", 30),
    ("interactive", products(*[3] * 10), products(*[1] * 11), f"{_ACTION}.sections", 10),
    ("interactive", url("u" * 20), url("u" * 21), f"{_ACTION}.parameters.display_text", 20),
    (
        "interactive",
        flow(flow_cta="f" * 30),
        flow(flow_cta="f" * 31),
        f"{_ACTION}.parameters.flow_cta",
        30,
    ),
    ("interactive", cards(10), cards(11), f"{_ACTION}.cards", 10),
    ("interactive", cards(2), cards(1), f"{_ACTION}.cards", 2),
]


@pytest.mark.parametrize(("type_", "inside", "beyond", "path", "limit"), LIMITS)
def test_a_limit_is_taken_and_not_one_more(
    type_: str, inside: Any, beyond: Any, path: str, limit: object
) -> None:
    assert content.parse(type=type_, value=inside).to_graph() == inside

    (violation,) = violations(type_, beyond)
    assert (violation.path, violation.limit) == (path, limit)
    assert violation.value is not None


BROKEN: list[tuple[str, Any, str, bool]] = [
    ("video", {}, "video.id", True),
    ("document", {"id": "1", **LINK}, "document.link", False),
    ("document", LINK | {"filename": ""}, "document.filename", False),
    ("audio", LINK | {"caption": "words"}, "audio.caption", False),
    ("audio", LINK | {"voice": "loud"}, "audio.voice", False),
    ("sticker", LINK | {"caption": "words"}, "sticker.caption", False),
    ("sticker", {"id": 7}, "sticker.id", False),
    ("location", {"latitude": 1}, "location.longitude", True),
    ("location", place(None), "location.latitude", False),
    ("location", place(True), "location.latitude", False),
    ("location", place("north"), "location.latitude", False),
    ("location", place("٤"), "location.latitude", False),
    ("location", place(10**300), "location.latitude", False),
    ("location", place(10**400), "location.latitude", False),
    ("contacts", {}, "contacts", False),
    ("contacts", [{}], "contacts[0].name", True),
    ("contacts", [*contacts(), {"name": {"first_name": "Bea"}}], "contacts[1].name.formatted_name", True),
    ("contacts", contacts(phones="1"), "contacts[0].phones", False),
    ("contacts", contacts(phones=[{"phone": 1}]), "contacts[0].phones[0].phone", False),
    ("contacts", contacts(birthday="1990-02-30"), "contacts[0].birthday", False),
    ("contacts", contacts(birthday="19900228"), "contacts[0].birthday", False),
    ("reaction", {"emoji": "👍"}, "reaction.message_id", True),
    ("reaction", {"message_id": "", "emoji": "👍"}, "reaction.message_id", False),
    ("reaction", {"message_id": "wamid.1"}, "reaction.emoji", True),
    ("reaction", {"message_id": "wamid.1", "emoji": "yes"}, "reaction.emoji", False),
    ("reaction", {"message_id": "wamid.1", "emoji": "👍" * 21}, "reaction.emoji", False),
    ("interactive", [], "interactive", False),
    ("interactive", {}, "interactive.type", True),
    ("interactive", {"type": 7}, "interactive.type", False),
    ("interactive", {"type": ["button"]}, "interactive.type", False),
    ("interactive", {"type": "of_2027", "action": "x"}, "interactive.action", False),
    ("interactive", {"type": "button", "action": reply()["action"]}, "interactive.body", True),
    ("interactive", interactive("button"), "interactive.action", False),
    ("interactive", interactive("button", {}), f"{_ACTION}.buttons", True),
    (
        "interactive",
        interactive("button", {"buttons": [{"type": "url", "reply": {"id": "1", "title": "a"}}]}),
        f"{_ACTION}.buttons[0].type",
        False,
    ),
    ("interactive", buttons(("1", "a"), ("2", "a")), f"{_ACTION}.buttons[1].reply.title", False),
    ("interactive", buttons(("1", "a"), ("1", "b")), f"{_ACTION}.buttons[1].reply.id", False),
    ("interactive", reply(header={"type": "text"}), "interactive.header.text", True),
    ("interactive", reply(header={"type": "image"}), "interactive.header.image", True),
    ("interactive", reply(header={"type": "video", "video": {}}), "interactive.header.video.id", True),
    ("interactive", rows(1) | {"header": {"type": "image", "image": LINK}}, "interactive.header", False),
    ("interactive", rows(1, 1, title=None), f"{_SECTION}.title", True),
    (
        "interactive",
        interactive("list", {"button": "b", "sections": [{"rows": [ROW, ROW]}]}),
        f"{_SECTION}.rows[1].id",
        False,
    ),
    ("interactive", rows(0), f"{_SECTION}.rows", False),
    ("interactive", products(1, 1, title=None), f"{_SECTION}.title", True),
    ("interactive", {**products(1), "header": None}, "interactive.header", False),
    (
        "interactive",
        interactive("product", {"catalog_id": "c", "product_retailer_id": "p"}, header={"type": "text"}),
        "interactive.header",
        False,
    ),
    ("interactive", interactive("product", {"catalog_id": "c"}), f"{_ACTION}.product_retailer_id", True),
    ("interactive", flow(flow_id=None), f"{_ACTION}.parameters.flow_id", True),
    ("interactive", flow(flow_name="n"), f"{_ACTION}.parameters.flow_name", False),
    ("interactive", flow(mode="live"), f"{_ACTION}.parameters.mode", False),
    ("interactive", interactive("cta_url", {"name": "url"}), f"{_ACTION}.name", False),
    ("interactive", interactive("catalog_message", {}), f"{_ACTION}.name", True),
    ("interactive", interactive("location_request_message", {"name": "x"}), f"{_ACTION}.name", False),
    ("interactive", cards(2) | {"footer": {"text": "f"}}, "interactive.footer", False),
]


@pytest.mark.parametrize(("type_", "value", "path", "missing"), BROKEN)
def test_what_cannot_be_sent_says_where(type_: str, value: Any, path: str, missing: bool) -> None:
    assert (path, missing) in [(one.path, one.missing) for one in violations(type_, value)]


def test_the_cards_of_a_carousel_look_alike() -> None:
    mixed = cards(2)
    mixed["action"]["cards"][1]["header"] = {"type": "video", "video": LINK}

    (violation,) = violations("interactive", mixed)

    assert (violation.path, violation.value) == (f"{_ACTION}.cards[1].header", "video")


@pytest.mark.parametrize(
    ("type_", "value"),
    [
        ("audio", {"id": "1", "voice": True}),
        ("sticker", LINK),
        ("document", LINK | {"filename": "bill.pdf", "new": 1}),
        ("location", place("-34.6", -58.4) | {"name": "Office", "address": "Here 1"}),
        ("reaction", {"message_id": "wamid.1", "emoji": ""}),
        ("reaction", {"message_id": "wamid.1", "emoji": "1️⃣"}),
        ("reaction", {"message_id": "wamid.1", "emoji": "👩🏽\u200d❤️\u200d💋\u200d👨🏿"}),
        ("contacts", contacts(phones=[{"phone": "+1 555", "wa_id": "1555"}], birthday="1992-02-29", x=[1])),
        ("interactive", reply(header={"type": "text", "text": "h", "sub_text": "s"})),
        ("interactive", rows(3, title=None)),
        ("interactive", interactive("location_request_message", {"name": "send_location"})),
        (
            "interactive",
            interactive(
                "catalog_message",
                {"name": "catalog_message", "parameters": {"thumbnail_product_retailer_id": "p"}},
            ),
        ),
        (
            "interactive",
            {"type": "product", "action": {"catalog_id": "c", "product_retailer_id": "p"}},
        ),
        ("interactive", flow(flow_action="navigate", flow_action_payload={"screen": "A", "data": {"a": 1}})),
        ("interactive", {"type": "voice_call", "action": {"name": "voice_call"}, "of_2027": [{}]}),
        ("interactive", {"type": "of_2027"}),
    ],
)
def test_what_meta_takes_reaches_it_as_it_came(type_: str, value: Any) -> None:
    assert content.parse(type=type_, value=value).to_graph() == value


def test_a_reaction_carries_no_context() -> None:
    reaction = content.parse(type="reaction", value={"message_id": "wamid.1", "emoji": "👍"})

    body = content.graph_body(content=reaction, to="34600111222", context_wamid="wamid.2")

    assert "context" not in body
    assert body["reaction"] == {"message_id": "wamid.1", "emoji": "👍"}
