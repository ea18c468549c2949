"""A worker that hears no doorbell makes its rounds by itself: the rows are the queue, not the broker.

Celery's consumer may be without a broker, or connected and yet deaf; beat may be dead. Whichever it is, the
worker's threads and the database are there. So a thread beside the consumer looks whether anything was heard
lately, and if not does what beat would ask for, and whatever that rings for, in threads of its own.
"""

import logging
import os
import socket
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from django.conf import settings
from django.db import connection, connections

from gosend.lib import doorbell, heartbeat, stop

log = logging.getLogger(__name__)

# Seconds after which silence is deafness, although other workers hear: they take turns at what beat asks for.
_DEAF_SECONDS = 60.0
# Threads for what a worker on its rounds is rung for.
_THREADS = 8
# What is asked for at least as often is done at once when the rounds begin.
_SOON_SECONDS = 60.0
# Seconds between two reports that this worker is on its rounds.
_REPORT_SECONDS = 5.0


class Rounds:
    """What one worker process does about its own silence."""

    def __init__(self, tasks: Mapping[str, Callable[..., object]]) -> None:
        self._tasks = tasks
        self._heard_at = time.monotonic()
        self._pool: ThreadPoolExecutor | None = None
        self._lock = threading.Lock()
        self._waiting: set[tuple[str, tuple[tuple[str, Any], ...]]] = set()
        self._due: dict[str, float] = {}
        self._report_at = 0.0

    def note_heard(self) -> None:
        """A task came by the broker."""
        self._heard_at = time.monotonic()

    @property
    def is_on(self) -> bool:
        return self._pool is not None

    def run(self) -> None:
        """Look every SWEEP_SECONDS until the process is asked to stop."""
        while not stop.asked.wait(settings.SWEEP_SECONDS):
            try:
                self.look()
            except Exception as error:  # whatever ails the database, the next look may find it well
                log.warning("no rounds now: %s", type(error).__name__)
            finally:
                connection.close()
        self._end()

    def look(self) -> None:
        """Begin the rounds, go on with them, or end them. Raises DatabaseError."""
        silent = time.monotonic() - self._heard_at
        if silent <= settings.SWEEP_SECONDS * settings.SWEEP_EXPIRES_IN:
            self._end()
            return
        if not self.is_on and silent <= _DEAF_SECONDS and _are_others_hearing():
            return
        self._begin(silent)
        if (now := time.monotonic()) >= self._report_at:
            self._report_at = now + _REPORT_SECONDS
            heartbeat.stamp(kind="rounds", name=f"rounds@{socket.gethostname()}:{os.getpid()}")
        schedule: Mapping[str, Mapping[str, Any]] = settings.CELERY_BEAT_SCHEDULE
        for entry in schedule.values():
            task, seconds = entry["task"], float(entry["schedule"])
            # What is due rarely was done lately, as likely as not.
            if now >= self._due.setdefault(task, now + (seconds if seconds > _SOON_SECONDS else 0.0)):
                self._due[task] = now + seconds
                self._hear(task, {})

    def _begin(self, silent: float) -> None:
        if self._pool is None:
            log.warning("no doorbell was heard for %.0f s: this worker makes its rounds by itself", silent)
            # Its threads are waited for at the process's end: what they hold is finished or handed back.
            self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="rounds")
            doorbell.hear_here(self._hear)

    def _end(self) -> None:
        if self._pool is not None:
            log.info("doorbells are heard again, or the process ends: the rounds are over")
            doorbell.hear_here(None)
            self._pool.shutdown(wait=False)
            self._pool = None
            self._due.clear()

    def _hear(self, task: str, arguments: Mapping[str, Any]) -> None:
        """Do a task in a thread of the rounds; the same asked for again before it began is done once."""
        bell = task, tuple(sorted(arguments.items()))
        with self._lock:
            if bell in self._waiting:
                return
            self._waiting.add(bell)
        try:
            if self._pool is not None:
                self._pool.submit(self._do, bell)
                return
        except RuntimeError:  # the rounds ended just now, or there is no thread left
            pass
        with self._lock:
            self._waiting.discard(bell)

    def _do(self, bell: tuple[str, tuple[tuple[str, Any], ...]]) -> None:
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


def _are_others_hearing() -> bool:
    """Whether any worker finished what beat asked for lately, by the database's clock."""
    with connection.cursor() as cursor:
        cursor.execute(_HEARD, [settings.SWEEP_SECONDS * settings.SWEEP_EXPIRES_IN])
        return cursor.fetchone() is not None


_HEARD = """
SELECT 1 FROM gosend_heartbeat
 WHERE name = 'messaging.sweep' AND at > clock_timestamp() - make_interval(secs => %s)
"""
