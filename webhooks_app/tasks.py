"""Deliver what is due; replay what was ordered; forget what is old."""

import logging

from celery import shared_task

from gosend.lib.shift import Shift
from webhooks_app import deliver as room
from webhooks_app import ending, replay, retention

log = logging.getLogger(__name__)

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
    for act in (ending.advance, replay.advance):
        try:
            act()
        except Exception:  # what is due is delivered all the same
            log.exception("%s broke", act.__module__)
    _shift.work(room.run)


@shared_task(name="webhooks_app.forget")
def forget() -> None:
    retention.forget()
