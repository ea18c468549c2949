"""Sends per minute and hour: never more in any stretch, and a moment for each that may wait."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

import pytest
from django.db import connections
from django.utils import timezone

from accounts.models import PhoneNumber
from messaging import budgets
from messaging.models import SendSlot


@pytest.fixture
def small(number: PhoneNumber) -> PhoneNumber:
    number.rate_per_minute, number.rate_per_hour = 2, 5
    number.save()
    return number


def _spend(number: PhoneNumber, *, may_wait: bool) -> datetime | None:
    with budgets.one(number=number, may_wait=may_wait) as due_at:
        return due_at


@contextmanager
def _failing() -> Iterator[None]:
    with pytest.raises(ZeroDivisionError):
        yield


def test_the_defaults_are_the_settings(number: PhoneNumber) -> None:
    assert budgets.caps(number) == (20, 200)


def test_over_the_minute_a_send_that_cannot_wait_is_refused_with_the_seconds(small: PhoneNumber) -> None:
    assert [_spend(small, may_wait=False) for _ in range(2)] == [None, None]

    with pytest.raises(budgets.BudgetSpent) as refused:
        _spend(small, may_wait=False)

    assert refused.value.retry_after in (59, 60)
    assert refused.value.details == {"limitPerMinute": 2, "limitPerHour": 5}
    assert SendSlot.objects.count() == 2


def test_sends_that_may_wait_keep_both_budgets_whichever_way_time_is_cut(small: PhoneNumber) -> None:
    begun = timezone.now()
    due = [_spend(small, may_wait=True) for _ in range(13)]

    moments = sorted(SendSlot.objects.values_list("at", flat=True))
    assert due[:2] == [None, None]
    assert [moment for moment in due if moment] == moments[2:]
    for at, later in zip(moments, moments[2:], strict=False):
        assert later - at >= timedelta(minutes=1)
    for at, later in zip(moments, moments[5:], strict=False):
        assert later - at >= timedelta(hours=1)
    assert moments[-1] - begun < timedelta(hours=2, minutes=3)


def test_a_send_that_fails_costs_nothing(small: PhoneNumber) -> None:
    with _failing(), budgets.one(number=small, may_wait=False):
        raise ZeroDivisionError

    assert not SendSlot.objects.exists()


def test_a_wait_of_nearly_a_day_is_refused(small: PhoneNumber) -> None:
    SendSlot.objects.create(phone_number=small, at=timezone.now() + timedelta(hours=23))
    SendSlot.objects.create(phone_number=small, at=timezone.now() + timedelta(hours=23))

    with pytest.raises(budgets.BudgetSpent):
        _spend(small, may_wait=True)


def test_zero_is_no_cap_and_leaves_no_rows(number: PhoneNumber) -> None:
    number.rate_per_minute = number.rate_per_hour = 0

    assert {_spend(number, may_wait=False) for _ in range(30)} == {None}
    assert not SendSlot.objects.exists()


def test_only_slots_that_no_budget_looks_at_are_forgotten(number: PhoneNumber) -> None:
    for minutes in (-61, -59, 5):
        SendSlot.objects.create(phone_number=number, at=timezone.now() + timedelta(minutes=minutes))

    assert budgets.forget_past() == 1
    assert SendSlot.objects.count() == 2


@pytest.mark.django_db(transaction=True)
def test_many_at_once_get_no_more_than_the_budget(number: PhoneNumber) -> None:
    number.rate_per_minute, number.rate_per_hour = 5, 100
    granted: list[datetime | None] = []
    lock = threading.Lock()

    def ask() -> None:
        try:
            for _ in range(3):
                try:
                    due_at = _spend(number, may_wait=False)
                except budgets.BudgetSpent:
                    continue
                with lock:
                    granted.append(due_at)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=ask) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert granted == [None] * 5
    assert SendSlot.objects.count() == 5
