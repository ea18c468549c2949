"""What operators do by a button: it happens, it is on record, and nobody else may."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from accounts import keys, roles
from accounts.models import ApiKey, AuditEvent, KeyDay, Tenant, User
from gosend.sandbox.models import PendingCallback
from messaging.models import Dispatch, Message, MetaEvent
from tests import factories
from tests.conftest import Party
from tests.console.conftest import Staff
from webhooks_app.models import Delivery, Replay, WebhookEndpoint


def act(client: Client, page: str, name: str, row: Any = None, /, **form: Any) -> Any:
    url = reverse(f"admin:{page}_act_{name}", args=[row.pk] if row is not None else [])
    return client.post(url, form)


def on_record() -> list[str]:
    return list(AuditEvent.objects.order_by("id").values_list("action", flat=True))


def test_a_tenant_is_suspended_with_a_reason_and_resumed(operator: Client, acme: Party) -> None:
    without = act(operator, "accounts_tenant", "suspend", acme.tenant)
    act(operator, "accounts_tenant", "suspend", acme.tenant, reason="unpaid <b>")

    acme.tenant.refresh_from_db()
    page = operator.get(reverse("admin:accounts_tenant_change", args=[acme.tenant.pk])).content.decode()
    assert without.status_code == 200
    assert acme.tenant.status == Tenant.Status.SUSPENDED
    assert "unpaid &lt;b&gt;" in page
    act(operator, "accounts_tenant", "resume", acme.tenant, reason="paid")
    acme.tenant.refresh_from_db()
    assert acme.tenant.status == Tenant.Status.ACTIVE
    assert on_record() == ["tenant.suspended", "tenant.resumed"]


def test_a_tenants_page_shows_what_was_used_today(operator: Client, acme: Party) -> None:
    hour = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    factories.HourlyFigureFactory.create(tenant=acme.tenant, hour=hour, key="delivered", count=4321)
    KeyDay.objects.create(api_key=acme.key, day=hour.date(), drawn=87, slice=20)

    answer = operator.get(reverse("admin:accounts_tenant_change", args=[acme.tenant.pk]))
    listed = operator.get(reverse("admin:accounts_tenant_changelist")).content.decode()

    assert "4321" in listed
    assert "100 a second, 100,000 a day" in listed
    assert answer.context["today"] == [("delivered", 4321)]
    assert [(one["key"], one["drawn"], one["limit"]) for one in answer.context["keys"]] == [
        (acme.key, 87, 1000)
    ]


def test_a_key_is_replaced_and_revoked(operator: Client, acme: Party) -> None:
    shown = act(operator, "accounts_apikey", "rotate", acme.key, reason="leaked")

    plaintext = shown.context["done"].secret
    assert keys.find(plaintext).tenant == acme.tenant
    with pytest.raises(keys.ExpiredKey):
        keys.find(acme.api_key)
    assert on_record() == ["apikey.rotated", "secret.shown"]
    assert plaintext not in json.dumps(list(AuditEvent.objects.values_list("details", flat=True)))
    assert act(operator, "accounts_apikey", "revoke", acme.key, reason="twice").status_code == 404
    act(operator, "accounts_apikey", "revoke", ApiKey.objects.exclude(pk=acme.key.pk).get(), reason="end")
    with pytest.raises(keys.ExpiredKey):
        keys.find(plaintext)


def test_an_endpoint_is_added_its_secret_rotated_and_switched(operator: Client, acme: Party) -> None:
    number = acme.number.pk
    form = {"tenant": acme.tenant.pk, "phone_number": number, "url": "https://a.example/x", "events": "*"}
    added = act(operator, "webhooks_app_webhookendpoint", "add", **form)
    endpoint = WebhookEndpoint.objects.get()
    rotated = act(
        operator, "webhooks_app_webhookendpoint", "rotate", endpoint, overlap_hours=24, reason="leaked"
    )
    act(operator, "webhooks_app_webhookendpoint", "disable", endpoint, reason="broken")

    endpoint.refresh_from_db()
    assert added.context["done"].secret == endpoint.previous_secret
    assert rotated.context["done"].secret == endpoint.secret
    assert not endpoint.is_enabled
    assert on_record() == [
        "webhookendpoint.added",
        "secret.shown",
        "webhookendpoint.secret_rotated",
        "secret.shown",
        "webhookendpoint.disabled",
    ]


def test_an_endpoint_that_cannot_be_used_is_refused_in_the_form(operator: Client, acme: Party) -> None:
    form = {"tenant": acme.tenant.pk, "url": "https://10.0.0.1/x", "events": "*"}

    answer = act(operator, "webhooks_app_webhookendpoint", "add", **form)

    assert list(answer.context["form"].non_field_errors()) == ["The URL cannot be used: address."]
    assert not WebhookEndpoint.objects.exists()
    assert on_record() == []


def test_what_failed_since_a_moment_is_ordered_again(operator: Client, acme: Party) -> None:
    endpoint = factories.WebhookEndpointFactory.create(tenant=acme.tenant, phone_number=acme.number)
    ended = {"status": Delivery.Status.FAILED, "next_attempt_at": None}
    one, two = factories.DeliveryFactory.create_batch(2, tenant=acme.tenant, endpoint=endpoint, **ended)
    since = datetime.now(UTC) - timedelta(hours=1)

    answer = act(
        operator,
        "webhooks_app_webhookendpoint",
        "replay",
        endpoint,
        since=f"{since:%Y-%m-%dT%H:%M}",
        reason="x",
    )
    order = Replay.objects.get()
    act(operator, "webhooks_app_delivery", "again", two)

    page = operator.get(answer["Location"])
    assert order.total == 2
    assert page.context["progress"].status == "running"
    two.refresh_from_db()
    assert (one.attempt_count, two.status) == (0, Delivery.Status.PENDING)


def test_a_deliverys_request_is_shown_for_a_reason_only(operator: Client, acme: Party) -> None:
    endpoint = factories.WebhookEndpointFactory.create(tenant=acme.tenant, phone_number=acme.number)
    delivery = factories.DeliveryFactory.create(tenant=acme.tenant, endpoint=endpoint)
    factories.AttemptFactory.create(delivery=delivery, response_body="<script>alert(1)</script>")

    page = operator.get(reverse("admin:webhooks_app_delivery_change", args=[delivery.pk])).content.decode()
    refused = act(operator, "webhooks_app_delivery", "request", delivery)
    shown = act(operator, "webhooks_app_delivery", "request", delivery, reason="ticket 7")

    assert "&lt;script&gt;alert(1)" in page
    assert "whatsapp.message.delivered" not in refused.content.decode()
    assert "whatsapp.message.delivered" in shown.content.decode()
    assert on_record() == ["delivery.revealed"]


def test_a_pretend_customer_writes(operator: Client, acme: Party) -> None:
    form = {"from_phone": "+54 9 11 5555-0100", "name": "Ana", "text": "Is it open?"}

    act(operator, "accounts_phonenumber", "write", acme.number, **form)

    body = json.loads(bytes(PendingCallback.objects.get().body))
    message = body["entry"][0]["changes"][0]["value"]["messages"][0]
    assert (message["from"], message["text"]["body"]) == ("5491155550100", "Is it open?")
    assert on_record() == ["sandbox.customer_wrote"]


def test_a_number_is_stopped_and_started(operator: Client, acme: Party) -> None:
    act(operator, "accounts_phonenumber", "stop", acme.number, reason="complaints")
    acme.number.refresh_from_db()
    stopped_at = acme.number.stopped_at
    act(operator, "accounts_phonenumber", "start", acme.number, reason="solved")

    acme.number.refresh_from_db()
    assert stopped_at is not None
    assert acme.number.stopped_at is None


def test_a_callback_is_handled_again_and_its_body_shown(operator: Client) -> None:
    event = factories.MetaEventFactory.create(handled_at=factories.LONG_AGO, next_attempt_at=None)

    act(operator, "messaging_metaevent", "replay", event)
    shown = act(operator, "messaging_metaevent", "body", event, reason="ticket 8")

    assert MetaEvent.objects.get().next_attempt_at is not None
    assert "whatsapp_business_account" in shown.content.decode()
    assert on_record() == ["metaevent.replayed", "metaevent.revealed"]


@pytest.mark.parametrize("status", ["unknown", "unconfirmed"])
def test_an_unknown_send_is_given_up(status: str, operator: Client, acme: Party) -> None:
    message = unsettled(acme, status)

    act(operator, "messaging_message", "give_up", message, reason="customer says no")

    message.refresh_from_db()
    assert (message.status, Dispatch.objects.count()) == ("failed", 0)


@pytest.mark.parametrize("status", ["unknown", "unconfirmed"])
def test_an_unknown_send_is_repeated_only_at_known_risk(status: str, operator: Client, acme: Party) -> None:
    message = unsettled(acme, status)
    act(operator, "messaging_message", "resend", message, reason="customer waits")
    message.refresh_from_db()
    assert message.status == status

    act(operator, "messaging_message", "resend", message, reason="customer waits", risk="on")

    message.refresh_from_db()
    assert message.status == "queued"
    assert Dispatch.objects.get().state == Dispatch.State.QUEUED
    assert act(operator, "messaging_message", "give_up", message, reason="late").status_code == 404


def unsettled(party: Party, status: str) -> Message:
    message: Message = factories.MessageFactory.create(
        tenant=party.tenant, phone_number=party.number, status=status, wamid=None
    )
    factories.MessageContentFactory.create(message=message)
    if status == "unknown":
        factories.DispatchFactory.create(message=message, state=Dispatch.State.UNKNOWN)
    return message


@pytest.mark.parametrize("role", [roles.SUPPORT, roles.AUDITOR])
def test_nobody_else_finds_a_button_or_may_use_it(role: str, staff: Staff, acme: Party) -> None:
    client = staff(role)

    page = client.get(reverse("admin:accounts_tenant_change", args=[acme.tenant.pk]))
    answer = act(client, "accounts_tenant", "suspend", acme.tenant, reason="mine")

    acme.tenant.refresh_from_db()
    assert page.context["act_buttons"] == []
    assert (answer.status_code, acme.tenant.status) == (403, Tenant.Status.ACTIVE)
    assert on_record() == []


def test_an_operator_does_not_act_on_a_tenant_not_granted(acme: Party, globex: Party, staff: Staff) -> None:
    client = staff(roles.OPERATOR)
    user = User.objects.get(username="operator")
    user.sees_all_tenants = False
    user.save()
    user.grants.create(tenant=acme.tenant)

    strange = act(client, "accounts_tenant", "suspend", globex.tenant, reason="mine")
    form = {"tenant": globex.tenant.pk, "url": "https://a.example/x", "events": "*"}
    added = act(client, "webhooks_app_webhookendpoint", "add", **form)

    assert strange.status_code == 404
    assert "tenant" in added.context["form"].errors
    assert on_record() == []
