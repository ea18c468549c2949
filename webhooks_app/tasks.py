"""Deliver what is due."""

from celery import shared_task

from webhooks_app import deliver as room


@shared_task(name="webhooks_app.deliver")
def deliver() -> None:
    room.run()


@shared_task(name="webhooks_app.sweep")
def sweep() -> None:
    """Find what a lost doorbell or a dead worker left behind: the rows are the truth."""
    room.run()
