"""Requests per key and day."""

import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection, connections
from django.test.utils import CaptureQueriesContext

from accounts import quota
from accounts.models import ApiKey, KeyDay
from tests import factories


@pytest.fixture
def key(db: None) -> ApiKey:
    return factories.ApiKeyFactory.create()


@pytest.mark.parametrize("limit", [1, 3, 60, 1100])
def test_exactly_as_many_as_the_limit_pass(key: ApiKey, limit: int) -> None:
    days = [quota.take(key=key, limit=limit) for _ in range(limit + 2)]

    assert [day.allowed for day in days] == [True] * limit + [False] * 2
    assert [day.remaining for day in days] == [*range(limit - 1, -1, -1), 0, 0]


def test_a_row_is_written_for_every_hundredth_request(key: ApiKey) -> None:
    with CaptureQueriesContext(connection) as queries:
        for _ in range(1000):
            quota.take(key=key, limit=100_000)

    assert len(queries) == 10


def test_what_another_process_has_drawn_is_gone(key: ApiKey) -> None:
    assert quota.take(key=key, limit=1000).remaining == 999
    quota._slices.clear()  # as in a process of its own

    assert quota.take(key=key, limit=1000).remaining == 979


def test_a_spent_day_writes_nothing_until_it_is_looked_at_again(key: ApiKey) -> None:
    for _ in range(2):
        quota.take(key=key, limit=1)

    with CaptureQueriesContext(connection) as queries:
        assert not any(quota.take(key=key, limit=1).allowed for _ in range(50))
    assert len(queries) == 0
    assert quota.take(key=key, limit=2).allowed


def test_the_next_day_begins_anew(key: ApiKey) -> None:
    assert not [quota.take(key=key, limit=1) for _ in range(2)][1].allowed
    KeyDay.objects.update(day=datetime.now(UTC).date() - timedelta(days=1))
    quota._slices.clear()

    assert quota.take(key=key, limit=1).allowed
    assert KeyDay.objects.count() == 2


def test_a_slice_of_yesterday_is_not_used_today(key: ApiKey) -> None:
    quota.take(key=key, limit=1000)
    held = quota._slices[key.pk]
    quota._slices[key.pk] = replace(held, day=held.day - timedelta(days=1))

    assert quota.peek(key=key, limit=1000) is None
    assert quota.take(key=key, limit=1000).remaining == 979


def test_the_wait_is_until_midnight_utc(key: ApiKey) -> None:
    now = datetime.now(UTC)
    midnight = (now + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)

    assert quota.take(key=key, limit=5).retry_after == pytest.approx((midnight - now).total_seconds(), abs=2)


def test_a_look_counts_nothing(key: ApiKey) -> None:
    assert quota.peek(key=key, limit=5) is None
    quota.take(key=key, limit=5)

    looks = [quota.peek(key=key, limit=5) for _ in range(3)]

    assert [look.remaining for look in looks if look] == [4, 4, 4]


@pytest.mark.django_db(transaction=True)
def test_many_at_once_get_the_limit_and_not_one_more() -> None:
    key = factories.ApiKeyFactory.create()
    allowed: list[bool] = []

    def hammer() -> None:
        allowed.extend(quota.take(key=key, limit=150).allowed for _ in range(60))
        connections.close_all()

    threads = [threading.Thread(target=hammer) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert (len(allowed), sum(allowed)) == (240, 150)


def test_counts_of_days_long_past_are_deleted(key: ApiKey) -> None:
    quota.take(key=key, limit=5)
    KeyDay.objects.create(api_key=key, day=datetime.now(UTC).date() - timedelta(days=40), drawn=5, slice=1)

    KeyDay.objects.create(api_key=key, day=datetime.now(UTC).date() - timedelta(days=41), drawn=5, slice=1)

    assert [quota.forget_past(limit=1) for _ in range(3)] == [1, 1, 0]
    assert KeyDay.objects.get().day == datetime.now(UTC).date()
