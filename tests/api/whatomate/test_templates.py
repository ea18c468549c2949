"""Send templates by name or id, to a contact or a number; list and read them."""

from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from gosend.api.whatomate import uuids
from messaging.models import Contact, Message
from tests.api.whatomate.conftest import Ask, asking, mint
from tests.api.whatomate.counting import native_send, statements
from tests.api.whatomate.template_cast import NAMED, PHONE, body_part, make, sent_template
from tests.conftest import Party


def test_a_number_gets_a_template_and_becomes_a_contact(ask: Ask, acme: Party) -> None:
    make(acme, body_part("Hello World"), name="hello_world")

    sent = ask("POST", "messages/template", {"phone_number": PHONE, "template_name": "hello_world"})

    contact = Contact.objects.get()
    assert (sent["status"], sent["phone_number"], sent["template_name"]) == ("pending", PHONE, "hello_world")
    assert sent["message_id"] == sent["id"] == uuids.write(uuids.MESSAGE, Message.objects.get().pk)
    assert sent["contact_id"] == uuids.write(uuids.CONTACT, contact.pk)
    assert contact.phone == PHONE
    assert sent_template() == {"name": "hello_world", "language": {"code": "en_US"}}


@pytest.mark.parametrize("spelled", ["+91 98765 43210", "0091-98765-43210", "(91) 98765.43210", PHONE])
def test_one_person_is_one_contact_however_the_number_is_written(
    spelled: str, ask: Ask, acme: Party, contact_id: str
) -> None:
    make(acme, body_part("Hi"))

    sent = ask("POST", "messages/template", {"phone_number": spelled, "template_name": "order_confirmation"})

    assert (sent["contact_id"], Contact.objects.count()) == (contact_id, 1)


def test_it_can_be_asked_to_wait_for_whatsapp(ask: Ask, acme: Party, contact_id: str) -> None:
    template = make(acme, body_part("Hi"))
    body = {"contact_id": contact_id, "template_id": uuids.write(uuids.TEMPLATE, template.pk)}

    assert ask("POST", "messages/template?async=false", body)["status"] == "sent"


PARTS: dict[str, tuple[list[dict[str, Any]], dict[str, Any], list[dict[str, Any]]]] = {
    "named": (
        [body_part()],
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
        [body_part()],
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
        [body_part(" ".join(f"{{{{{n}}}}}" for n in range(1, 12)))],
        {"template_params": {str(n): f"v{n}" for n in range(11, 0, -1)}},
        [{"type": "body", "parameters": [{"type": "text", "text": f"v{n}"} for n in range(1, 12)]}],
    ),
    "a list": (
        [body_part("{{1}} {{2}}")],
        {"template_params": ["a", "b"]},
        [{"type": "body", "parameters": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}],
    ),
    "header of text": (
        [{"type": "HEADER", "format": "TEXT", "text": "Our {{season}} sale"}, body_part("Hi {{name}}")],
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
        [{"type": "HEADER", "format": "TEXT", "text": "Our {{season}} sale"}, body_part("Hi {{name}}")],
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
        [{"type": "HEADER", "format": "DOCUMENT"}, body_part("Hi")],
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
            body_part("Hi"),
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
    make(acme, *components)

    ask(
        "POST",
        "messages/template",
        {"contact_id": contact_id, "template_name": "order_confirmation", **words},
    )

    assert sent_template()["components"] == expected


def test_a_code_stands_in_the_button_too(ask: Ask, acme: Party, contact_id: str) -> None:
    buttons = {"type": "BUTTONS", "buttons": [{"type": "OTP", "otp_type": "COPY_CODE", "text": "Copy"}]}
    make(acme, {"type": "BODY"}, buttons, category="AUTHENTICATION")

    ask(
        "POST",
        "messages/template",
        {"contact_id": contact_id, "template_name": "order_confirmation", "template_params": {"1": "8675"}},
    )

    body, button = sent_template()["components"]
    assert body["parameters"] == button["parameters"] == [{"type": "text", "text": "8675"}]
    assert (button["sub_type"], button["index"]) == ("url", "0")


def test_a_form_takes_json_in_texts_and_a_file_for_the_header(acme: Party, contact_id: str) -> None:
    make(acme, {"type": "HEADER", "format": "IMAGE"}, body_part())
    form = {
        "contact_id": contact_id,
        "template_name": "order_confirmation",
        "template_params": '{"name": "John", "order_id": "12345"}',
        "header_file": SimpleUploadedFile("a.jpg", bytes.fromhex("ffd8ffe000104a464946"), "image/jpeg"),
    }

    answer = Client().post("/api/messages/template", form, headers={"X-API-Key": mint(acme)})

    assert answer.status_code == 200, answer.content
    header = sent_template()["components"][0]["parameters"][0]
    assert (header["type"], list(header["image"])) == ("image", ["id"])


def test_a_template_costs_one_statement_more_than_the_native_one(
    ask: Ask, acme: Party, contact_id: str
) -> None:
    make(acme, body_part("Hi"))
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
    order = make(acme, {"type": "HEADER", "format": "IMAGE"}, body_part(), {"type": "FOOTER", "text": "Bye"})
    make(acme, body_part("Hi"), name="greeting", category="MARKETING", status="PENDING")
    make(acme, body_part("Hi"), name="gone", status="DELETED")
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
    make(acme, body_part())

    assert asking(mint(acme, "live"))("GET", "templates")["total"] == 0
