"""Deliver, ingest, requeue what got stuck."""

import logging
import time
from collections.abc import Callable
from functools import partial
from threading import BoundedSemaphore

from celery import shared_task

from accounts import audit, quota
from gosend.lib import doorbell, stop
from gosend.lib.shift import Shift
from messaging import (
    budgets,
    deliver,
    endings,
    idempotency,
    inbound_media,
    ingest,
    media,
    pairs,
    recover,
    retention,
    rollups,
    tallies,
)

log = logging.getLogger(__name__)

# Each deletes a batch of what is past its time, and says how many rows that were.
_FORGET_BATCHES: tuple[Callable[[], int], ...] = (
    idempotency.forget_expired,
    media.forget_expired,
    budgets.forget_past,
    pairs.forget_past,
    inbound_media.purge,
    retention.forget_callbacks,
    retention.forget_reports,
    rollups.forget_past,
    quota.forget_past,
    audit.forget_past,
    tallies.forget_empty,
)
# Seconds that one run gives to each of them; what is left then waits for the next run.
_FORGET_SECONDS = 60.0
# Who fetches customers' files at once in a process.
_fetching = BoundedSemaphore(2)
# Who handles callbacks: another thread where those at work are long at their batches.
_ingesting = Shift(4, suffices=ingest.is_brisk)


@shared_task(name="messaging.drain")
def drain(number_id: int) -> None:
    deliver.drain(number_id=number_id)


@shared_task(name="messaging.ingest")
def ingest_due() -> None:
    _ingesting.work(ingest.handle_due)


@shared_task(name="messaging.sweep")
def sweep() -> None:
    for number_id in deliver.numbers_due():
        doorbell.ring("messaging.drain", number_id=number_id)
    for stage in (recover.leases_ended, recover.unknown_overdue, recover.strays, tallies.fold):
        try:
            stage()
        except Exception:
            # The next look comes in a second; what stops one stage must not stop the others.
            log.exception("the sweep's stage %s broke", stage.__name__)


@shared_task(name="messaging.forget")
def forget() -> None:
    _guarded(partial(_repeat, recover.too_old))
    for batch in _FORGET_BATCHES:
        _guarded(partial(_repeat, batch))


@shared_task(name="messaging.fetch_media")
def fetch_media() -> None:
    # A slow host of Meta's must leave threads to what sends, hears and tells.
    if not _fetching.acquire(blocking=False):
        return
    try:
        inbound_media.fetch_due()
    finally:
        _fetching.release()


@shared_task(name="messaging.roll_up")
def roll_up() -> None:
    rollups.refresh()


@shared_task(name="messaging.sweep_conversations")
def sweep_conversations() -> None:
    endings.sweep()


def _repeat(batch: Callable[[], int]) -> None:
    """Delete batch after batch, each in a transaction of its own."""
    deadline = time.monotonic() + _FORGET_SECONDS
    while batch() and time.monotonic() < deadline and not stop.asked.is_set():
        pass


def _guarded(stage: Callable[[], object]) -> None:
    """What breaks one stage of the housekeeping must not keep the others from theirs."""
    try:
        stage()
    except Exception:
        log.exception("a stage of the housekeeping broke")
