"""Deliver, ingest, requeue what got stuck."""

from celery import shared_task

from accounts import quota
from gosend.lib import doorbell
from messaging import deliver, idempotency, ingest, recover


@shared_task(name="messaging.drain")
def drain(number_id: int) -> None:
    deliver.drain(number_id=number_id)


@shared_task(name="messaging.ingest")
def ingest_due() -> None:
    ingest.handle_due()


@shared_task(name="messaging.sweep")
def sweep() -> None:
    recover.leases_ended()
    recover.unknown_overdue()
    recover.strays()
    for number_id in deliver.numbers_due():
        doorbell.ring("messaging.drain", number_id=number_id)


@shared_task(name="messaging.forget")
def forget() -> None:
    while idempotency.forget_expired():
        pass
    quota.forget_past()
