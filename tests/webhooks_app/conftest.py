"""A tenant with a number, and its server."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Protocol

import pytest

from accounts import tenants
from accounts.models import PhoneNumber, Tenant
from tests.webhooks_app import receiver as receivers
from webhooks_app import endpoints, events
from webhooks_app.models import Delivery, WebhookEndpoint

HAPPENED = datetime(2026, 5, 18, 12, 35, tzinfo=UTC)


@pytest.fixture
def receiver() -> Iterator[receivers.Receiver]:
    with receivers.serving() as running:
        yield running


@pytest.fixture
def acme(db: None) -> Tenant:
    return tenants.open_tenant(name="Acme")


@pytest.fixture
def number(acme: Tenant) -> PhoneNumber:
    return tenants.add_sandbox(tenant=acme)


@pytest.fixture
def endpoint(acme: Tenant, number: PhoneNumber, receiver: receivers.Receiver) -> WebhookEndpoint:
    made, _ = endpoints.add(tenant=acme, number=number, url=receiver.url(), events=["*"])
    return made


class Publish(Protocol):
    def __call__(self, number: PhoneNumber, data: dict[str, Any] | None = None) -> Delivery: ...


@pytest.fixture
def publish(db: None) -> Publish:
    """Publish one message event; returns the newest delivery it made."""

    def act(number: PhoneNumber, data: dict[str, Any] | None = None) -> Delivery:
        events.publish(
            tenant_id=number.tenant_id,
            number=number,
            type="message.delivered",
            data=data or {"message": {"id": "wamid.1"}},
            occurred_at=HAPPENED,
        )
        return Delivery.objects.latest("pk")

    return act
