"""Hours are counted from ranges of ids, again and again to the same figures."""

from datetime import timedelta

import pytest
from django.utils import timezone
from pytest_django import Settings

from messaging import rollups
from messaging.models import HourlyFigure, Message
from tests import factories
from tests.conftest import Party

Status = Message.Status


def figures(measure: str) -> dict[str, int]:
    return dict(HourlyFigure.objects.filter(measure=measure).values_list("key", "count"))


@pytest.fixture
def hour_of_acme(acme: Party) -> Party:
    now = timezone.now()
    for status, error, seconds in (
        (Status.READ, None, 0.5),
        (Status.READ, None, 4),
        (Status.DELIVERED, None, 4000),
        (Status.FAILED, {"code": 131026}, None),
        (Status.FAILED, {"code": None}, None),
    ):
        factories.MessageFactory.create(
            tenant=acme.tenant,
            phone_number=acme.number,
            direction="outbound",
            status=status,
            error=error,
            created_at=now,
            delivered_at=now + timedelta(seconds=seconds) if seconds else None,
            failed_at=now if error else None,
        )
    return acme


def test_an_hour_is_counted_by_status_failure_and_delay(hour_of_acme: Party) -> None:
    rollups.refresh()

    assert figures("status") == {"read": 2, "delivered": 1, "failed": 2}
    assert figures("failure") == {"131026": 1, "other": 1}
    assert figures("delay") == {"1": 1, "5": 1, "more": 1}


def test_counting_again_follows_what_changed(hour_of_acme: Party) -> None:
    rollups.refresh()
    Message.objects.filter(status=Status.DELIVERED).update(status=Status.READ)

    rollups.refresh()

    assert figures("status") == {"read": 3, "failed": 2}


def test_webhook_deliveries_are_counted_with_the_endpoints_number(acme: Party) -> None:
    endpoint = factories.WebhookEndpointFactory.create(tenant=acme.tenant, phone_number=acme.number)
    factories.DeliveryFactory.create_batch(2, endpoint=endpoint, tenant=acme.tenant, status="delivered")

    rollups.refresh()

    (row,) = HourlyFigure.objects.filter(measure="webhook")
    assert (row.phone_number_id, row.tenant_id, row.key, row.count) == (
        acme.number.pk,
        acme.tenant.pk,
        "delivered",
        2,
    )


def test_figures_are_forgotten_after_the_days_set_the_oldest_first(acme: Party, settings: Settings) -> None:
    settings.FIGURES_DAYS = 30
    hours = [timezone.now() - timedelta(days=days) for days in (29, 31, 32)]
    rows = [factories.HourlyFigureFactory.create(tenant=acme.tenant, hour=hour) for hour in hours]

    assert rollups.forget_past(limit=1) == 1
    assert set(HourlyFigure.objects.all()) == set(rows[:2])
    assert (rollups.forget_past(), rollups.forget_past()) == (1, 0)
    assert list(HourlyFigure.objects.all()) == rows[:1]
    settings.FIGURES_DAYS = 0
    factories.HourlyFigureFactory.create(tenant=acme.tenant, hour=timezone.now() - timedelta(days=900))
    assert rollups.forget_past() == 0


def test_the_statements_do_not_grow_with_the_messages(
    hour_of_acme: Party, django_assert_num_queries: object
) -> None:
    with django_assert_num_queries(15):  # type: ignore[operator]
        rollups.refresh()
