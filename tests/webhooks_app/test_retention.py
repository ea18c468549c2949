"""webhooks_app/retention.py"""

from datetime import timedelta

import pytest
from django.utils import timezone
from pytest_django import Settings

from accounts.models import PhoneNumber
from gosend.lib import ids
from tests import factories
from tests.webhooks_app.conftest import Publish
from webhooks_app import deliver, replay, retention
from webhooks_app.models import Attempt, Delivery, Event, Replay, WebhookEndpoint


def _age(days: float) -> int:
    return ids.first_id(timezone.now() - timedelta(days=days))


def _old(days: float, **fields: object) -> Delivery:
    made: Delivery = factories.DeliveryFactory.create(
        pk=_age(days), event__pk=_age(days) + 1, next_attempt_at=None, status="delivered", **fields
    )
    factories.AttemptFactory.create(delivery=made)
    return made


@pytest.mark.django_db
def test_what_ended_long_ago_is_forgotten_and_what_is_younger_stays(settings: Settings) -> None:
    settings.WEBHOOK_LOG_DAYS = 30
    _old(31)
    young = _old(29)

    assert retention.forget() == 3

    assert Delivery.objects.get() == young
    assert Event.objects.get() == young.event
    assert Attempt.objects.get().delivery == young


@pytest.mark.django_db
def test_no_days_are_for_ever(settings: Settings) -> None:
    settings.WEBHOOK_LOG_DAYS = 0
    _old(4000)

    assert retention.forget() == 0
    assert Delivery.objects.exists()


@pytest.mark.django_db
def test_what_still_waits_stays_however_old(settings: Settings) -> None:
    settings.WEBHOOK_LOG_DAYS = 30
    waiting = _old(40)
    Delivery.objects.update(next_attempt_at=timezone.now())
    Delivery.objects.create(
        tenant=waiting.tenant,
        endpoint=factories.WebhookEndpointFactory.create(tenant=waiting.tenant),
        event=waiting.event,
        id=_age(40) + 5,
        next_attempt_at=None,
    )

    retention.forget()

    assert Delivery.objects.get() == waiting
    assert Event.objects.get() == waiting.event
    assert Attempt.objects.count() == 1


@pytest.mark.django_db
def test_an_order_is_forgotten_after_its_deliveries(settings: Settings) -> None:
    settings.WEBHOOK_LOG_DAYS = 30
    delivery = _old(31)
    moment = timezone.now()
    Replay.objects.create(
        pk=_age(31) + 9,
        tenant=delivery.tenant,
        endpoint=delivery.endpoint,
        since=moment,
        until=moment,
        total=1,
        finished_at=moment,
    )
    Delivery.objects.update(replay=Replay.objects.get())

    retention.forget()

    assert (Delivery.objects.count(), Replay.objects.count()) == (0, 0)


def test_an_order_made_today_is_kept(
    number: PhoneNumber, endpoint: WebhookEndpoint, publish: Publish
) -> None:
    publish(number)
    deliver.run()
    replay.order(endpoint=endpoint, since=timezone.now() - timedelta(hours=1), wanted="all")
    replay.advance()

    assert retention.forget() == 0
    assert Replay.objects.count() == 1
