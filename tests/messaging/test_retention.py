"""messaging/retention.py, and the housekeeping task that calls it."""

from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries, Settings

from accounts.models import PhoneNumber
from gosend.lib import ids
from messaging import retention, tasks
from messaging.models import MetaEvent, StatusReport

_OLD = 10_000
_YOUNG = 50


def _age(days: int) -> int:
    return ids.first_id(timezone.now() - timedelta(days=days))


def _callbacks(days: int, count: int) -> None:
    """Callbacks that were handled, of some days ago."""
    first = _age(days)
    with connection.cursor() as cursor:
        cursor.execute(_CALLBACKS, [first, first + count - 1])


def _reports(number: PhoneNumber, days: int, count: int) -> None:
    first = _age(days)
    with connection.cursor() as cursor:
        cursor.execute(_REPORTS, [number.pk, first, first + count - 1])


def test_ten_thousand_old_rows_go_and_the_young_stay(number: PhoneNumber, settings: Settings) -> None:
    settings.META_LOG_DAYS = 30
    for days, count in ((31, _OLD), (29, _YOUNG)):
        _callbacks(days, count)
        _reports(number, days, count)

    tasks.forget()

    first_kept = _age(30)
    assert MetaEvent.objects.filter(pk__gte=first_kept).count() == MetaEvent.objects.count() == _YOUNG
    assert StatusReport.objects.filter(pk__gte=first_kept).count() == StatusReport.objects.count() == _YOUNG


def test_one_statement_takes_no_more_than_a_batch(
    db: None, settings: Settings, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    settings.META_LOG_DAYS = 30
    _callbacks(31, 25)

    with django_assert_num_queries(1):
        assert retention.forget_callbacks(limit=10) == 10

    assert MetaEvent.objects.count() == 15


def test_what_could_not_be_handled_stays_to_be_handled_again(db: None, settings: Settings) -> None:
    settings.META_LOG_DAYS = 30
    _callbacks(400, 2)
    failed = MetaEvent.objects.order_by("pk")[0]
    MetaEvent.objects.filter(pk=failed.pk).update(handled_at=None, errors=[{"field": "", "error": "broke"}])

    assert retention.forget_callbacks() == 1

    assert MetaEvent.objects.get() == failed


def test_what_meta_may_still_repeat_is_kept_whatever_is_set(db: None, settings: Settings) -> None:
    settings.META_LOG_DAYS = 1
    _callbacks(7, 2)
    assert retention.forget_callbacks() == 0


def test_zero_keeps_everything(db: None, settings: Settings) -> None:
    settings.META_LOG_DAYS = 0
    _callbacks(400, 2)
    assert retention.forget_callbacks() == 0


@pytest.mark.django_db(transaction=True)
def test_a_row_that_somebody_holds_is_left_for_the_next_run(settings: Settings) -> None:
    settings.META_LOG_DAYS = 30
    _callbacks(31, 3)
    held = MetaEvent.objects.order_by("pk")[0].pk
    other = connection.copy()
    try:
        other.set_autocommit(False)
        with other.cursor() as cursor:
            cursor.execute("SELECT 1 FROM messaging_metaevent WHERE id = %s FOR UPDATE", [held])
        assert retention.forget_callbacks() == 2
    finally:
        other.rollback()
        other.close()
    assert retention.forget_callbacks() == 1


_CALLBACKS = """
INSERT INTO messaging_metaevent
       (id, is_sandbox, body, digest, handled_at, next_attempt_at, attempt_count, errors)
SELECT n, true, '{}', sha256(n::text::bytea), now(), NULL, 1, '[]' FROM generate_series(%s::bigint, %s) n
"""
_REPORTS = """
INSERT INTO messaging_statusreport (id, phone_number_id, wamid, status, participant, opaque, occurred_at, raw)
SELECT n, %s, 'wamid.' || n, 'sent', '', '', now(), '{}' FROM generate_series(%s::bigint, %s) n
"""
