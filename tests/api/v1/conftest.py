"""A customer's server, and a webhook that leads to it."""

from collections.abc import Iterator
from typing import Protocol

import pytest

from accounts.models import PhoneNumber
from tests.conftest import Party
from tests.webhooks_app import receiver as receivers
from tests.webhooks_app.conftest import HAPPENED
from webhooks_app import endpoints, events
from webhooks_app.models import Delivery, WebhookEndpoint


@pytest.fixture
def receiver() -> Iterator[receivers.Receiver]:
    with receivers.serving() as running:
        yield running


@pytest.fixture
def endpoint(acme: Party, number: PhoneNumber, receiver: receivers.Receiver) -> WebhookEndpoint:
    made, _ = endpoints.add(tenant=acme.tenant, number=number, url=receiver.url(), events=["*"])
    return made


class Owe(Protocol):
    def __call__(self, type: str = "message.delivered") -> Delivery: ...


@pytest.fixture
def owe(number: PhoneNumber, endpoint: WebhookEndpoint) -> Owe:
    """Publish an event of the number's; returns what is owed."""

    def act(type: str = "message.delivered") -> Delivery:
        events.publish(
            tenant_id=number.tenant_id,
            number=number,
            type=type,
            data={"message": {"id": "wamid.1"}},
            occurred_at=HAPPENED,
        )
        return Delivery.objects.latest("pk")

    return act
