"""webhooks_app/health.py: warnings; what disables an endpoint is in test_deliver.py."""

import json
from datetime import timedelta

import pytest
from django.db.models.functions import Now
from django.utils import timezone

from accounts.models import PhoneNumber, Tenant
from tests.webhooks_app import receiver as receivers
from tests.webhooks_app.conftest import Publish
from webhooks_app import claims, deliver, endpoints
from webhooks_app.models import Event, WebhookEndpoint


@pytest.fixture
def alerts(acme: Tenant) -> WebhookEndpoint:
    made, _ = endpoints.add(tenant=acme, url="https://customer.example/alerts", events=["*"], is_test=True)
    return made


def _fail(number: PhoneNumber, publish: Publish, *, since: timedelta) -> None:
    WebhookEndpoint.objects.filter(phone_number=number).update(failing_since=Now() - since)
    claim = claims.take_one(delivery=publish(number))
    assert claim is not None
    deliver.attempt(claim)


def _warned() -> list[int]:
    bodies = Event.objects.filter(type="account.alert").order_by("pk").values_list("body", flat=True)
    return [json.loads(bytes(body))["alert"]["percent"] for body in bodies]


def test_each_stage_is_warned_of_once(
    number: PhoneNumber,
    endpoint: WebhookEndpoint,
    alerts: WebhookEndpoint,
    receiver: receivers.Receiver,
    publish: Publish,
) -> None:
    receiver.answer = receivers.reply(500)

    for hours, warned in (
        (59, []),
        (61, [50]),
        (70, [50]),
        (85, [50, 70]),
        (109, [50, 70, 90]),
        (119, [50, 70, 90]),
    ):
        _fail(number, publish, since=timedelta(hours=hours))
        assert _warned() == warned


def test_a_warning_says_which_webhook_fails_since_when_and_until_when(
    number: PhoneNumber,
    endpoint: WebhookEndpoint,
    alerts: WebhookEndpoint,
    receiver: receivers.Receiver,
    publish: Publish,
) -> None:
    receiver.answer = receivers.reply(500)

    _fail(number, publish, since=timedelta(days=4))

    alert = json.loads(bytes(Event.objects.get(type="account.alert").body))["alert"]
    assert (alert["type"], alert["webhook_id"], alert["percent"]) == (
        "webhook_failing",
        str(endpoint.pk),
        70,
    )
    assert alert["failing_since"][:10] == (timezone.now() - timedelta(days=4)).date().isoformat()
    assert alert["disabled_from"][:10] == (timezone.now() + timedelta(days=1)).date().isoformat()


def test_a_success_begins_the_warnings_anew(
    number: PhoneNumber,
    endpoint: WebhookEndpoint,
    alerts: WebhookEndpoint,
    receiver: receivers.Receiver,
    publish: Publish,
) -> None:
    receiver.answer = receivers.reply(500)
    _fail(number, publish, since=timedelta(days=3))
    receiver.answer = receivers.reply(200)
    claim = claims.take_one(delivery=publish(number))
    assert claim is not None
    deliver.attempt(claim)
    endpoint.refresh_from_db()
    assert (endpoint.failing_since, endpoint.warned_percent) == (None, 0)
    receiver.answer = receivers.reply(500)

    _fail(number, publish, since=timedelta(days=3))

    assert _warned() == [50, 50]
