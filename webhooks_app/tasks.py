"""Deliver what is due; replay what was ordered; forget what is old."""

from celery import shared_task

from gosend.lib.shift import Shift
from webhooks_app import deliver as room
from webhooks_app import replay, retention

# Slow receivers hold up no other task: the threads that are not here are for those.
_shift = Shift(room.RUNS, suffices=room.has_room)


@shared_task(name="webhooks_app.deliver")
def deliver() -> None:
    _shift.work(room.run)


@shared_task(name="webhooks_app.replay")
def replay_ordered() -> None:
    replay.advance()


@shared_task(name="webhooks_app.sweep")
def sweep() -> None:
    """Find what a lost doorbell or a dead worker left behind: the rows are the truth."""
    replay.advance()
    _shift.work(room.run)


@shared_task(name="webhooks_app.forget")
def forget() -> None:
    retention.forget()
