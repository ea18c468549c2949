"""An id of somebody else's in a body is as good as an unknown one; every field that may hold one is tried."""

from collections.abc import Callable
from typing import Any

import pytest

from gosend.api import schema
from gosend.api.whatomate import uuids
from tests import factories
from tests.api.whatomate.conftest import asking, mint
from tests.conftest import Party

UNKNOWN = "99999999999999"
PHONE = "919876543210"


def _contact(party: Party) -> str:
    made = factories.ContactFactory.create(
        tenant=party.tenant, business_account=party.number.business_account
    )
    return uuids.write(uuids.CONTACT, made.pk)


def _template(party: Party) -> str:
    made = factories.TemplateFactory.create(
        tenant=party.tenant, business_account=party.number.business_account
    )
    return uuids.write(uuids.TEMPLATE, made.pk)


def _message(party: Party) -> str:
    made = factories.MessageFactory.create(
        phone_number=party.number,
        contact__tenant=party.tenant,
        contact__business_account=party.number.business_account,
    )
    return uuids.write(uuids.MESSAGE, made.pk)


def _account(party: Party) -> str:
    return party.number.phone_number_id


# Operation and field → how one is made, and the rest of the body, whose ids are the caller's own.
FIELDS: dict[tuple[str, str], tuple[Callable[[Party], str], Callable[[Party], dict[str, Any]]]] = {
    ("post /api/messages/template", "contact_id"): (
        _contact,
        lambda party: {"template_id": _template(party)},
    ),
    ("post /api/messages/template", "template_id"): (_template, lambda party: {"phone_number": PHONE}),
    ("post /api/messages/template", "account_name"): (
        _account,
        lambda party: {"phone_number": PHONE, "template_id": _template(party)},
    ),
    ("post /api/messages/media", "contact_id"): (
        _contact,
        lambda party: {"media_url": "https://example.com/a.jpg"},
    ),
    ("post /api/messages/media", "whatsapp_account"): (
        _account,
        lambda party: {"contact_id": _contact(party), "media_url": "https://example.com/a.jpg"},
    ),
    ("post /api/contacts/{contact_id}/messages", "whatsapp_account"): (
        _account,
        lambda party: {"type": "text", "text": "Hi"},
    ),
    ("post /api/contacts/{contact_id}/messages", "reply_to_message_id"): (
        _message,
        lambda party: {"type": "text", "text": "Hi"},
    ),
    ("post /api/contacts", "whatsapp_account"): (_account, lambda party: {"phone_number": PHONE}),
}
# Ids of Meta's, which Meta itself knows the owner of.
METAS = {"header_media_id", "flow_id"}


@pytest.mark.parametrize(("operation", "field"), FIELDS)
def test_a_strangers_id_in_a_body_is_as_good_as_an_unknown_one(
    operation: str, field: str, acme: Party, globex: Party
) -> None:
    make, rest = FIELDS[operation, field]
    ask = asking(mint(globex))
    path = operation.removeprefix("post /api/").format(contact_id=_contact(globex))

    unknown = ask("POST", path, {**rest(globex), field: UNKNOWN}, status=404)
    foreign = ask("POST", path, {**rest(globex), field: make(acme)}, status=404)

    for said in (unknown, foreign):
        said.pop("request_id")
        said["message"] = said["message"].split("'")[0]
        said.get("details", {}).pop("value", None)
    assert foreign == unknown


def test_every_id_that_a_body_may_carry_is_tried() -> None:
    document = schema.document("whatomate")
    carried = {
        (f"{method} {path}", name)
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
        for shape in operation.get("requestBody", {}).get("content", {}).values()
        for name in shape["schema"].get("properties", {})
        if name.endswith(("_id", "account", "account_name")) and name not in METAS
    }

    assert carried == set(FIELDS)
