"""gosend/api/v1/webhooks.py"""

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import orjson
import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries, Settings

from accounts import keys, tenants
from accounts.models import PhoneNumber, Tenant
from tests.webhooks_app import receiver as receivers
from tests.webhooks_app.conftest import HAPPENED
from webhooks_app import deliver, endpoints, events
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


@pytest.fixture
def receiver() -> Iterator[receivers.Receiver]:
    with receivers.serving() as running:
        yield running


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
    assert updated_at.endswith("Z")
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
    endpoint, _ = endpoints.add(tenant=acme.tenant, url=URL, events=["*"])

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
    endpoint, _ = endpoints.add(tenant=reader.tenant, url=URL, events=["*"])
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


def test_deliveries_show_every_attempt(
    acme: Caller, number: PhoneNumber, receiver: receivers.Receiver
) -> None:
    endpoint, _ = endpoints.add(tenant=acme.tenant, number=number, url=receiver.url(), events=["*"])
    _publish(number)
    for answer in (receivers.reply(503, b"later"), receivers.reply(200, b"thanks")):
        receiver.answer = answer
        deliver.run()
        Delivery.objects.filter(status="retrying").update(next_attempt_at=HAPPENED)

    [row] = acme.call("GET", f"webhooks/{endpoint.pk}/deliveries").json()

    delivery = Delivery.objects.get()
    assert (row["id"], row["delivery_id"]) == (str(delivery.pk), str(delivery.delivery_id))
    assert (row["event"], row["status"]) == ("whatsapp.message.delivered", "delivered")
    assert (row["attempt"], row["max_attempts"]) == (2, 5)
    assert (row["response_status"], row["response_body"], row["error"]) == (200, "thanks", None)
    assert (row["next_attempt_at"], row["ended_reason"]) == (None, None)
    assert row["delivered_at"].endswith("Z")
    assert row["payload"] == orjson.loads(receiver.received[0].body)
    assert [
        (attempt["attempt"], attempt["response_status"], attempt["response_body"], attempt["error"])
        for attempt in row["attempts"]
    ] == [(1, 503, "later", "bad_status"), (2, 200, "thanks", None)]
    assert uuid.UUID(row["delivery_id"]).version == 7


def test_deliveries_are_filtered_and_paged_newest_first(acme: Caller, number: PhoneNumber) -> None:
    endpoint, _ = endpoints.add(tenant=acme.tenant, number=number, url=URL, events=["*"])
    for type in ("message.sent", "message.delivered", "message.read"):
        _publish(number, type)
    Delivery.objects.filter(event__type="message.read").update(status="failed", next_attempt_at=None)
    path = f"webhooks/{endpoint.pk}/deliveries"

    def seen(query: str) -> list[str]:
        return [
            row["event"].removeprefix("whatsapp.message.") for row in acme.call("GET", path + query).json()
        ]

    assert seen("") == ["read", "delivered", "sent"]
    assert seen("?status=failed") == ["read"]
    assert seen("?event=whatsapp.message.sent") == ["sent"]
    assert seen("?event=whatsapp.no.such") == []
    assert seen("?page=2&per_page=2") == ["sent"]
    assert acme.call("GET", f"{path}?per_page=2")["X-Total-Count"] == "3"
    refused = acme.call("GET", f"{path}?status=lost")
    assert (refused.status_code, refused.json()["details"]["field"]) == (400, "status")


@pytest.mark.parametrize("count", [1, 3])
def test_the_log_costs_the_same_queries_however_long(
    acme: Caller,
    number: PhoneNumber,
    receiver: receivers.Receiver,
    django_assert_num_queries: DjangoAssertNumQueries,
    count: int,
) -> None:
    acme.call("GET", "me")
    endpoint, _ = endpoints.add(tenant=acme.tenant, number=number, url=receiver.url(), events=["*"])
    for _ in range(count):
        _publish(number)
    deliver.run()

    with django_assert_num_queries(5):
        listed = acme.call("GET", f"webhooks/{endpoint.pk}/deliveries")

    assert [len(row["attempts"]) for row in listed.json()] == [1] * count
