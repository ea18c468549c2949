"""Deliver, ingest, requeue what got stuck."""

import logging

from celery import shared_task

from accounts import quota
from gosend.lib import doorbell, heartbeat
from messaging import budgets, deliver, endings, idempotency, inbound_media, ingest, media, recover, rollups

log = logging.getLogger(__name__)


@shared_task(name="messaging.drain")
def drain(number_id: int) -> None:
    deliver.drain(number_id=number_id)


@shared_task(name="messaging.ingest")
def ingest_due() -> None:
    ingest.handle_due()


@shared_task(name="messaging.sweep")
def sweep() -> None:
    for number_id in deliver.numbers_due():
        doorbell.ring("messaging.drain", number_id=number_id)
    for stage in (recover.leases_ended, recover.unknown_overdue, recover.strays):
        try:
            stage()
        except Exception:
            # The next look comes in a second; what stops one stage must not stop the others.
            log.exception("the sweep's stage %s broke", stage.__name__)
    heartbeat.stamp(kind="sweep", name="messaging.sweep")


@shared_task(name="messaging.forget")
def forget() -> None:
    recover.too_old()
    while idempotency.forget_expired():
        pass
    quota.forget_past()
    while media.forget_expired():
        pass
    while budgets.forget_past():
        pass
    while inbound_media.purge():
        pass


@shared_task(name="messaging.fetch_media")
def fetch_media() -> None:
    inbound_media.fetch_due()


@shared_task(name="messaging.roll_up")
def roll_up() -> None:
    rollups.refresh()


@shared_task(name="messaging.sweep_conversations")
def sweep_conversations() -> None:
    endings.sweep()
