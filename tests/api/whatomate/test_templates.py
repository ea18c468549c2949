"""Send templates by name or id, to a contact or a number; list and read them."""

from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from accounts import tenants
from gosend.api.whatomate import uuids
from messaging.models import Contact, Message, MessageContent
from templates_app.models import Template
from tests import factories
from tests.api.whatomate.conftest import Ask, asking, mint
from tests.api.whatomate.counting import native_send, statements
from tests.conftest import Party

PHONE = "919876543210"
NAMED = "Hello {{name}}, your order {{order_id}} is ready"


def _template(party: Party, *components: dict[str, Any], **fields: Any) -> Template:
    made: Template = factories.TemplateFactory.create(
        tenant=party.tenant,
        business_account=party.number.business_account,
        components=list(components),
        **{"name": "order_confirmation", **fields},
    )
    return made


def _body(text: str = NAMED) -> dict[str, Any]:
    return {"type": "BODY", "text": text}


def _sent() -> Any:
    return MessageContent.objects.get().body["template"]


def test_a_number_gets_a_template_and_becomes_a_contact(ask: Ask, acme: Party) -> None:
    _template(acme, _body("Hello World"), name="hello_world")

    sent = ask("POST", "messages/template", {"phone_number": PHONE, "template_name": "hello_world"})

    contact = Contact.objects.get()
    assert (sent["status"], sent["phone_number"], sent["template_name"]) == ("pending", PHONE, "hello_world")
    assert sent["message_id"] == sent["id"] == uuids.write(uuids.MESSAGE, Message.objects.get().pk)
    assert sent["contact_id"] == uuids.write(uuids.CONTACT, contact.pk)
    assert contact.phone == PHONE
    assert _sent() == {"name": "hello_world", "language": {"code": "en_US"}}


@pytest.mark.parametrize("spelled", ["+91 98765 43210", "0091-98765-43210", "(91) 98765.43210", PHONE])
def test_one_person_is_one_contact_however_the_number_is_written(
    spelled: str, ask: Ask, acme: Party, contact_id: str
) -> None:
    _template(acme, _body("Hi"))

    sent = ask("POST", "messages/template", {"phone_number": spelled, "template_name": "order_confirmation"})

    assert (sent["contact_id"], Contact.objects.count()) == (contact_id, 1)


def test_it_can_be_asked_to_wait_for_whatsapp(ask: Ask, acme: Party, contact_id: str) -> None:
    template = _template(acme, _body("Hi"))
    body = {"contact_id": contact_id, "template_id": uuids.write(uuids.TEMPLATE, template.pk)}

    assert ask("POST", "messages/template?async=false", body)["status"] == "sent"


PARTS: dict[str, tuple[list[dict[str, Any]], dict[str, Any], list[dict[str, Any]]]] = {
    "named": (
        [_body()],
        {"template_params": {"name": "John", "order_id": "12345"}},
        [
            {
                "type": "body",
                "parameters": [
                    {"type": "text", "parameter_name": "name", "text": "John"},
                    {"type": "text", "parameter_name": "order_id", "text": "12345"},
                ],
            }
        ],
    ),
    "numbers for names": (
        [_body()],
        {"template_params": {"1": "John", "2": 12345}},
        [
            {
                "type": "body",
                "parameters": [
                    {"type": "text", "parameter_name": "name", "text": "John"},
                    {"type": "text", "parameter_name": "order_id", "text": "12345"},
                ],
            }
        ],
    ),
    "numbered, ten and more": (
        [_body(" ".join(f"{{{{{n}}}}}" for n in range(1, 12)))],
        {"template_params": {str(n): f"v{n}" for n in range(11, 0, -1)}},
        [{"type": "body", "parameters": [{"type": "text", "text": f"v{n}"} for n in range(1, 12)]}],
    ),
    "a list": (
        [_body("{{1}} {{2}}")],
        {"template_params": ["a", "b"]},
        [{"type": "body", "parameters": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}],
    ),
    "header of text": (
        [{"type": "HEADER", "format": "TEXT", "text": "Our {{season}} sale"}, _body("Hi {{name}}")],
        {"header_params": {"season": "Summer"}, "template_params": {"name": "John"}},
        [
            {
                "type": "header",
                "parameters": [{"type": "text", "parameter_name": "season", "text": "Summer"}],
            },
            {"type": "body", "parameters": [{"type": "text", "parameter_name": "name", "text": "John"}]},
        ],
    ),
    "header from the body's words": (
        [{"type": "HEADER", "format": "TEXT", "text": "Our {{season}} sale"}, _body("Hi {{name}}")],
        {"template_params": {"name": "John", "season": "Summer"}},
        [
            {
                "type": "header",
                "parameters": [{"type": "text", "parameter_name": "season", "text": "Summer"}],
            },
            {"type": "body", "parameters": [{"type": "text", "parameter_name": "name", "text": "John"}]},
        ],
    ),
    "header of a file": (
        [{"type": "HEADER", "format": "DOCUMENT"}, _body("Hi")],
        {"header_media_url": "https://example.com/a.pdf", "header_media_filename": "bill.pdf"},
        [
            {
                "type": "header",
                "parameters": [
                    {
                        "type": "document",
                        "document": {"link": "https://example.com/a.pdf", "filename": "bill.pdf"},
                    }
                ],
            }
        ],
    ),
    "buttons": (
        [
            _body("Hi"),
            {
                "type": "BUTTONS",
                "buttons": [
                    {"type": "QUICK_REPLY", "text": "OK"},
                    {"type": "URL", "text": "Track", "url": "https://example.com/track/{{1}}"},
                    {"type": "COPY_CODE", "text": "Copy"},
                ],
            },
        ],
        {"button_params": {"1": "12345", "2": "SAVE10"}},
        [
            {
                "type": "button",
                "sub_type": "url",
                "index": "1",
                "parameters": [{"type": "text", "text": "12345"}],
            },
            {
                "type": "button",
                "sub_type": "copy_code",
                "index": "2",
                "parameters": [{"type": "coupon_code", "coupon_code": "SAVE10"}],
            },
        ],
    ),
}


@pytest.mark.parametrize("name", PARTS)
def test_words_go_where_the_template_has_its_places(
    name: str, ask: Ask, acme: Party, contact_id: str
) -> None:
    components, words, expected = PARTS[name]
    _template(acme, *components)

    ask(
        "POST",
        "messages/template",
        {"contact_id": contact_id, "template_name": "order_confirmation", **words},
    )

    assert _sent()["components"] == expected


def test_a_code_stands_in_the_button_too(ask: Ask, acme: Party, contact_id: str) -> None:
    buttons = {"type": "BUTTONS", "buttons": [{"type": "OTP", "otp_type": "COPY_CODE", "text": "Copy"}]}
    _template(acme, {"type": "BODY"}, buttons, category="AUTHENTICATION")

    ask(
        "POST",
        "messages/template",
        {"contact_id": contact_id, "template_name": "order_confirmation", "template_params": {"1": "8675"}},
    )

    body, button = _sent()["components"]
    assert body["parameters"] == button["parameters"] == [{"type": "text", "text": "8675"}]
    assert (button["sub_type"], button["index"]) == ("url", "0")


@pytest.mark.parametrize(
    ("body", "status", "message"),
    [
        ({}, 400, "Either template_name or template_id is required"),
        ({"template_name": "order_confirmation"}, 400, "Either contact_id or phone_number is required"),
        ({"template_name": "other", "phone_number": PHONE}, 404, "Template not found"),
        (
            {"template_name": "order_confirmation", "phone_number": "12"},
            400,
            "phone_number must be a phone number in E.164: country code first",
        ),
        (
            {"template_name": "order_confirmation", "phone_number": PHONE},
            400,
            "Missing template parameters: name, order_id. Expected parameters: [name, order_id]",
        ),
        (
            {
                "template_name": "order_confirmation",
                "phone_number": PHONE,
                "template_params": {"name": "John", "2": ""},
            },
            400,
            "Missing template parameters: order_id. Expected parameters: [name, order_id]",
        ),
        (
            {
                "template_name": "order_confirmation",
                "phone_number": PHONE,
                "template_params": {"1": "a", "2": "b", "nickname": "c"},
            },
            400,
            "template_params.nickname has no place in the template",
        ),
        (
            {
                "template_name": "order_confirmation",
                "phone_number": PHONE,
                "template_params": {"1": "a", "2": "b"},
                "button_params": {"0": "x"},
            },
            400,
            "button_params.0 names no button of the template",
        ),
        (
            {"template_name": "order_confirmation", "phone_number": PHONE, "template_params": "John"},
            400,
            "template_params must be an object",
        ),
        (
            {"template_name": "order_confirmation", "phone_number": PHONE, "account_name": "Nobody"},
            404,
            "No WhatsApp account called 'Nobody' in this project",
        ),
    ],
)
def test_what_a_template_lacks_is_said(
    body: dict[str, Any], status: int, message: str, ask: Ask, acme: Party
) -> None:
    _template(acme, _body())

    said = ask("POST", "messages/template", body, status=status)

    assert said["message"] == message
    assert not Message.objects.exists()


def test_a_missing_word_of_a_button_and_a_missing_file_are_said(
    ask: Ask, acme: Party, contact_id: str
) -> None:
    buttons = [{"type": "URL", "text": "Track", "url": "https://example.com/{{1}}"}]
    _template(acme, _body("Hi"), {"type": "BUTTONS", "buttons": buttons})
    _template(acme, _body("Hi"), {"type": "HEADER", "format": "IMAGE"}, name="with_picture")

    button = ask(
        "POST",
        "messages/template",
        {"contact_id": contact_id, "template_name": "order_confirmation"},
        status=400,
    )
    picture = ask(
        "POST", "messages/template", {"contact_id": contact_id, "template_name": "with_picture"}, status=400
    )

    assert button["message"] == "Missing button parameters: 0. Expected parameters: [0]"
    assert (picture["code"], picture["details"]["field"]) == ("missing_required_field", "header_media_url")


@pytest.mark.parametrize(
    ("status", "code"), [("PENDING", "template_not_approved"), ("PAUSED", "template_paused")]
)
def test_a_template_that_may_not_be_sent_is_refused(
    status: str, code: str, ask: Ask, acme: Party, contact_id: str
) -> None:
    _template(acme, _body(), status=status)
    body = {"contact_id": contact_id, "template_name": "order_confirmation"}

    assert ask("POST", "messages/template", body, status=422)["code"] == code


def test_a_language_is_chosen_and_not_drawn(ask: Ask, acme: Party, contact_id: str) -> None:
    for language in ("en_US", "es"):
        _template(acme, _body("Hi"), language=language)
    pending = _template(acme, _body("Hi"), language="de", status="PENDING")
    body = {"contact_id": contact_id, "template_name": "order_confirmation"}

    unclear = ask("POST", "messages/template", body, status=409)
    ask("POST", "messages/template", body | {"language": "es"})
    unknown = ask("POST", "messages/template", body | {"language": "fr"}, status=404)

    assert unclear["code"] == "ambiguous_template_language"
    assert unclear["details"]["allowed"] == ["en_US", "es"]
    assert _sent()["language"] == {"code": "es"}
    assert unknown["details"]["allowed"] == sorted(["en_US", "es", pending.language])


def test_an_account_is_chosen_by_name_and_by_the_contact(ask: Ask, acme: Party, contact_id: str) -> None:
    second = tenants.add_sandbox(tenant=acme.tenant)
    second.display_name = "Second"
    second.save()
    _template(acme, _body("First"))
    factories.TemplateFactory.create(
        tenant=acme.tenant,
        business_account=second.business_account,
        name="order_confirmation",
        components=[_body("Second")],
    )
    body = {"contact_id": contact_id, "template_name": "order_confirmation"}

    own = ask("POST", "messages/template", body)
    named = ask("POST", "messages/template", body | {"account_name": "Second"})
    by_id = ask("POST", "messages/template", body | {"account_name": second.phone_number_id})

    assert own["whatsapp_account"] == acme.number.display_name
    assert named["whatsapp_account"] == by_id["whatsapp_account"] == "Second"


def test_two_accounts_of_one_name_are_told_apart_by_id(ask: Ask, acme: Party, contact_id: str) -> None:
    tenants.add_sandbox(tenant=acme.tenant)
    _template(acme, _body("Hi"))
    path, body = f"contacts/{contact_id}/messages", {"type": "text", "text": "Hi"}

    said = ask("POST", path, body | {"whatsapp_account": acme.number.display_name}, status=409)
    ask("POST", path, body | {"whatsapp_account": acme.number.phone_number_id})

    assert said["code"] == "ambiguous_account"


def test_a_form_takes_json_in_texts_and_a_file_for_the_header(acme: Party, contact_id: str) -> None:
    _template(acme, {"type": "HEADER", "format": "IMAGE"}, _body())
    form = {
        "contact_id": contact_id,
        "template_name": "order_confirmation",
        "template_params": '{"name": "John", "order_id": "12345"}',
        "header_file": SimpleUploadedFile("a.jpg", bytes.fromhex("ffd8ffe000104a464946"), "image/jpeg"),
    }

    answer = Client().post("/api/messages/template", form, headers={"X-API-Key": mint(acme)})

    assert answer.status_code == 200, answer.content
    header = _sent()["components"][0]["parameters"][0]
    assert (header["type"], list(header["image"])) == ("image", ["id"])


def test_a_template_costs_one_statement_more_than_the_native_one(
    ask: Ask, acme: Party, contact_id: str
) -> None:
    _template(acme, _body("Hi"))
    body = {"contact_id": contact_id, "template_name": "order_confirmation"}
    content: dict[str, Any] = {
        "type": "template",
        "template": {"name": "order_confirmation", "language": {"code": "en_US"}},
    }
    ask("POST", "messages/template", body)

    native = statements(lambda: native_send(acme, **content))
    by_contact = statements(lambda: ask("POST", "messages/template", body))
    by_phone = statements(
        lambda: ask(
            "POST", "messages/template", {"phone_number": PHONE, "template_name": "order_confirmation"}
        )
    )

    assert by_contact <= native + 1
    assert by_phone <= native + 1


def test_templates_are_listed_searched_and_read(ask: Ask, acme: Party) -> None:
    order = _template(acme, {"type": "HEADER", "format": "IMAGE"}, _body(), {"type": "FOOTER", "text": "Bye"})
    _template(acme, _body("Hi"), name="greeting", category="MARKETING", status="PENDING")
    _template(acme, _body("Hi"), name="gone", status="DELETED")
    own_id = uuids.write(uuids.TEMPLATE, order.pk)

    everything = ask("GET", "templates")
    found = ask("GET", "templates?search=ORDER&status=approved&category=utility&limit=1")
    read = ask("GET", f"templates/{own_id}")

    assert [one["name"] for one in everything["templates"]] == ["greeting", "order_confirmation"]
    assert (everything["total"], everything["page"], everything["limit"]) == (2, 1, 50)
    assert found["items"] == [read]
    assert (read["id"], read["body_content"], read["footer_content"]) == (own_id, NAMED, "Bye")
    assert (read["header_type"], read["param_names"]) == ("IMAGE", ["name", "order_id"])
    assert read["whatsapp_account"] == acme.number.display_name
    assert ask("GET", f"templates?account={acme.number.phone_number_id}")["total"] == 2
    assert ask("GET", "templates/6f2c1e3a-8c53-4a5b-9a3d-0f2f4f0c9f11", status=404)["message"]


def test_a_live_key_has_other_templates(acme: Party) -> None:
    _template(acme, _body())

    assert asking(mint(acme, "live"))("GET", "templates")["total"] == 0
