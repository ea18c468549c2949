"""A template that Meta would refuse is refused before Meta is asked, and told where and why."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gosend.whatsapp import template_rules
from tests import material

SAMPLES = sorted(
    p for p in (material.SHARED / "data/meta/templates").glob("*.json") if p.name != "index.json"
)

BODY = {
    "type": "BODY",
    "text": "Hello {{1}}, your order {{2}} is here.",
    "example": {"body_text": [["Ana", "860198"]]},
}
HEADER = {"type": "HEADER", "format": "TEXT", "text": "Order {{1}}", "example": {"header_text": ["12"]}}
REPLY = {"type": "QUICK_REPLY", "text": "Stop"}
LINK = {
    "type": "URL",
    "text": "Track",
    "url": "https://shop.example/{{1}}",
    "example": ["https://shop.example/1"],
}
CALL = {"type": "PHONE_NUMBER", "text": "Call", "phone_number": "+15550051310"}
OTP = {"type": "OTP", "otp_type": "COPY_CODE"}
IMAGE = {"type": "HEADER", "format": "IMAGE", "example": {"header_handle": ["4::aW"]}}
OFFER = {"type": "limited_time_offer", "limited_time_offer": {"text": "Ends soon!", "has_expiration": True}}
COUPON = {"type": "COPY_CODE", "example": "CARIBE25"}
PRODUCT = {
    "components": [{"type": "HEADER", "format": "PRODUCT"}, {"type": "BUTTONS", "buttons": [{"type": "SPM"}]}]
}


def template(*components: Any, **fields: Any) -> dict[str, Any]:
    made = {
        "name": "order_update",
        "language": "en_US",
        "category": "UTILITY",
        "components": list(components),
    }
    return copy.deepcopy(made | fields)


def buttons(*of: Any) -> dict[str, Any]:
    return {"type": "BUTTONS", "buttons": list(of)}


def body(text: str, *examples: str) -> dict[str, Any]:
    return {"type": "BODY", "text": text} | ({"example": {"body_text": [list(examples)]}} if examples else {})


def card(text: str = "Fresh lemons for {{1}} only.", *, reply: Any = REPLY) -> dict[str, Any]:
    return {"components": [IMAGE, body(text, "15%"), buttons(reply, LINK)]}


def carousel(*cards: Any) -> dict[str, Any]:
    return {"type": "CAROUSEL", "cards": list(cards)}


@material.needs_material
@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.stem)
def test_a_template_that_meta_takes_is_taken(path: Path) -> None:
    assert template_rules.check(json.loads(path.read_text())) == []


@pytest.mark.parametrize(
    "definition",
    [
        template(BODY),
        template(HEADER, BODY, {"type": "FOOTER", "text": "Bye"}, buttons(REPLY, REPLY, LINK, CALL)),
        template(body("No variables")),
        template(body("Only {{1}} here", "one")),
        template({**BODY, "example": {"body_text": ["Ana", "860198"]}}),
        template(BODY, message_send_ttl_seconds=-1),
        template(IMAGE, OFFER, body("Use {{1}} now", "X"), buttons(COUPON, LINK), category="MARKETING"),
        template(BODY, carousel(card(), card("Fresh limes for {{1}} only.")), category="MARKETING"),
        template(BODY, carousel(PRODUCT, PRODUCT), category="MARKETING"),
        template(BODY, buttons({"type": "FLOW", "text": "Book", "flow_id": "1"})),
        template(
            {
                "type": "body",
                "text": "Hello {{first_name}}, welcome",
                "example": {"body_text_named_params": [{"param_name": "first_name", "example": "Jo"}]},
            },
            parameter_format="named",
        ),
        {"name": "lib", "language": "en", "category": "UTILITY", "library_template_name": "delivery"},
    ],
)
def test_what_meta_documents_is_taken(definition: dict[str, Any]) -> None:
    assert template_rules.check(definition) == []


@pytest.mark.parametrize(
    ("definition", "path", "limit", "value"),
    [
        (template(BODY, name="Order"), "name", r"[a-z0-9_]{1,512}", "Order"),
        (template(BODY, language="english"), "language", r"[a-z]{2,3}(_[A-Z]{2,4})?", "english"),
        (template(BODY, category="OTP"), "category", ["AUTHENTICATION", "MARKETING", "UTILITY"], "OTP"),
        (template(BODY, parameter_format="x"), "parameter_format", ["POSITIONAL", "NAMED"], "x"),
        (template(BODY, message_send_ttl_seconds=5), "message_send_ttl_seconds", [30, 43_200], 5),
        (template(HEADER), "components", None, None),
        (template(BODY, BODY), "components[1].type", 1, "BODY"),
        (template(BODY, 3), "components[1]", None, 3),
        (template(body("x" * 1025)), "components[0].text", 1024, "x" * 99 + "…"),
        (template(body("Hi {{1}} and {{3}} too", "a", "b")), "components[0].text", 2, "{{1}}, {{3}}"),
        (template(body("{{1}} is here", "a")), "components[0].text", None, "{{1}} is here"),
        (template(body("This is {{1}}", "a")), "components[0].text", None, "This is {{1}}"),
        (template(body("a {{1}} {{2}} b", "a", "b")), "components[0].text", None, "a {{1}} {{2}} b"),
        (template(body("Hi {{1}} there")), "components[0].example.body_text", 1, None),
        (template(body("Hi {{1}} there", "a", "b")), "components[0].example.body_text", 1, 2),
        (template(body("Hi {{name}} there", "a")), "components[0].text", None, "{{name}}"),
        (template(BODY, parameter_format="NAMED"), "components[0].text", None, "{{1}}"),
        (template(BODY, {"type": "FOOTER", "text": "Bye {{1}} x"}), "components[1].text", 0, "Bye {{1}} x"),
        (template(BODY, {"type": "FOOTER", "text": "x" * 61}), "components[1].text", 60, "x" * 61),
        (template(BODY, {**HEADER, "text": "x" * 61}), "components[1].text", 60, "x" * 61),
        (template(BODY, {"type": "HEADER"}), "components[1].format", None, None),
        (template(BODY, {**IMAGE, "example": {}}), "components[1].example.header_handle", None, None),
        (template(BODY, buttons()), "components[1].buttons", 10, 0),
        (template(BODY, buttons(*[REPLY] * 11)), "components[1].buttons", 10, 11),
        (template(BODY, buttons(LINK, LINK, LINK)), "components[1].buttons", 2, 3),
        (
            template(BODY, buttons(REPLY, CALL, REPLY)),
            "components[1].buttons",
            None,
            "QUICK_REPLY, PHONE_NUMBER, QUICK_REPLY",
        ),
        (template(BODY, buttons({**REPLY, "text": "x" * 26})), "components[1].buttons[0].text", 25, "x" * 26),
        (
            template(BODY, buttons({**LINK, "url": "https://x.y/{{1}}/z"})),
            "components[1].buttons[0].url",
            1,
            "https://x.y/{{1}}/z",
        ),
        (template(BODY, buttons({**LINK, "example": []})), "components[1].buttons[0].example", 1, "[]"),
        (
            template(BODY, buttons({**CALL, "phone_number": "1" * 21})),
            "components[1].buttons[0].phone_number",
            20,
            "1" * 21,
        ),
        (
            template(BODY, buttons({**COUPON, "example": "x" * 21})),
            "components[1].buttons[0].example",
            20,
            "x" * 21,
        ),
        (template(BODY, buttons(OTP)), "components[1].buttons", None, "OTP"),
        (
            template({"type": "BODY"}, buttons(REPLY), category="AUTHENTICATION"),
            "components[1].buttons",
            None,
            "QUICK_REPLY",
        ),
        (template(BODY, carousel(card())), "components[1].cards", [2, 10], 1),
        (
            template(BODY, carousel(card(), card(reply=CALL))),
            "components[1].cards[1]",
            None,
            "BODY BUTTONS:PHONE_NUMBER,URL HEADER:IMAGE",
        ),
        (
            template(BODY, carousel(card(), card("x" * 161))),
            "components[1].cards[1].components[1].text",
            160,
            "x" * 99 + "…",
        ),
        (
            template(BODY, {**OFFER, "limited_time_offer": {"text": "x" * 17}}),
            "components[1].limited_time_offer.text",
            16,
            "x" * 17,
        ),
        (template(OFFER, body("x" * 601)), "components[1].text", 600, "x" * 99 + "…"),
        (
            template(OFFER, BODY, buttons({**COUPON, "example": "x" * 16})),
            "components[2].buttons[0].example",
            15,
            "x" * 16,
        ),
        (template(body("a\0b")), "components[0].text", None, "a␀b"),
    ],
)
def test_what_meta_refuses_is_refused_with_path_limit_and_value(
    definition: dict[str, Any], path: str, limit: object, value: object
) -> None:
    found = [(item.path, item.limit, item.value) for item in template_rules.check(definition)]

    assert (path, limit, value) in found


@pytest.mark.parametrize("field", ["name", "language", "category", "components"])
def test_a_missing_field_is_named(field: str) -> None:
    definition = template(BODY)
    del definition[field]

    assert [(item.path, item.missing) for item in template_rules.check(definition)] == [(field, True)]


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
    | st.sampled_from(["BODY", "HEADER", "BUTTONS", "CAROUSEL", "URL", "OTP", "IMAGE", "TEXT", "{{1}}"]),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(["type", "text", "format", "buttons", "cards", "components", "example", "body_text"]),
        inner,
        max_size=5,
    ),
    max_leaves=12,
)  # fmt: skip


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(st.sampled_from(["name", "language", "category", "components"]), _JSON))
def test_no_json_breaks_the_rules(definition: dict[str, Any]) -> None:
    found = template_rules.check(definition)

    assert all(item.path and item.message for item in found)


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(_JSON)
def test_no_component_breaks_the_rules(piece: Any) -> None:
    template_rules.check(template(BODY, piece, buttons(piece), carousel(piece, {"components": [piece]})))
