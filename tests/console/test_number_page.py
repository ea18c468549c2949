"""A number's page: what Meta alone decides is not edited; who wrote in the sandbox stays masked."""

import json
from typing import Any

import pytest
from django.forms import model_to_dict
from django.test import Client
from django.urls import reverse

from accounts.models import AuditEvent, PhoneNumber
from tests import factories
from tests.conftest import Party

CUSTOMER = "5491155550100"
# Made-up values that a hand-written request could carry, by the field's name.
FORGED = {
    "phone_number_id": "999", "display_phone_number": "+1 999", "display_phone_number_normalized": "1999",
    "verified_name": "Forged", "quality_rating": "red",
    "is_official_business_account": "on",
}  # fmt: skip


def _posted(number: PhoneNumber, **changes: Any) -> dict[str, Any]:
    """The page's form as a browser would send it back, with these fields in another way."""
    fields = ("display_name", "connection_type", "status", "throughput_tier", "window_policy")
    return {name: getattr(number, name) for name in fields} | changes


@pytest.mark.parametrize("is_sandbox", [True, False])
def test_what_meta_decides_is_not_changed_by_a_post(
    is_sandbox: bool, operator: Client, acme: Party, globex: Party
) -> None:
    number = factories.PhoneNumberFactory.create(
        tenant=acme.tenant, business_account=acme.number.business_account, is_sandbox=is_sandbox
    )
    theirs = {"tenant": globex.tenant.pk, "business_account": globex.number.business_account_id}
    before = model_to_dict(number)

    page = reverse("admin:accounts_phonenumber_change", args=[number.pk])
    shown = operator.get(page).content.decode()
    answer = operator.post(page, _posted(number, **FORGED, **theirs, display_name="Shop"))

    assert answer.status_code == 302, answer.context["errors"]
    number.refresh_from_db()
    assert model_to_dict(number) == before | {
        "display_name": "Shop", "inbound_processing_enabled": False, "calls_enabled": False,
    }  # fmt: skip
    for name in (*FORGED, *theirs):
        assert f'name="{name}"' not in shown, name


def test_who_writes_in_the_sandbox_is_masked_in_the_trail(operator: Client, acme: Party) -> None:
    page = reverse("admin:accounts_phonenumber_act_write", args=[acme.number.pk])

    operator.post(page, {"from_phone": CUSTOMER, "name": "Ana", "text": "Hola"})

    event = AuditEvent.objects.get()
    assert event.action == "sandbox.customer_wrote"
    assert event.details["from"] == "54911•••0100"
    assert event.details["wamid"].startswith("wamid.***")
    assert CUSTOMER not in json.dumps([event.subject, event.details])
