"""What a message can contain: limits, paths, and the way to Graph and back."""

import json
from typing import Any

import pytest
from hypothesis import given, settings

from gosend.whatsapp import content
from gosend.whatsapp.content import ContentInvalid, Image, Template, Text, UnknownType, Violation
from tests.whatsapp import messages


def _violations(type_: str, value: object) -> list[Violation]:
    with pytest.raises(ContentInvalid) as caught:
        content.parse(type=type_, value=value)
    return caught.value.violations


def _one(type_: str, value: object) -> Violation:
    (violation,) = _violations(type_, value)
    return violation


def _template(*components: object) -> dict[str, Any]:
    return {"name": "visit_reminder", "language": {"code": "es"}, "components": list(components)}


def _with_parameters(*parameters: object) -> dict[str, Any]:
    return _template({"type": "body", "parameters": list(parameters)})


def test_the_types_are_those_that_can_be_sent() -> None:
    assert content.TYPES == (
        "text", "template", "image", "video", "audio", "document", "sticker", "location", "interactive",
        "contacts", "reaction",
    )  # fmt: skip


@pytest.mark.parametrize("unknown", ["poll", "", "Text", None, 7, ["text"]])
def test_an_unknown_type_is_told_the_known_ones(unknown: Any) -> None:
    with pytest.raises(UnknownType) as caught:
        content.parse(type=unknown, value={"body": "x"})

    assert caught.value.allowed == content.TYPES
    assert caught.value.type == unknown


def test_text_reaches_graph_as_it_came_with_what_we_do_not_know() -> None:
    value = {"body": "See https://example.org", "preview_url": True, "new_in_2027": {"a": [1, None]}}

    text = content.parse(type="text", value=value)

    assert isinstance(text, Text)
    assert (text.type, text.body) == ("text", "See https://example.org")
    assert text.to_graph() == value


def test_a_null_is_left_out() -> None:
    assert content.parse(type="text", value={"body": "a", "preview_url": None}).to_graph() == {"body": "a"}


def test_text_takes_its_limit_and_not_one_more() -> None:
    assert content.parse(type="text", value={"body": "ñ" * 4096}).to_graph() == {"body": "ñ" * 4096}
    assert _one("text", {"body": "ñ" * 4097}) == Violation(
        path="text.body",
        message="must have at most 4096 characters",
        limit=4096,
        value="ñ" * 99 + "…",
    )


@pytest.mark.parametrize(
    ("value", "path", "message", "missing"),
    [
        (None, "text", "is required", True),
        ({}, "text.body", "is required", True),
        ({"body": ""}, "text.body", "must not be empty", False),
        ({"body": 7}, "text.body", "must be a string", False),
        ({"body": None}, "text.body", "must be a string", False),
        ("hello", "text", "must be an object", False),
        ([], "text", "must be an object", False),
        ({"body": "a\x00b"}, "text.body", "must not contain the character U+0000", False),
        ({"body": "a", "x": [{"y\x00": 1}]}, "text.x[0]", "must not contain the character U+0000", False),
        ({"body": "\ud83d"}, "text.body", "must not contain half a surrogate pair", False),
        ({"body": "a", "x": float("nan")}, "text.x", "must be a number of at most 64 bits", False),
        ({"body": "a", "x": [1e308]}, "text.x[0]", "must be a number of at most 64 bits", False),
    ],
)
def test_a_text_that_cannot_be_sent_says_where_and_why(
    value: object, path: str, message: str, missing: bool
) -> None:
    violation = _one("text", value)

    assert (violation.path, violation.message, violation.missing) == (path, message, missing)


def test_endless_nesting_is_refused() -> None:
    deep: Any = "bottom"
    for _ in range(500):
        deep = [deep]

    assert _one("text", {"body": "a", "x": deep}).message == "is nested too deeply"


def test_an_offending_value_is_shown_in_a_form_that_can_be_stored() -> None:
    shown = [violation.value for violation in _violations("text", {"body": "\ud83d\x00" + "a" * 500})]

    assert shown == ["?␀" + "a" * 97 + "…"] * 2


@pytest.mark.parametrize(
    "value",
    [
        {"id": "900000000000001"},
        {"link": "https://files.example.org/a.jpg?x=1", "caption": "c" * 1024},
        {"link": "HTTP://example.org:8080/a.png", "note": "kept"},
    ],
)
def test_an_image_by_id_or_by_link(value: dict[str, Any]) -> None:
    image = content.parse(type="image", value=value)

    assert isinstance(image, Image)
    assert image.to_graph() == value


@pytest.mark.parametrize(
    ("value", "path", "missing"),
    [
        ({}, "image.id", True),
        ({"caption": "only words"}, "image.id", True),
        ({"id": "1", "link": "https://example.org/a.jpg"}, "image.link", False),
        ({"id": ""}, "image.id", False),
        ({"id": 7}, "image.id", False),
        ({"link": "ftp://example.org/a.jpg"}, "image.link", False),
        ({"link": "example.org/a.jpg"}, "image.link", False),
        ({"link": "https://"}, "image.link", False),
        ({"link": "https://exa mple.org/"}, "image.link", False),
        ({"link": "https://[::1/a.jpg"}, "image.link", False),
        ({"link": "https://example.org/\r\nX: y"}, "image.link", False),
        ({"link": "javascript:alert(1)"}, "image.link", False),
    ],
)
def test_an_image_has_exactly_one_source(value: dict[str, Any], path: str, missing: bool) -> None:
    violation = _one("image", value)

    assert (violation.path, violation.missing) == (path, missing)


def test_a_caption_has_a_limit() -> None:
    violation = _one("image", {"id": "1", "caption": "c" * 1025})

    assert (violation.path, violation.limit) == ("image.caption", 1024)


def test_a_template_with_every_kind_of_parameter_reaches_graph_as_it_came() -> None:
    value = _template(
        {"type": "header", "parameters": [{"type": "image", "image": {"link": "https://example.org/a.png"}}]},
        {
            "type": "body",
            "parameters": [
                {"type": "text", "text": "Ana", "parameter_name": "first_name"},
                {
                    "type": "currency",
                    "currency": {"fallback_value": "10 €", "code": "EUR", "amount_1000": 10_000},
                },
                {"type": "date_time", "date_time": {"fallback_value": "1 May", "year": 2027}},
            ],
        },
        {
            "type": "button",
            "sub_type": "quick_reply",
            "index": "0",
            "parameters": [{"type": "payload", "payload": "yes"}],
        },
        {"type": "button", "sub_type": "url", "index": 1, "parameters": [{"type": "text", "text": "o/77"}]},
        {
            "type": "button",
            "sub_type": "copy_code",
            "index": "9",
            "parameters": [{"type": "coupon_code", "coupon_code": "SPRING"}],
        },
        {
            "type": "header",
            "parameters": [{"type": "document", "document": {"id": "1", "filename": "a.pdf"}}],
        },
        {"type": "header", "parameters": [{"type": "location", "location": {"latitude": 1.5}}]},
        {"type": "carousel", "cards": [{"card_index": 0, "components": [{"type": "body"}]}]},
        {"type": "limited_time_offer", "parameters": [{"type": "limited_time_offer", "of_2027": []}]},
    )

    template = content.parse(type="template", value=value)

    assert isinstance(template, Template)
    assert (template.name, template.language.code) == ("visit_reminder", "es")
    assert template.to_graph() == value


def test_a_template_needs_no_components() -> None:
    value = {"name": "hello_world", "language": {"code": "en_US", "policy": "deterministic"}}

    assert content.parse(type="template", value=value).to_graph() == value


@pytest.mark.parametrize("name", ["", "Hello", "hello-world", "hello\n", "ñ", "a" * 513])
def test_a_template_name_has_a_form(name: str) -> None:
    violation = _one("template", {"name": name, "language": {"code": "en"}})

    assert (violation.path, violation.limit) == ("template.name", 512)


@pytest.mark.parametrize(
    ("text", "limit"),
    [
        ("a\nb", None),
        ("a\rb", None),
        ("a\tb", None),
        ("a     b", 4),
        ("x" * 32_769, 32_768),
    ],
)
def test_a_text_parameter_is_one_line_with_few_spaces(text: str, limit: int | None) -> None:
    violation = _one(
        "template", _with_parameters({"type": "text", "text": "a"}, {"type": "text", "text": text})
    )

    assert (violation.path, violation.limit) == ("template.components[0].parameters[1].text", limit)


def test_four_spaces_in_a_row_are_allowed() -> None:
    value = _with_parameters({"type": "text", "text": "a    b"})

    assert content.parse(type="template", value=value).to_graph() == value


@pytest.mark.parametrize(
    ("parameter", "path", "missing"),
    [
        ({"text": "a"}, "type", True),
        ({"type": "text"}, "text", True),
        ({"type": "text", "text": ""}, "text", False),
        ({"type": "text", "text": 7}, "text", False),
        ({"type": "payload"}, "payload", True),
        ({"type": "action"}, "action", True),
        ({"type": "image"}, "image", True),
        ({"type": "image", "image": {}}, "image.id", True),
        ({"type": "video", "video": {"link": "file:///etc/passwd"}}, "video.link", False),
        (
            {"type": "currency", "currency": {"fallback_value": "1", "code": "EUR"}},
            "currency.amount_1000",
            True,
        ),
        ({"type": "date_time", "date_time": {}}, "date_time.fallback_value", True),
        ({"type": "coupon_code", "coupon_code": "C" * 21}, "coupon_code", False),
    ],
)
def test_a_parameter_carries_what_its_type_says(parameter: dict[str, Any], path: str, missing: bool) -> None:
    violation = _one("template", _with_parameters(parameter))

    assert violation.path == f"template.components[0].parameters[0].{path}"
    assert violation.missing is missing


@pytest.mark.parametrize(
    ("button", "field", "missing"),
    [
        ({"index": "0"}, "sub_type", True),
        ({"sub_type": "url"}, "index", True),
        ({"sub_type": "url", "index": "10"}, "index", False),
        ({"sub_type": "url", "index": -1}, "index", False),
        ({"sub_type": "url", "index": "first"}, "index", False),
        ({"sub_type": "url", "index": True}, "index", False),
        ({"sub_type": "url", "index": 1.0}, "index", False),
        ({"sub_type": "url", "index": {}}, "index", False),
    ],
)
def test_a_button_says_which_one_it_is(button: dict[str, Any], field: str, missing: bool) -> None:
    violation = _one("template", _template({"type": "button", **button}))

    assert (violation.path, violation.missing) == (f"template.components[0].{field}", missing)


def test_a_parameter_on_a_carousel_card_is_found_by_its_path() -> None:
    card = {"components": [{"type": "body", "parameters": [{"type": "text", "text": "a\nb"}]}]}

    violation = _one("template", _template({"type": "carousel", "cards": [{"components": []}, card]}))

    assert violation.path == "template.components[0].cards[1].components[0].parameters[0].text"


def test_all_that_is_wrong_is_told_at_once() -> None:
    value = {"name": "X", "language": "en", "components": {"type": "body"}}

    found = [(violation.path, violation.message) for violation in _violations("template", value)]

    assert found == [
        ("template.name", "must be 1 to 512 lower-case letters, digits and underscores"),
        ("template.language", "must be an object"),
        ("template.components", "must be an array"),
    ]


def test_digits_go_out_with_a_plus_sign() -> None:
    text = Text(body="Hola")

    body = content.graph_body(content=text, to="34600111222", context_wamid="wamid.SAMPLE0", opaque="m.41.1")

    assert body == {
        "messaging_product": "whatsapp",
        "recipient_type": "individual",
        "to": "+34600111222",
        "biz_opaque_callback_data": "m.41.1",
        "context": {"message_id": "wamid.SAMPLE0"},
        "type": "text",
        "text": {"body": "Hola"},
    }


def test_a_user_id_goes_out_as_the_recipient() -> None:
    body = content.graph_body(content=Image(id="1"), to="US.13491208655302741918")

    assert body == {
        "messaging_product": "whatsapp",
        "recipient_type": "individual",
        "recipient": "US.13491208655302741918",
        "type": "image",
        "image": {"id": "1"},
    }


def test_a_group_goes_out_by_its_id_and_as_a_group() -> None:
    body = content.graph_body(content=Text(body="Hola"), to="Y2FwaV9ncm91cDox@g.us")

    assert body == {
        "messaging_product": "whatsapp",
        "recipient_type": "group",
        "to": "Y2FwaV9ncm91cDox",
        "type": "text",
        "text": {"body": "Hola"},
    }


def test_callback_data_has_a_limit() -> None:
    assert content.envelope(to="34600111222", opaque="x" * 512)["biz_opaque_callback_data"] == "x" * 512
    with pytest.raises(ValueError, match="512"):
        content.envelope(to="34600111222", opaque="x" * 513)


def test_every_type_has_a_strategy() -> None:
    assert set(messages.BY_TYPE) == set(content.TYPES)


@settings(max_examples=200, deadline=None)
@given(messages.MESSAGES)
def test_content_comes_back_from_graph_as_it_went(message: messages.Sent) -> None:
    type_, value = message

    there = content.parse(type=type_, value=value)
    back = content.parse(type=type_, value=json.loads(json.dumps(there.to_graph())))

    assert there.to_graph() == value
    assert back == there
