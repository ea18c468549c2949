"""Deliver what is due; replay what was ordered; forget what is old."""

from celery import shared_task

from webhooks_app import deliver as room
from webhooks_app import replay, retention


@shared_task(name="webhooks_app.deliver")
def deliver() -> None:
    room.run()


@shared_task(name="webhooks_app.replay")
def replay_ordered() -> None:
    replay.advance()


@shared_task(name="webhooks_app.sweep")
def sweep() -> None:
    """Find what a lost doorbell or a dead worker left behind: the rows are the truth."""
    replay.advance()
    room.run()


@shared_task(name="webhooks_app.forget")
def forget() -> None:
    retention.forget()
