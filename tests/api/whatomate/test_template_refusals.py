"""What a template lacks, and which one is meant."""

from typing import Any

import pytest

from accounts import tenants
from messaging.models import Message
from tests import factories
from tests.api.whatomate.conftest import Ask
from tests.api.whatomate.template_cast import PHONE, body_part, make, sent_template
from tests.conftest import Party


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
        (
            {
                "template_name": "order_confirmation",
                "phone_number": PHONE,
                "template_params": {"1": "a", "2": "b"},
                "header_media_url": "https://files.example.com/a.png",
            },
            400,
            "header_media_url has no place in the template: its header is no image, video or document",
        ),
        (
            {
                "template_name": "order_confirmation",
                "phone_number": PHONE,
                "template_params": {"1": "a", "2": "b"},
                "header_media_id": "1234",
            },
            400,
            "header_media_id has no place in the template: its header is no image, video or document",
        ),
    ],
)
def test_what_a_template_lacks_is_said(
    body: dict[str, Any], status: int, message: str, ask: Ask, acme: Party
) -> None:
    make(acme, body_part())

    said = ask("POST", "messages/template", body, status=status)

    assert said["message"] == message
    assert not Message.objects.exists()


def test_a_missing_word_of_a_button_and_a_missing_file_are_said(
    ask: Ask, acme: Party, contact_id: str
) -> None:
    buttons = [{"type": "URL", "text": "Track", "url": "https://example.com/{{1}}"}]
    make(acme, body_part("Hi"), {"type": "BUTTONS", "buttons": buttons})
    make(acme, body_part("Hi"), {"type": "HEADER", "format": "IMAGE"}, name="with_picture")

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
    make(acme, body_part(), status=status)
    body = {"contact_id": contact_id, "template_name": "order_confirmation"}

    assert ask("POST", "messages/template", body, status=422)["code"] == code


def test_a_language_is_chosen_and_not_drawn(ask: Ask, acme: Party, contact_id: str) -> None:
    for language in ("en_US", "es"):
        make(acme, body_part("Hi"), language=language)
    pending = make(acme, body_part("Hi"), language="de", status="PENDING")
    body = {"contact_id": contact_id, "template_name": "order_confirmation"}

    unclear = ask("POST", "messages/template", body, status=409)
    ask("POST", "messages/template", body | {"language": "es"})
    unknown = ask("POST", "messages/template", body | {"language": "fr"}, status=404)

    assert unclear["code"] == "ambiguous_template_language"
    assert unclear["details"]["allowed"] == ["en_US", "es"]
    assert sent_template()["language"] == {"code": "es"}
    assert unknown["details"]["allowed"] == sorted(["en_US", "es", pending.language])


def test_an_account_is_chosen_by_name_and_by_the_contact(ask: Ask, acme: Party, contact_id: str) -> None:
    second = tenants.add_sandbox(tenant=acme.tenant)
    second.display_name = "Second"
    second.save()
    make(acme, body_part("First"))
    factories.TemplateFactory.create(
        tenant=acme.tenant,
        business_account=second.business_account,
        name="order_confirmation",
        components=[body_part("Second")],
    )
    body = {"contact_id": contact_id, "template_name": "order_confirmation"}

    own = ask("POST", "messages/template", body)
    named = ask("POST", "messages/template", body | {"account_name": "Second"})
    by_id = ask("POST", "messages/template", body | {"account_name": second.phone_number_id})

    assert own["whatsapp_account"] == acme.number.display_name
    assert named["whatsapp_account"] == by_id["whatsapp_account"] == "Second"


def test_two_accounts_of_one_name_are_told_apart_by_id(ask: Ask, acme: Party, contact_id: str) -> None:
    tenants.add_sandbox(tenant=acme.tenant)
    make(acme, body_part("Hi"))
    path, body = f"contacts/{contact_id}/messages", {"type": "text", "text": "Hi"}

    said = ask("POST", path, body | {"whatsapp_account": acme.number.display_name}, status=409)
    ask("POST", path, body | {"whatsapp_account": acme.number.phone_number_id})

    assert said["code"] == "ambiguous_account"
