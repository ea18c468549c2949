"""webhooks_app/endpoints.py"""

from datetime import timedelta

import pytest
from django.utils import timezone
from pytest_django import Settings

from accounts import tenants
from accounts.models import PhoneNumber, Tenant
from tests.webhooks_app.conftest import Publish
from webhooks_app import claims, deliver, endpoints, events, outcomes, secrets
from webhooks_app.models import Attempt, Delivery, WebhookEndpoint

URL = "https://customer.example/hook"


def test_the_secret_is_sealed_and_given_once(acme: Tenant) -> None:
    endpoint, secret = endpoints.add(tenant=acme, url=URL, events=["*"])

    assert secret.startswith("whsec_")
    assert secret not in endpoint.sealed_secret
    assert WebhookEndpoint.objects.get().secret == secret


def test_events_are_kept_as_receivers_see_them_each_once(acme: Tenant, number: PhoneNumber) -> None:
    names = ["whatsapp.message.read", "message.read", "whatsapp.message.received", "message.sent"]

    endpoint, _ = endpoints.add(tenant=acme, number=number, url=URL, events=names)

    assert endpoint.events == [
        "whatsapp.message.read",
        "whatsapp.message.received",
        "whatsapp.message.sent",
    ]


@pytest.mark.parametrize(
    ("is_phone_level", "names", "invalid"),
    [
        (True, ["whatsapp.message.read", "whatsapp.massage.read"], ["whatsapp.massage.read"]),
        (True, ["whatsapp.template.approved", "whatsapp.message.read"], ["whatsapp.template.approved"]),
        (False, ["whatsapp.message.read", "*"], ["whatsapp.message.read"]),
        (False, ["", "whatsapp."], ["", "whatsapp."]),
        (True, ["whatsapp.whatsapp.message.read"], ["whatsapp.whatsapp.message.read"]),
    ],
)
def test_an_unknown_event_or_one_of_the_other_scope_is_named(
    acme: Tenant, number: PhoneNumber, is_phone_level: bool, names: list[str], invalid: list[str]
) -> None:
    scope = events.Scope.PHONE if is_phone_level else events.Scope.PROJECT

    with pytest.raises(endpoints.InvalidEvent) as caught:
        endpoints.add(tenant=acme, number=number if is_phone_level else None, url=URL, events=names)

    assert caught.value.code == "invalid_event"
    assert caught.value.details == {
        "field": "events",
        "invalid": invalid,
        "scope": scope.value,
        "allowed": [*events.wire_names(scope), "*"],
    }
    assert WebhookEndpoint.objects.count() == 0


def test_no_events_are_refused(acme: Tenant) -> None:
    with pytest.raises(endpoints.InvalidEvent):
        endpoints.add(tenant=acme, url=URL, events=[])


@pytest.mark.parametrize(
    "url",
    [
        "ftp://customer.example/",
        "customer.example/hook",
        "http://customer.example/",
        "https://user:password@customer.example/",
        "https://10.0.0.1/",
        "https://0x7f.1/",
        "https://customer.example/" + "a" * 2048,
        "",
    ],
)
def test_a_url_that_could_hurt_is_refused(acme: Tenant, settings: Settings, url: str) -> None:
    settings.TRUSTED_NETWORKS = []

    with pytest.raises(endpoints.InvalidUrl):
        endpoints.add(tenant=acme, url=url, events=["*"])

    assert WebhookEndpoint.objects.count() == 0


def test_a_refused_change_changes_nothing(acme: Tenant) -> None:
    endpoint, _ = endpoints.add(tenant=acme, url=URL, events=["*"])

    with pytest.raises(endpoints.InvalidUrl):
        endpoints.change(endpoint=endpoint, events=["account.alert"], url="ftp://x.example/")

    assert WebhookEndpoint.objects.get().events == ["*"]


def test_raw_endpoints_need_a_number_take_no_events_and_are_one_per_number(
    acme: Tenant, number: PhoneNumber
) -> None:
    with pytest.raises(endpoints.NumberMissing):
        endpoints.add(tenant=acme, url=URL, events=[], type="meta_raw")
    with pytest.raises(endpoints.InvalidEvent):
        endpoints.add(tenant=acme, number=number, url=URL, events=["*"], type="meta_raw")
    endpoint, _ = endpoints.add(tenant=acme, number=number, url=URL, events=[], type="meta_raw")
    with pytest.raises(endpoints.WebhookExists):
        endpoints.add(tenant=acme, number=number, url=URL, events=[], type="meta_raw")
    other = tenants.add_sandbox(tenant=acme)
    endpoints.add(tenant=acme, number=other, url=URL, events=[], type="meta_raw")

    endpoints.remove(endpoint=endpoint)

    endpoints.add(tenant=acme, number=number, url=URL, events=[], type="meta_raw")


def test_changing_the_type_checks_the_events_again(acme: Tenant, number: PhoneNumber) -> None:
    endpoint, _ = endpoints.add(tenant=acme, number=number, url=URL, events=["*"])

    with pytest.raises(endpoints.InvalidEvent):
        endpoints.change(endpoint=endpoint, type="meta_raw")
    changed = endpoints.change(endpoint=endpoint, type="meta_raw", events=[])

    assert (changed.type, changed.events) == ("meta_raw", [])


def test_enabling_begins_with_a_clean_slate(acme: Tenant) -> None:
    endpoint, _ = endpoints.add(tenant=acme, url=URL, events=["*"])
    WebhookEndpoint.objects.update(
        is_enabled=False,
        disabled_reason="x",
        disabled_at=timezone.now(),
        failing_since=timezone.now(),
        given_up_count=30,
    )

    endpoints.change(endpoint=endpoint, is_enabled=True)

    fresh = WebhookEndpoint.objects.get()
    assert (fresh.is_enabled, fresh.disabled_reason, fresh.disabled_at) == (True, "", None)
    assert (fresh.failing_since, fresh.given_up_count) == (None, 0)


def test_disabling_and_removing_leave_nothing_pending(
    acme: Tenant, number: PhoneNumber, publish: Publish
) -> None:
    disabled, _ = endpoints.add(tenant=acme, number=number, url=URL, events=["*"])
    removed, _ = endpoints.add(tenant=acme, number=number, url=URL, events=["*"])
    publish(number)

    endpoints.change(endpoint=disabled, is_enabled=False)
    endpoints.remove(endpoint=removed)

    assert Delivery.objects.filter(next_attempt_at__isnull=False).count() == 0
    assert set(Delivery.objects.values_list("endpoint_id", "status", "ended_reason")) == {
        (disabled.pk, "failed", "endpoint_disabled"),
        (removed.pk, "failed", "endpoint_removed"),
    }
    assert WebhookEndpoint.objects.get(pk=removed.pk).sealed_secret == ""


def test_an_attempt_under_way_when_its_endpoint_is_removed_is_recorded_and_is_the_last(
    acme: Tenant, number: PhoneNumber, publish: Publish
) -> None:
    endpoint, _ = endpoints.add(tenant=acme, number=number, url=URL, events=["*"])
    delivery = publish(number)
    [claim] = claims.take_due(limit=1)
    endpoints.remove(endpoint=endpoint)

    deliver.record(claim, outcomes.Answer(status=500, duration_ms=1))

    delivery.refresh_from_db()
    assert (delivery.status, delivery.ended_reason) == ("failed", "endpoint_removed")
    assert delivery.next_attempt_at is None
    assert Attempt.objects.count() == 1


def test_rotation_keeps_the_old_secret_for_the_overlap_only(acme: Tenant) -> None:
    endpoint, old = endpoints.add(tenant=acme, url=URL, events=["*"])

    new = secrets.rotate(endpoint=endpoint, overlap_hours=24)

    fresh = WebhookEndpoint.objects.get()
    assert (fresh.secret, fresh.previous_secret) == (new, old)
    assert fresh.previous_secret_expires_at is not None
    left = fresh.previous_secret_expires_at - timezone.now()
    assert timedelta(hours=23, minutes=59) < left <= timedelta(hours=24)

    newest = secrets.rotate(endpoint=endpoint, overlap_hours=0)

    fresh = WebhookEndpoint.objects.get()
    assert (fresh.secret, fresh.previous_secret, fresh.previous_secret_expires_at) == (newest, "", None)
