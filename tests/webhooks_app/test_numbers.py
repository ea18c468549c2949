"""A number comes and goes, and its project hears of it."""

from typing import Any

import orjson
import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import BusinessAccount, PhoneNumber, Tenant, User
from tests import factories
from webhooks_app import numbers, samples
from webhooks_app.models import Delivery, Event

Status = PhoneNumber.Status


@pytest.fixture
def account(acme: Tenant) -> BusinessAccount:
    """acme's live account; a webhook of the project hears everything, one of a stranger too."""
    factories.WebhookEndpointFactory.create(tenant=acme, phone_number=None, events=["*"])
    factories.WebhookEndpointFactory.create(phone_number=None, events=["*"])
    made: BusinessAccount = factories.BusinessAccountFactory.create(tenant=acme, customer__tenant=acme)
    return made


def _number(account: BusinessAccount, status: str) -> PhoneNumber:
    made: PhoneNumber = factories.PhoneNumberFactory.build(
        tenant=account.tenant, business_account=account, status=status
    )
    return made


def _told() -> list[tuple[str, str]]:
    bodies = [orjson.loads(bytes(event.body)) for event in Event.objects.order_by("pk")]
    return [(body["event"], body["phone_number"]["status"]) for body in bodies]


def test_a_number_that_is_connected_and_leaves_is_told_twice(account: BusinessAccount) -> None:
    number = _number(account, Status.ACTIVE)

    numbers.keep(number=number)
    numbers.keep(number=number)
    numbers.disconnect(number=number)
    numbers.disconnect(number=number)

    assert _told() == [
        ("whatsapp.phone_number.created", "active"),
        ("whatsapp.phone_number.deleted", "disconnected"),
    ]
    assert Delivery.objects.count() == 2
    body = orjson.loads(bytes(Event.objects.earliest("pk").body))
    assert body.keys() == samples.body("phone_number.created").keys() - {"delivery_id"}
    assert body["phone_number"].keys() == samples.body("phone_number.created")["phone_number"].keys()
    assert body["phone_number_id"] == number.phone_number_id
    assert body["phone_number"] == {
        "id": str(number.pk),
        "waba_id": account.waba_id,
        "phone_number_id": number.phone_number_id,
        "display_phone_number": number.display_phone_number,
        "status": "active",
        "customer_id": str(account.customer_id),
        "display_name": "",
        "connection_type": "dedicated",
    }


def test_a_number_still_being_set_up_is_told_once_it_is_connected(account: BusinessAccount) -> None:
    number = _number(account, Status.PENDING)
    numbers.keep(number=number)
    assert _told() == []

    number.status = Status.ACTIVE
    numbers.keep(number=number)

    assert _told() == [("whatsapp.phone_number.created", "active")]


def test_a_number_that_comes_back_is_connected_anew(account: BusinessAccount) -> None:
    number = _number(account, Status.DISCONNECTED)
    numbers.keep(number=number)
    before = timezone.now()

    number.status = Status.ACTIVE
    numbers.keep(number=number)

    number.refresh_from_db()
    assert number.connected_at > before
    assert [event for event, _ in _told()] == ["whatsapp.phone_number.created"]


@pytest.fixture
def operator(db: None) -> Client:
    client = Client()
    client.force_login(User.objects.create_superuser("operator"))
    return client


def _form(number: PhoneNumber, **changes: Any) -> dict[str, Any]:
    fields = (
        "phone_number_id display_phone_number display_phone_number_normalized quality_rating throughput_tier"
        " connection_type status window_policy"
    )
    return {
        **{name: getattr(number, name) for name in fields.split()},
        "tenant": number.tenant_id,
        "business_account": number.business_account_id,
        "inbound_processing_enabled": "on",
        "connected_at_0": "2026-05-01",
        "connected_at_1": "00:00",
        "created_at_0": "2026-05-01",
        "created_at_1": "00:00",
        **changes,
    }


def test_the_console_tells_of_the_numbers_that_it_connects(
    account: BusinessAccount, operator: Client
) -> None:
    made = operator.post(reverse("admin:accounts_phonenumber_add"), _form(_number(account, Status.ACTIVE)))
    number = PhoneNumber.objects.get()
    chosen = {"action": "disconnect", "_selected_action": [number.pk]}
    gone = operator.post(reverse("admin:accounts_phonenumber_changelist"), chosen)
    delete = operator.post(reverse("admin:accounts_phonenumber_delete", args=[number.pk]), {"post": "yes"})

    assert (made.status_code, gone.status_code, delete.status_code) == (302, 302, 403)
    assert _told() == [
        ("whatsapp.phone_number.created", "active"),
        ("whatsapp.phone_number.deleted", "disconnected"),
    ]
