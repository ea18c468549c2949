"""Every process says that it lives, and brings its counts; every sweep says that it has been round."""

import contextlib
import logging
import os
import socket
import threading
import time
from multiprocessing import util
from pathlib import Path

from django.conf import settings
from django.db import DatabaseError, connection

from gosend.lib import metrics

log = logging.getLogger(__name__)

# A process that was not seen for as long is forgotten.
_FORGET = "1 hour"
# An ending process waits no longer for its last counts to be kept.
_END_SECONDS = 5.0
_started: set[int] = set()


def start(kind: str) -> None:
    """Report from a thread of its own until the process ends; `kind` is web, worker or beat.

    The second start in a process does nothing, and METRICS_FLUSH_SECONDS=0 none at all.
    """
    if settings.METRICS_FLUSH_SECONDS <= 0 or os.getpid() in _started:
        return
    _started.add(os.getpid())
    stop = threading.Event()
    thread = threading.Thread(target=_run, args=[kind, stop], name="heartbeat", daemon=True)
    thread.start()
    # Unlike atexit it is also heeded by processes that multiprocessing made, as granian's workers are.
    util.Finalize(None, _end, args=(stop, thread), exitpriority=0)


def _run(kind: str, stop: threading.Event) -> None:
    name = name_of(kind)
    is_ending = False
    while True:
        try:
            metrics.flush()
            if not is_ending:
                stamp(kind=kind, name=name)
        except Exception as error:  # whatever ails the database, the counts wait and the process goes on
            log.warning("the process's counts could not be kept: %s", type(error).__name__)
            connection.close()
        if is_ending:
            break
        is_ending = stop.wait(settings.METRICS_FLUSH_SECONDS)
    with contextlib.suppress(Exception):
        leave(name)
    connection.close()


def _end(stop: threading.Event, thread: threading.Thread) -> None:
    stop.set()
    thread.join(_END_SECONDS)


def name_of(kind: str) -> str:
    """What this process is called in the list."""
    return f"{kind}@{socket.gethostname()}:{os.getpid()}"


def stamp(*, kind: str, name: str) -> None:
    """Note that something is at work now."""
    with connection.cursor() as cursor:
        memory = 0 if kind in ("sweep", "rounds") else _rss_bytes()
        given: dict[str, str | float] = {"name": name[:200], "kind": kind, "forget": _FORGET}
        cursor.execute(_STAMP, given | {"memory": memory, "clock": time.time()})


def note_sweep(name: str) -> None:
    """Note that a sweep has been round; what ails the database is not the sweep's matter."""
    with contextlib.suppress(DatabaseError):
        stamp(kind="sweep", name=name)


def leave(name: str) -> None:
    """Take a process off the list. Raises DatabaseError."""
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM gosend_heartbeat WHERE name = %s", [name])


def _rss_bytes() -> int:
    """Resident memory now; 0 where the system has no /proc."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except OSError:
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")


_STAMP = """
WITH gone AS (
    DELETE FROM gosend_heartbeat
     WHERE name <> %(name)s AND kind NOT IN ('sweep', 'turn') AND at < now() - %(forget)s::interval)
INSERT INTO gosend_heartbeat (name, kind, rss_bytes, at, clock_ahead)
VALUES (%(name)s, %(kind)s, %(memory)s, clock_timestamp(),
        %(clock)s::float8 - extract(epoch FROM clock_timestamp())::float8)
ON CONFLICT (name) DO UPDATE
   SET at = excluded.at, rss_bytes = excluded.rss_bytes, clock_ahead = excluded.clock_ahead
"""
