"""Where nobody sweeps, a worker makes the rounds by itself: the rows are the queue, not the broker.

Celery's consumers may be without a broker, or connected and yet deaf; beat may be dead; a hanging Meta may
hold every thread. Whichever it is, the process and the database are there. So a thread beside the consumer
looks whether anybody swept lately, and if not does what beat would ask for, and whatever that rings for, in
threads of its own. Several workers on their rounds take turns.
"""

import contextlib
import logging
import os
import random
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from django.conf import settings
from django.db import DatabaseError, connection, connections

from gosend.lib import crew, doorbell, heartbeat, stop

log = logging.getLogger(__name__)

# What beat asks for at least as often shows within minutes whether anybody sweeps.
_OFTEN_SECONDS = 60.0
# Threads for what a worker on its rounds is rung for: drains, webhooks and callbacks take a dozen at most.
_THREADS = 16
# Seconds between two reports that this worker is on its rounds.
_REPORT_SECONDS = 5.0

_Bell = tuple[str, tuple[tuple[str, Any], ...]]


class Rounds:
    """What one worker process does about sweeps that nobody makes."""

    def __init__(self, tasks: Mapping[str, Callable[..., object]]) -> None:
        self._tasks = tasks
        # Its threads are kept, and waited for at the end.
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="rounds", initializer=crew.roam)
        self._lock = threading.Lock()
        self._waiting: set[_Bell] = set()
        # Workers that start together with beat have heard nothing of it yet.
        self._ask_at = time.monotonic() + settings.SWEEP_SECONDS * settings.SWEEP_EXPIRES_IN
        self._report_at = 0.0
        self.is_on = False

    def run(self) -> None:
        """Look about every SWEEP_SECONDS, so that no worker is always first, until the process is to stop."""
        while not stop.asked.wait(settings.SWEEP_SECONDS * random.uniform(0.5, 1.5)):  # noqa: S311
            try:
                self.look()
            except Exception as error:  # whatever ails the database, the next look may find it well
                log.warning("no rounds now: %s", type(error).__name__)
                connection.close()
        with contextlib.suppress(DatabaseError):
            self._end()
        connection.close()

    def finish(self) -> None:
        """Wait for what was begun, which finishes, or hands back, what it holds; begin nothing more."""
        stop.asked.set()  # Celery's signal handlers did, but no other way of ending does
        doorbell.hear_here(None)
        self._pool.shutdown(wait=True, cancel_futures=True)

    def look(self) -> None:
        """Begin the rounds, go on with them, or end them. Raises DatabaseError."""
        if time.monotonic() < self._ask_at:
            return
        task = _overdue()
        if task is None:
            self._end()
            return
        self._begin(task)
        for due in _take_turns():
            self._hear(due, {})

    def _begin(self, task: str) -> None:
        if not self.is_on:
            log.warning("nobody does %s for beat: this worker makes its rounds by itself", task)
            _make_turns()
            self.is_on = True
            doorbell.hear_here(self._hear)
        if (now := time.monotonic()) >= self._report_at:
            self._report_at = now + _REPORT_SECONDS
            heartbeat.stamp(kind="rounds", name=_name())

    def _end(self) -> None:
        if self.is_on:
            self.is_on = False
            self._report_at = 0.0
            doorbell.hear_here(None)
            log.info("this worker ends its rounds")
            heartbeat.leave(_name())

    def _hear(self, task: str, arguments: Mapping[str, Any]) -> None:
        """Do a task in a thread of the rounds; the same asked for again before it began is done once."""
        bell = task, tuple(sorted(arguments.items()))
        with self._lock:
            if bell in self._waiting:
                return
            self._waiting.add(bell)
        try:
            self._pool.submit(self._do, bell)
        except RuntimeError:  # the process ends, or has no thread left
            with self._lock:
                self._waiting.discard(bell)

    def _do(self, bell: _Bell) -> None:
        with self._lock:
            self._waiting.discard(bell)
        if stop.asked.is_set():
            return
        name, arguments = bell
        try:
            self._tasks[name](**dict(arguments))
        except Exception:
            log.exception("%s broke on the rounds", name)
        finally:
            # These threads work rarely, and shall not hold a connection each for the rest of the time.
            connections.close_all()


def _name() -> str:
    return heartbeat.name_of("rounds")


def _overdue() -> str | None:
    """What beat asks for often and no worker finished for so many times as long, by the database's clock.

    Some of it may be done all the same: where most workers' clocks are ahead they drop what they hear, and
    who is right hears the rest.
    """
    schedule: Mapping[str, Mapping[str, Any]] = settings.CELERY_BEAT_SCHEDULE
    asked = [(entry["task"], float(entry["schedule"])) for entry in schedule.values()]
    often = [(task, seconds) for task, seconds in asked if seconds <= _OFTEN_SECONDS]
    with connection.cursor() as cursor:
        cursor.execute(
            _OVERDUE,
            [[task for task, _ in often], [seconds for _, seconds in often], settings.SWEEP_EXPIRES_IN],
        )
        row = cursor.fetchone()
    return None if row is None else str(row[0])


def _make_turns() -> None:
    """A task's turn is a row beside the one that says when a worker did it for beat."""
    with connection.cursor() as cursor:
        cursor.execute(_MAKE, [[entry["task"] for entry in settings.CELERY_BEAT_SCHEDULE.values()]])


def _take_turns() -> list[str]:
    """What is due of all that beat would ask for, each for one worker of all that are on their rounds."""
    schedule: Mapping[str, Mapping[str, Any]] = settings.CELERY_BEAT_SCHEDULE
    tasks = [entry["task"] for entry in schedule.values()]
    seconds = [float(entry["schedule"]) for entry in schedule.values()]
    with connection.cursor() as cursor:
        cursor.execute(_TAKE, [tasks, seconds])
        taken = {name for (name,) in cursor.fetchall()}
    return [task for task in tasks if task in taken]


os.register_at_fork(after_in_child=lambda: doorbell.hear_here(None))

# What was never done is not due for the first time yet, where others were.
_OVERDUE = """
WITH seen AS (
    SELECT asked.task, asked.seconds, done.at
      FROM unnest(%s::text[], %s::float8[]) AS asked (task, seconds)
      LEFT JOIN gosend_heartbeat done ON done.name = asked.task
)
SELECT task FROM seen
 WHERE at NOT BETWEEN clock_timestamp() - make_interval(secs => seconds * %s) AND clock_timestamp()
    OR NOT EXISTS (SELECT 1 FROM seen WHERE at IS NOT NULL)
 ORDER BY seconds, task LIMIT 1
"""
# What lies in the future was noted before the clock was set back.
_TAKE = """
WITH due AS (
    SELECT turn.name, asked.task
      FROM unnest(%s::text[], %s::float8[]) AS asked (task, seconds)
      JOIN gosend_heartbeat turn ON turn.name = 'turn ' || asked.task
     WHERE turn.at NOT BETWEEN clock_timestamp() - make_interval(secs => seconds) AND clock_timestamp()
       AND NOT EXISTS (
           SELECT 1 FROM gosend_heartbeat done
            WHERE done.name = asked.task
              AND done.at BETWEEN clock_timestamp() - make_interval(secs => seconds) AND clock_timestamp())
     ORDER BY turn.name FOR UPDATE OF turn SKIP LOCKED
)
UPDATE gosend_heartbeat AS turn SET at = clock_timestamp() FROM due WHERE turn.name = due.name
RETURNING due.task
"""
_MAKE = """
INSERT INTO gosend_heartbeat (name, kind, rss_bytes, at)
SELECT 'turn ' || task, 'turn', 0, 'epoch' FROM unnest(%s::text[]) AS asked (task) ORDER BY 1
ON CONFLICT (name) DO NOTHING
"""
