"""Says it a little later."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from celery import shared_task
from django.db import connection
from django.db.models import Min
from django.db.models.functions import Now

from gosend.sandbox import callbacks
from gosend.sandbox.models import PendingCallback

# A loop waits for callbacks that are due this soon, and in all not longer than this.
WAIT_SECONDS = 3.0
LOOP_SECONDS = 5.0
# Rows that come in while a loop sleeps are seen after at most this long.
NAP_SECONDS = 0.1
# Names the lock among the advisory locks of the database.
_LOCK = 0x5A2DB0C5


@shared_task(name=callbacks.TASK)
def post_callbacks() -> None:
    """Post what is due and what will be in a moment. One loop at a time; the others leave at once."""
    with _only_one() as is_first:
        if is_first:
            _loop()


def _loop() -> None:
    stop_at = time.monotonic() + LOOP_SECONDS
    while time.monotonic() < stop_at:
        callbacks.post_due()
        wait = _seconds_to_next()
        if wait is None or wait > WAIT_SECONDS:
            return
        time.sleep(max(0.0, min(wait, NAP_SECONDS)))


def _seconds_to_next() -> float | None:
    found = PendingCallback.objects.aggregate(wait=Min("due_at") - Now())["wait"]
    return None if found is None else float(found.total_seconds())


@contextmanager
def _only_one() -> Iterator[bool]:
    """Hold a lock of the database session: it covers all processes, and ends with a killed one."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s)", [_LOCK])
        is_first = bool(cursor.fetchone()[0])
    try:
        yield is_first
    finally:
        if is_first:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_unlock(%s)", [_LOCK])
