"""Deliver what is due; replay what was ordered; forget what is old."""

import threading

from celery import shared_task

from gosend.lib import heartbeat
from webhooks_app import deliver as room
from webhooks_app import replay, retention

# Threads of one worker process that may deliver at the same time; the others are for other tasks.
_rung = threading.Event()
_room = threading.BoundedSemaphore(room.RUNS)


@shared_task(name="webhooks_app.deliver")
def deliver() -> None:
    _deliver()


@shared_task(name="webhooks_app.replay")
def replay_ordered() -> None:
    replay.advance()


@shared_task(name="webhooks_app.sweep")
def sweep() -> None:
    """Find what a lost doorbell or a dead worker left behind: the rows are the truth."""
    replay.advance()
    heartbeat.stamp(kind="sweep", name="webhooks_app.sweep")
    _deliver()


@shared_task(name="webhooks_app.forget")
def forget() -> None:
    retention.forget()


def _deliver() -> None:
    """Deliver in a few threads of this process at most, so that slow receivers hold up no other task.

    A ring that finds no room is not lost: a thread at work looks again before it leaves.
    """
    _rung.set()
    while _rung.is_set() and _room.acquire(blocking=False):
        try:
            _rung.clear()
            room.run()
        finally:
            _room.release()
