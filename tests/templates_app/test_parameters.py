"""What a send fills in, against our copy of the template."""

from collections.abc import Sequence
from typing import Any

import pytest

from gosend.whatsapp import content
from templates_app import parameters
from templates_app.models import Template

TWO_PLACES = {"type": "BODY", "text": "Hola {{1}}, tu turno es el {{2}}. Hasta el {{2}}"}
NAMED = {"type": "body", "text": "Hola {{first_name}}, tu turno es el {{ day }}"}
IMAGE = {"type": "HEADER", "format": "IMAGE", "example": {"header_handle": ["https://example.org/a.png"]}}
TEXT_HEADER = {"type": "HEADER", "format": "TEXT", "text": "Pedido {{1}}"}
FOOTER = {"type": "FOOTER", "text": "Acme"}
BUTTONS = {
    "type": "BUTTONS",
    "buttons": [
        {"type": "QUICK_REPLY", "text": "Sí"},
        {"type": "URL", "text": "Ver", "url": "https://example.org/{{1}}", "example": ["x"]},
        {"type": "URL", "text": "Inicio", "url": "https://example.org/"},
        {"type": "PHONE_NUMBER", "text": "Llamar", "phone_number": "+15550000000"},
        {"type": "COPY_CODE", "example": "SPRING"},
        {"type": "FLOW", "text": "Abrir", "flow_id": "1"},
        {"type": "VOICE_CALL", "text": "Hablar"},
    ],
}
OFFER = {"type": "LIMITED_TIME_OFFER", "limited_time_offer": {"text": "Now", "has_expiration": True}}
CAROUSEL = {
    "type": "CAROUSEL",
    "cards": [
        {"components": [IMAGE, {"type": "BODY", "text": "Uno {{1}}"}]},
        {"components": [IMAGE, {"type": "BODY", "text": "Dos"}]},
    ],
}

A_PICTURE = {"type": "image", "image": {"id": "1"}}
A_VIDEO = {"type": "video", "video": {"id": "1"}}
URL_BUTTON = {
    "type": "button",
    "sub_type": "url",
    "index": "1",
    "parameters": [{"type": "text", "text": "a"}],
}
COUPON = {
    "type": "button",
    "sub_type": "copy_code",
    "index": 4,
    "parameters": [{"type": "coupon_code", "coupon_code": "SPRING"}],
}
EXPIRY = {"type": "limited_time_offer", "limited_time_offer": {"expiration_time_ms": 1_800_000_000_000}}


def texts(*words: str, **names: str) -> list[dict[str, Any]]:
    plain: list[dict[str, Any]] = [{"type": "text", "text": word} for word in words]
    return plain + [{"type": "text", "text": word, "parameter_name": name} for name, word in names.items()]


def body(*words: str, **names: str) -> dict[str, Any]:
    return {"type": "body", "parameters": texts(*words, **names)}


def header(*values: dict[str, Any]) -> dict[str, Any]:
    return {"type": "header", "parameters": list(values)}


def button(index: int | str, sub_type: str, *values: dict[str, Any]) -> dict[str, Any]:
    return {"type": "button", "sub_type": sub_type, "index": index, "parameters": list(values)}


def card(*components: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"components": list(components), **more}


def carousel(*cards: dict[str, Any]) -> dict[str, Any]:
    return {"type": "carousel", "cards": list(cards)}


def require_fit(known: Sequence[object], sent: list[dict[str, Any]], category: str = "UTILITY") -> None:
    template = Template(name="visit", language="es", category=category, components=list(known))
    value = {"name": "visit", "language": {"code": "es"}, "components": sent}
    asked = content.parse(type="template", value=value)
    assert isinstance(asked, content.Template)
    parameters.require_fit(template, sent=asked)


FITTING: list[tuple[list[Any], list[Any]]] = [
    ([], [body("anything", "goes")]),
    ([{"type": "BODY", "text": "No places"}, FOOTER], []),
    ([{"type": "BODY", "text": "No places"}], [{"type": "body"}]),
    ([TWO_PLACES], [body("Juan", "20/05")]),
    ([TWO_PLACES], [{"type": "BODY", "parameters": texts("Juan", "20/05")}]),
    ([NAMED], [body(day="20/05", first_name="Juan")]),
    (
        [TWO_PLACES],
        [
            {
                "type": "body",
                "parameters": [
                    {
                        "type": "currency",
                        "currency": {"fallback_value": "1", "code": "EUR", "amount_1000": 1},
                    },
                    {"type": "date_time", "date_time": {"fallback_value": "1 May"}},
                ],
            }
        ],
    ),
    ([IMAGE, TWO_PLACES], [header(A_PICTURE), body("a", "b")]),
    ([TEXT_HEADER], [header(*texts("7"))]),
    ([{"type": "HEADER", "format": "HOLOGRAM"}], [header(A_VIDEO)]),
    ([{"type": "BODY"}], [body("a", "b", "c")]),
    ([BUTTONS], [URL_BUTTON, COUPON]),
    (
        [BUTTONS],
        [
            button(0, "quick_reply", {"type": "payload", "payload": "yes"}),
            URL_BUTTON,
            COUPON,
            button(5, "FLOW", {"type": "action", "action": {"flow_token": "t"}}),
            button("6", "voice_call", {"type": "ttl_minutes", "ttl_minutes": 5}),
        ],
    ),
    ([OFFER], [{"type": "limited_time_offer", "parameters": [EXPIRY]}]),
    ([{"type": "LIMITED_TIME_OFFER", "limited_time_offer": {"has_expiration": False}}], []),
    ([CAROUSEL], [carousel(card(header(A_PICTURE), body("a")), card(header(A_PICTURE)))]),
    (
        [CAROUSEL],
        [carousel(card(header(A_PICTURE), card_index=1), card(header(A_PICTURE), body("a"), card_index=0))],
    ),
    (["broken", {"type": "BUTTONS", "buttons": "none"}, {"type": 7}], []),
    ([TWO_PLACES], [body("a", "b"), {"type": "order_status", "parameters": []}]),
]


@pytest.mark.parametrize(("known", "sent"), FITTING)
def test_what_fits_passes(known: list[Any], sent: list[Any]) -> None:
    require_fit(known, sent)


_HERE = "template.components[0]"
NOT_FITTING: list[tuple[list[Any], list[Any], str, object, object]] = [
    ([TWO_PLACES], [body("Juan")], f"{_HERE}.parameters", 2, 1),
    ([TWO_PLACES], [body("a", "b", "c")], f"{_HERE}.parameters", 2, 3),
    ([TWO_PLACES], [], "template.components[body].parameters", 2, 0),
    ([TWO_PLACES], [body("a", "b"), body("a", "b")], "template.components[1]", 1, 2),
    ([TWO_PLACES], [body("a", day="b")], f"{_HERE}.parameters[1].parameter_name", None, "day"),
    (
        [TWO_PLACES],
        [{"type": "body", "parameters": [*texts("a"), A_PICTURE]}],
        f"{_HERE}.parameters[1].type",
        ["text", "currency", "date_time"],
        "image",
    ),
    ([NAMED], [body("Juan", "20/05")], f"{_HERE}.parameters", ["first_name", "day"], ["", ""]),
    (
        [NAMED],
        [body(first_name="Juan", date="20/05")],
        f"{_HERE}.parameters",
        ["first_name", "day"],
        ["first_name", "date"],
    ),
    ([TWO_PLACES], [header(A_PICTURE), body("a", "b")], f"{_HERE}.parameters", 0, 1),
    ([IMAGE], [header(A_VIDEO)], f"{_HERE}.parameters", ["image"], ["video"]),
    ([IMAGE], [header(*texts("a"))], f"{_HERE}.parameters", ["image"], ["text"]),
    ([IMAGE], [], "template.components[header].parameters", ["image"], []),
    ([TEXT_HEADER], [header()], f"{_HERE}.parameters", 1, 0),
    ([TWO_PLACES], [body("a", "b"), URL_BUTTON], "template.components[1].index", [], 1),
    ([BUTTONS], [URL_BUTTON, COUPON, button(7, "url")], "template.components[2].index", list(range(7)), 7),
    ([BUTTONS], [URL_BUTTON, COUPON, URL_BUTTON], "template.components[2].index", None, 1),
    ([BUTTONS], [button(0, "url"), URL_BUTTON, COUPON], f"{_HERE}.sub_type", "quick_reply", "url"),
    ([BUTTONS], [button(3, "quick_reply"), URL_BUTTON, COUPON], f"{_HERE}.sub_type", None, "quick_reply"),
    ([BUTTONS], [button(2, "url", *texts("a")), URL_BUTTON, COUPON], f"{_HERE}.parameters", 0, 1),
    ([BUTTONS], [button(1, "url"), COUPON], f"{_HERE}.parameters", 1, 0),
    ([BUTTONS], [button(4, "copy_code", *texts("a")), URL_BUTTON], f"{_HERE}.parameters[0].type",
     "coupon_code", "text"),
    ([BUTTONS], [button(5, "flow", *texts("a")), URL_BUTTON, COUPON], f"{_HERE}.parameters[0].type",
     "action", "text"),
    (
        [BUTTONS],
        [URL_BUTTON],
        "template.components",
        {"type": "button", "sub_type": "copy_code", "index": 4},
        None,
    ),
    ([OFFER], [], "template.components[limited_time_offer].parameters", ["limited_time_offer"], []),
    ([TWO_PLACES], [body("a", "b"), {"type": "limited_time_offer", "parameters": [EXPIRY]}],
     "template.components[1]", None, "limited_time_offer"),
    ([CAROUSEL], [], "template.components[carousel].cards", 2, 0),
    ([CAROUSEL], [carousel(card(header(A_PICTURE)))], f"{_HERE}.cards", 2, 1),
    ([TWO_PLACES], [body("a", "b"), carousel(card())], "template.components[1].cards", 0, 1),
    (
        [CAROUSEL],
        [carousel(card(header(A_PICTURE), body("a")), card(header(A_VIDEO)))],
        f"{_HERE}.cards[1].components[0].parameters",
        ["image"],
        ["video"],
    ),
    (
        [CAROUSEL],
        [carousel(card(header(A_PICTURE)), card(header(A_PICTURE)))],
        f"{_HERE}.cards[0].components[body].parameters",
        1,
        0,
    ),
    (
        [CAROUSEL],
        [carousel(card(header(A_PICTURE), body("a")), card(header(A_PICTURE), card_index=2))],
        f"{_HERE}.cards[1].card_index",
        [0, 1],
        2,
    ),
]  # fmt: skip


@pytest.mark.parametrize(("known", "sent", "path", "expected", "given"), NOT_FITTING)
def test_what_does_not_fit_says_where_what_was_expected_and_what_came(
    known: list[Any], sent: list[Any], path: str, expected: object, given: object
) -> None:
    with pytest.raises(parameters.TemplateParamMismatch) as refused:
        require_fit(known, sent)

    details = refused.value.details or {}
    assert (details["field"], details["expected"], details["given"]) == (path, expected, given)


def test_all_that_does_not_fit_is_told_at_once() -> None:
    with pytest.raises(parameters.TemplateParamMismatch) as refused:
        require_fit([IMAGE, TWO_PLACES, BUTTONS], [body("a")])

    assert [one["path"] for one in (refused.value.details or {})["errors"]] == [
        "template.components[header].parameters",
        f"{_HERE}.parameters",
        "template.components",
        "template.components",
    ]


@pytest.mark.parametrize("text", [None, "*{{1}}* es tu código."])
def test_a_code_goes_into_the_text_and_onto_the_button(text: str | None) -> None:
    spoken = {"type": "BODY", "add_security_recommendation": True} | ({"text": text} if text else {})
    known = [spoken, {"type": "BUTTONS", "buttons": [{"type": "OTP", "otp_type": "COPY_CODE"}]}]

    require_fit(known, [body("1234"), button("0", "url", *texts("1234"))], category="AUTHENTICATION")
    with pytest.raises(parameters.TemplateParamMismatch):
        require_fit(known, [body(), button("0", "url", *texts("1234"))], category="AUTHENTICATION")
    with pytest.raises(parameters.TemplateParamMismatch):
        require_fit(known, [body("1234")], category="AUTHENTICATION")
