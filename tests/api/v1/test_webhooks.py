"""gosend/api/v1/webhooks.py"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import orjson
import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries, Settings

from accounts import keys, tenants
from accounts.models import PhoneNumber, Tenant
from tests.webhooks_app.conftest import HAPPENED
from webhooks_app import endpoints, events
from webhooks_app.models import Delivery, WebhookEndpoint

URL = "https://customer.example/hook"


@dataclass(frozen=True)
class Caller:
    """A tenant at the door, with one key."""

    tenant: Tenant
    key: str

    def call(self, method: str, path: str, body: Any = None) -> Any:
        return Client().generic(
            method,
            f"/v1/{path}",
            data=b"" if body is None else body if isinstance(body, bytes) else _json(body),
            content_type="application/json",
            headers={"X-API-Key": self.key},
        )


def _json(body: Any) -> bytes:
    return orjson.dumps(body)


def _caller(name: str, *, environment: str = "test", scopes: tuple[str, ...] = keys.SCOPES) -> Caller:
    tenant = tenants.open_tenant(name=name)
    _, key = keys.mint(tenant=tenant, label="k", environment=environment, scopes=scopes)
    return Caller(tenant, key)


@pytest.fixture
def acme(db: None) -> Caller:
    return _caller("Acme")


@pytest.fixture
def globex(db: None) -> Caller:
    return _caller("Globex")


@pytest.fixture
def number(acme: Caller) -> PhoneNumber:
    return tenants.add_sandbox(tenant=acme.tenant)


def _publish(number: PhoneNumber, type: str = "message.delivered") -> None:
    events.publish(
        tenant_id=number.tenant_id,
        number=number,
        type=type,
        data={"message": {"id": "wamid.1"}},
        occurred_at=HAPPENED,
    )


def test_a_phone_level_webhook_is_made_and_its_secret_shown_this_once(
    acme: Caller, number: PhoneNumber
) -> None:
    names = ["whatsapp.message.received", "whatsapp.message.delivered"]

    made = acme.call(
        "POST",
        "webhooks",
        {
            "url": URL,
            "events": names,
            "phone_number_id": number.phone_number_id,
            "type": "gosendapi_events",
        },
    )

    assert made.status_code == 201
    body = made.json()
    endpoint = WebhookEndpoint.objects.get()
    secret = body.pop("secret")
    assert secret == endpoint.secret
    created_at, updated_at = body.pop("created_at"), body.pop("updated_at")
    assert created_at.endswith("Z")
    assert endpoint.created_at <= endpoint.updated_at
    assert created_at <= updated_at
    assert body == {
        "id": str(endpoint.pk),
        "url": URL,
        "type": "gosendapi_events",
        "phone_number_id": number.phone_number_id,
        "events": names,
        "enabled": True,
        "retry_schedule": "default",
        "disabled_reason": None,
        "disabled_at": None,
        "failing_since": None,
        "previous_secret_expires_at": None,
        "is_project_fallback": False,
    }
    shown = acme.call("GET", f"webhooks/{endpoint.pk}")
    assert shown.json() == {**body, "created_at": created_at, "updated_at": updated_at}
    assert secret not in acme.call("GET", "webhooks").content.decode()


@pytest.mark.parametrize("spelling", [str, int])
def test_the_number_may_be_named_by_our_id(acme: Caller, number: PhoneNumber, spelling: type) -> None:
    made = acme.call(
        "POST", "webhooks", {"url": URL, "events": ["*"], "phone_number_id": spelling(number.pk)}
    )

    assert made.status_code == 201
    assert made.json()["phone_number_id"] == number.phone_number_id


def test_a_project_level_webhook_has_no_number(acme: Caller) -> None:
    made = acme.call("POST", "webhooks", {"url": URL, "events": ["whatsapp.template.approved"]})

    assert (made.status_code, made.json()["phone_number_id"]) == (201, None)


@pytest.mark.parametrize(
    ("change", "status", "code", "field"),
    [
        ({"url": None}, 400, "INVALID_FIELD", "url"),
        ({"url": "http://customer.example/"}, 422, "INVALID_URL", "url"),
        ({"url": "https://192.168.0.1/"}, 422, "INVALID_URL", "url"),
        ({"events": []}, 422, "INVALID_EVENT", "events"),
        ({"events": "*"}, 400, "INVALID_FIELD", "events"),
        ({"events": ["whatsapp.message.read"]}, 422, "INVALID_EVENT", "events"),
        ({"phone_number_id": "555000"}, 404, "INVALID_PHONE_NUMBER_ID", "phone_number_id"),
        ({"type": "kapso"}, 400, "INVALID_FIELD", "type"),
        ({"type": "meta_raw", "events": []}, 400, "MISSING_REQUIRED_FIELD", "phone_number_id"),
        ({"enabled": "perhaps"}, 400, "INVALID_FIELD", "enabled"),
        ({"enabled": 0}, 400, "INVALID_FIELD", "enabled"),
        ({"retry_schedule": "never"}, 400, "INVALID_FIELD", "retry_schedule"),
    ],
)
def test_a_bad_field_is_named_and_nothing_is_made(
    acme: Caller, settings: Settings, change: dict[str, Any], status: int, code: str, field: str
) -> None:
    settings.TRUSTED_NETWORKS = []

    refused = acme.call("POST", "webhooks", {"url": URL, "events": ["*"], **change})

    assert (refused.status_code, refused.json()["code"]) == (status, code)
    assert refused.json()["details"]["field"] == field
    assert WebhookEndpoint.objects.count() == 0


def test_a_missing_url_is_named(acme: Caller) -> None:
    refused = acme.call("POST", "webhooks", {"events": ["*"]})

    assert (refused.status_code, refused.json()["code"]) == (400, "MISSING_REQUIRED_FIELD")
    assert refused.json()["details"]["field"] == "url"


def test_a_body_that_is_no_object_is_refused(acme: Caller) -> None:
    assert acme.call("POST", "webhooks", b'["url"]').status_code == 400
    assert acme.call("POST", "webhooks", b"{").status_code == 400


def test_a_second_raw_webhook_of_a_number_is_a_conflict(acme: Caller, number: PhoneNumber) -> None:
    body = {"url": URL, "phone_number_id": number.phone_number_id, "type": "meta_raw"}
    assert acme.call("POST", "webhooks", body).status_code == 201

    again = acme.call("POST", "webhooks", body)

    assert (again.status_code, again.json()["code"]) == (409, "WEBHOOK_EXISTS")


def test_a_change_takes_what_is_given_and_leaves_the_rest(acme: Caller, number: PhoneNumber) -> None:
    endpoint, _ = endpoints.add(tenant=acme.tenant, number=number, url=URL, events=["*"])

    changed = acme.call(
        "PATCH",
        f"webhooks/{endpoint.pk}",
        {"events": ["whatsapp.message.read"], "enabled": False, "retry_schedule": "extended"},
    )

    body = changed.json()
    assert changed.status_code == 200
    assert (body["url"], body["events"]) == (URL, ["whatsapp.message.read"])
    assert (body["enabled"], body["retry_schedule"]) == (False, "extended")
    assert "secret" not in body


def test_the_number_of_a_webhook_does_not_change(acme: Caller, number: PhoneNumber) -> None:
    endpoint, _ = endpoints.add(tenant=acme.tenant, number=number, url=URL, events=["*"])
    other = tenants.add_sandbox(tenant=acme.tenant)
    path = f"webhooks/{endpoint.pk}"

    same = acme.call("PATCH", path, {"phone_number_id": number.phone_number_id})
    refused = acme.call("PATCH", path, {"phone_number_id": other.phone_number_id})

    assert (same.status_code, refused.status_code) == (200, 400)
    assert WebhookEndpoint.objects.get().phone_number == number


def test_a_removed_webhook_is_gone_and_what_waited_is_not_delivered(
    acme: Caller, number: PhoneNumber
) -> None:
    endpoint, _ = endpoints.add(tenant=acme.tenant, number=number, url=URL, events=["*"])
    _publish(number)

    removed = acme.call("DELETE", f"webhooks/{endpoint.pk}")

    assert (removed.status_code, removed.content) == (204, b"")
    assert acme.call("GET", f"webhooks/{endpoint.pk}").status_code == 404
    assert acme.call("DELETE", f"webhooks/{endpoint.pk}").status_code == 404
    assert acme.call("GET", "webhooks").json() == []
    assert Delivery.objects.get().status == "failed"


@pytest.mark.parametrize(
    ("method", "suffix"), [("GET", ""), ("PATCH", ""), ("DELETE", ""), ("GET", "/deliveries")]
)
def test_a_strangers_webhook_is_as_unknown_as_any(
    acme: Caller, globex: Caller, method: str, suffix: str
) -> None:
    endpoint, _ = endpoints.add(tenant=acme.tenant, url=URL, events=["*"], is_test=True)

    strange = globex.call(method, f"webhooks/{endpoint.pk}{suffix}", {} if method == "PATCH" else None)
    unknown = globex.call(method, f"webhooks/999999999{suffix}", {} if method == "PATCH" else None)
    nonsense = globex.call(method, f"webhooks/x{suffix}", {} if method == "PATCH" else None)

    assert strange.status_code == unknown.status_code == nonsense.status_code == 404
    assert {**strange.json(), "request_id": ""} == {**unknown.json(), "request_id": ""}
    assert WebhookEndpoint.objects.get().removed_at is None
    assert globex.call("GET", "webhooks").json() == []


def test_a_strangers_number_cannot_be_listened_to(globex: Caller, number: PhoneNumber) -> None:
    for name in (number.phone_number_id, str(number.pk)):
        refused = globex.call("POST", "webhooks", {"url": URL, "events": ["*"], "phone_number_id": name})
        assert refused.status_code == 404

    assert WebhookEndpoint.objects.count() == 0


def test_a_live_key_neither_makes_nor_sees_webhooks_of_sandbox_numbers(
    acme: Caller, number: PhoneNumber
) -> None:
    _, key = keys.mint(tenant=acme.tenant, label="live", environment="live")
    live = Caller(acme.tenant, key)
    endpoint, _ = endpoints.add(tenant=acme.tenant, number=number, url=URL, events=["*"])
    body = {"url": URL, "events": ["*"], "phone_number_id": number.phone_number_id}

    refused = live.call("POST", "webhooks", body)

    assert (refused.status_code, refused.json()["code"]) == (403, "ENVIRONMENT_MISMATCH")
    assert live.call("GET", f"webhooks/{endpoint.pk}").status_code == 404
    assert live.call("GET", "webhooks").json() == []


@pytest.mark.parametrize("method", ["POST", "PATCH", "DELETE"])
def test_changing_webhooks_takes_the_scope_manage(db: None, method: str) -> None:
    reader = _caller("Reader", scopes=("read", "send"))
    endpoint, _ = endpoints.add(tenant=reader.tenant, url=URL, events=["*"], is_test=True)
    path = "webhooks" if method == "POST" else f"webhooks/{endpoint.pk}"

    refused = reader.call(method, path, None if method == "DELETE" else {"url": URL, "events": ["*"]})

    assert (refused.status_code, refused.json()["code"]) == (403, "INSUFFICIENT_SCOPE")
    assert reader.call("GET", "webhooks").status_code == 200
    assert WebhookEndpoint.objects.get().removed_at is None


@pytest.mark.parametrize("count", [1, 3])
def test_a_list_costs_the_same_queries_however_long(
    acme: Caller, number: PhoneNumber, django_assert_num_queries: DjangoAssertNumQueries, count: int
) -> None:
    acme.call("GET", "me")  # notes the key's use, once
    for _ in range(count):
        endpoints.add(tenant=acme.tenant, number=number, url=URL, events=["*"])

    with django_assert_num_queries(3):
        listed = acme.call("GET", "webhooks")

    assert len(listed.json()) == count
    assert listed["X-Total-Count"] == str(count)


def test_a_rotated_secret_is_shown_this_once_and_the_old_one_signs_for_a_day(acme: Caller) -> None:
    endpoint, old = endpoints.add(tenant=acme.tenant, url=URL, events=["*"], is_test=True)

    rotated = acme.call("POST", f"webhooks/{endpoint.pk}/rotate-secret")

    body = rotated.json()
    assert rotated.status_code == 200
    assert body["secret"].startswith("whsec_")
    assert body["secret"] != old
    left = datetime.fromisoformat(body["previous_secret_expires_at"]) - timezone.now()
    assert timedelta(hours=23, minutes=59) < left <= timedelta(hours=24)
    endpoint.refresh_from_db()
    assert (endpoint.secret, endpoint.previous_secret) == (body["secret"], old)
    assert "secret" not in acme.call("GET", f"webhooks/{endpoint.pk}").json()


def test_an_overlap_is_as_long_as_asked_and_can_be_ended_at_once(acme: Caller) -> None:
    endpoint, _ = endpoints.add(tenant=acme.tenant, url=URL, events=["*"], is_test=True)
    path = f"webhooks/{endpoint.pk}"

    week = acme.call("POST", f"{path}/rotate-secret", {"overlap_hours": 168}).json()
    ended = acme.call("DELETE", f"{path}/previous-secret")
    again = acme.call("DELETE", f"{path}/previous-secret")
    none = acme.call("POST", f"{path}/rotate-secret", {"overlap_hours": 0}).json()

    assert datetime.fromisoformat(week["previous_secret_expires_at"]) > timezone.now() + timedelta(days=6)
    assert (ended.status_code, again.status_code, ended.content) == (204, 204, b"")
    assert none["previous_secret_expires_at"] is None
    endpoint.refresh_from_db()
    assert (endpoint.secret, endpoint.previous_secret) == (none["secret"], "")


@pytest.mark.parametrize("hours", [-1, 169, 1.5, "soon", None])
def test_an_overlap_outside_its_limits_is_refused(acme: Caller, hours: Any) -> None:
    endpoint, old = endpoints.add(tenant=acme.tenant, url=URL, events=["*"], is_test=True)

    refused = acme.call("POST", f"webhooks/{endpoint.pk}/rotate-secret", {"overlap_hours": hours})

    assert (refused.status_code, refused.json()["details"]) == (400, {"field": "overlap_hours"})
    assert WebhookEndpoint.objects.get().secret == old


def test_a_repeated_rotation_gives_the_same_secret(acme: Caller) -> None:
    endpoint, old = endpoints.add(tenant=acme.tenant, url=URL, events=["*"], is_test=True)

    def rotate() -> Any:
        return Client().post(
            f"/v1/webhooks/{endpoint.pk}/rotate-secret",
            content_type="application/json",
            headers={"X-API-Key": acme.key, "Idempotency-Key": "rotate-1"},
        )

    first, second = rotate(), rotate()

    assert first.status_code == second.status_code == 200
    assert first.content == second.content
    assert WebhookEndpoint.objects.get().previous_secret == old


def test_the_projects_address_is_listed_and_only_its_switch_changes(acme: Caller) -> None:
    acme.tenant.webhook_url = URL
    acme.tenant.save()
    events.publish(tenant_id=acme.tenant.pk, number=None, type="account.alert", data={}, occurred_at=HAPPENED)
    assert acme.call("GET", "webhooks").json() == []  # a test key: the address hears of live accounts

    acme = replace(acme, key=keys.mint(tenant=acme.tenant, label="live", environment="live")[1])
    [listed] = acme.call("GET", "webhooks").json()
    path = f"webhooks/{listed['id']}"

    assert (listed["url"], listed["is_project_fallback"]) == (URL, True)
    assert acme.call("PATCH", path, {"url": "https://other.example/"}).status_code == 400
    assert acme.call("DELETE", path).status_code == 400
    assert acme.call("PATCH", path, {"enabled": False}).json()["enabled"] is False
