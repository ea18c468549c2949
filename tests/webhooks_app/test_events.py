"""webhooks_app/events.py"""

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from pytest_django import DjangoAssertNumQueries

from accounts import tenants
from accounts.models import PhoneNumber, Tenant
from tests.webhooks_app.conftest import HAPPENED, Publish
from webhooks_app import endpoints, events
from webhooks_app.models import Delivery, Event, WebhookEndpoint

URL = "https://customer.example/hook"


def _add(
    tenant: Tenant, number: PhoneNumber | None, *names: str, type: str = "gosendapi_events"
) -> WebhookEndpoint:
    made, _ = endpoints.add(tenant=tenant, number=number, url=URL, events=names, type=type, is_test=True)
    return made


def _hearers() -> set[int]:
    return set(Delivery.objects.values_list("endpoint_id", flat=True))


def test_only_the_subscribed_endpoints_of_the_number_hear_a_message(
    acme: Tenant, number: PhoneNumber, publish: Publish
) -> None:
    named = _add(acme, number, "whatsapp.message.read", "whatsapp.message.delivered")
    wildcard = _add(acme, number, "*")
    _add(acme, number, "whatsapp.message.read")
    _add(acme, tenants.add_sandbox(tenant=acme), "*")
    _add(acme, None, "*")
    _add(acme, number, type="meta_raw")
    disabled = _add(acme, number, "*")
    endpoints.change(endpoint=disabled, is_enabled=False)
    removed = _add(acme, number, "*")
    endpoints.remove(endpoint=removed)

    publish(number)

    assert _hearers() == {named.pk, wildcard.pk}
    assert Event.objects.count() == 1
    assert Delivery.objects.filter(status="pending", next_attempt_at__isnull=False).count() == 2


def test_project_endpoints_hear_the_project_and_a_strangers_do_not(acme: Tenant, number: PhoneNumber) -> None:
    mine = _add(acme, None, "*")
    _add(acme, number, "*")
    _add(tenants.open_tenant(name="Globex"), None, "*")

    events.publish(
        tenant_id=acme.pk, number=number, type="phone_number.created", data={}, occurred_at=HAPPENED
    )

    assert _hearers() == {mine.pk}


def test_test_and_live_never_mix(acme: Tenant, number: PhoneNumber) -> None:
    of_tests, _ = endpoints.add(tenant=acme, url=URL, events=["*"], is_test=True)
    of_live, _ = endpoints.add(tenant=acme, url=URL, events=["*"])
    alert: dict[str, Any] = {"tenant_id": acme.pk, "number": None, "type": "account.alert", "data": {}}

    events.publish(**alert, occurred_at=HAPPENED, is_test=True)
    assert _hearers() == {of_tests.pk}
    events.publish(**alert, occurred_at=HAPPENED)
    assert _hearers() == {of_tests.pk, of_live.pk}
    assert Delivery.objects.count() == 2


def test_nobody_subscribed_costs_one_query_and_leaves_no_row(
    number: PhoneNumber, publish: Publish, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    with django_assert_num_queries(1):
        events.publish(
            tenant_id=number.tenant_id, number=number, type="message.read", data={}, occurred_at=HAPPENED
        )

    assert Event.objects.count() == 0


@pytest.mark.parametrize("count", [1, 3])
def test_publishing_costs_three_queries_however_many_hear(
    acme: Tenant, number: PhoneNumber, count: int, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    for _ in range(count):
        _add(acme, number, "*")

    with django_assert_num_queries(3):
        events.publish(tenant_id=acme.pk, number=number, type="message.read", data={}, occurred_at=HAPPENED)

    assert Delivery.objects.count() == count


def test_wire_body_is_the_documented_envelope(acme: Tenant, number: PhoneNumber, publish: Publish) -> None:
    _add(acme, number, "*")

    delivery = publish(number, {"message": {"text": {"body": "¿Sí? 👋"}}, "is_new_conversation": False})
    body = events.wire_body(event=delivery.event, delivery=delivery)

    assert list(json.loads(body).items()) == [
        ("event", "whatsapp.message.delivered"),
        ("delivery_id", str(delivery.delivery_id)),
        ("occurred_at", "2026-05-18T12:35:00Z"),
        ("tenant_id", str(acme.pk)),
        ("phone_number_id", number.phone_number_id),
        ("message", {"text": {"body": "¿Sí? 👋"}}),
        ("is_new_conversation", False),
    ]


def test_moments_are_told_in_utc(acme: Tenant, number: PhoneNumber) -> None:
    _add(acme, None, "account.alert")
    moment = datetime(2026, 1, 1, 1, 0, tzinfo=timezone(timedelta(hours=3)))

    told: dict[str, Any] = {"tenant_id": acme.pk, "number": None, "type": "account.alert", "data": {}}
    events.publish(**told, occurred_at=moment, is_test=True)

    body = json.loads(bytes(Event.objects.get().body))
    assert (body["occurred_at"], body["phone_number_id"]) == ("2025-12-31T22:00:00Z", None)
    assert Event.objects.get().occurred_at == moment.astimezone(UTC)


def test_raw_callbacks_reach_the_raw_endpoint_byte_for_byte(acme: Tenant, number: PhoneNumber) -> None:
    raw = _add(acme, number, type="meta_raw")
    _add(acme, number, "*")

    source = events.Source(acme.pk, number.pk, number.phone_number_id, number.is_sandbox)
    events.publish_raw(raws=[events.Raw(source, b'{ "entry" : [] }', HAPPENED)])

    delivery = Delivery.objects.get()
    assert delivery.endpoint == raw
    assert events.wire_body(event=delivery.event, delivery=delivery) == b'{ "entry" : [] }'


def test_a_message_event_without_a_number_is_a_fault_of_ours(acme: Tenant) -> None:
    with pytest.raises(ValueError, match="needs a number"):
        events.publish(tenant_id=acme.pk, number=None, type="message.read", data={}, occurred_at=HAPPENED)
