"""Every counter, in one list.

A process adds up in memory; `lib/heartbeat.py` brings the sums to the database every few seconds, where
`/metrics` finds those of all processes, those that have ended included. A killed process takes its last
few seconds of counts with it: what must never be lost are rows, and rows are read when they are asked for.
"""

import os
import threading
from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass

from django.db import connection, transaction

# The parts of a name and its labels: ("gosend_http_seconds_bucket", ("v1", "send", "2xx", "0.1")).
Key = tuple[str, tuple[str, ...]]

_lock = threading.Lock()
_pending: dict[Key, float] = {}
# Series of one process between two visits to the database; labels are words of ours, so it is never reached.
_MAX_SERIES = 5_000


@dataclass(frozen=True, slots=True)
class Counter:
    """Counts what happened. Label values are words from our code, never names, numbers or keys."""

    name: str
    help: str
    labels: tuple[str, ...] = ()

    def add(self, *values: str, amount: float = 1) -> None:
        if amount:
            with _lock:
                _add((self.name, values), amount)


@dataclass(frozen=True, slots=True)
class Histogram:
    """Counts durations, in seconds, by the upper ends of their buckets."""

    name: str
    help: str
    labels: tuple[str, ...]
    buckets: tuple[float, ...]

    def observe(self, seconds: float, *values: str, count: int = 1) -> None:
        """`count` events that took so long each."""
        at = bisect_left(self.buckets, seconds)
        end = str(self.buckets[at]) if at < len(self.buckets) else "+Inf"
        with _lock:
            _add((f"{self.name}_bucket", (*values, end)), count)
            _add((f"{self.name}_sum", values), seconds * count)


def _add(key: Key, amount: float) -> None:
    if key in _pending or len(_pending) < _MAX_SERIES:
        _pending[key] = _pending.get(key, 0.0) + amount


def flush() -> None:
    """Bring what this process has counted to the database; keeps it when the database is away."""
    global _pending
    with _lock:
        taken, _pending = _pending, {}
    if not taken:
        return
    # Everyone locks the rows in the same order.
    rows = sorted(taken.items())
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            # A crash of the server may take back the last moment's counts: they are not worth a wait.
            cursor.execute("SET LOCAL synchronous_commit = off")
            cursor.executemany(_FLUSH, [(name, list(labels), amount) for (name, labels), amount in rows])
    except BaseException:
        with _lock:
            for key, amount in rows:
                _add(key, amount)
        raise


_FLUSH = """
INSERT INTO gosend_tally AS known (name, labels, value) VALUES (%s, %s, %s)
ON CONFLICT (name, labels) DO UPDATE SET value = known.value + excluded.value
"""


def totals() -> Mapping[Key, float]:
    """What all processes have brought so far."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT name, labels, value FROM gosend_tally")
        return {(name, tuple(labels)): value for name, labels, value in cursor.fetchall()}


def forget() -> None:
    """Begin anew, in a forked child: its parent brings what was counted before."""
    global _lock, _pending
    _lock, _pending = threading.Lock(), {}


os.register_at_fork(after_in_child=forget)

_FAST = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_SLOW = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)

HTTP_SECONDS = Histogram(
    "gosend_http_seconds",
    "Answers of our own server, by door, by what was asked (send or other) and by class of status.",
    ("door", "call", "status"),
    _FAST,
)
SEND_SECONDS = Histogram(
    "gosend_send_seconds",
    "Calls that hand a message to Meta or the sandbox, by outcome: sent, not_sent, final or unknown.",
    ("outcome",),
    _SLOW,
)
MESSAGES = Counter(
    "gosend_message_statuses_total", "Outbound messages that came to a status, each once.", ("status",)
)
FAILURES = Counter(
    "gosend_message_failures_total",
    "Messages that failed, by Meta's error code, or none for a reason of our own.",
    ("code",),
)
WEBHOOK_SECONDS = Histogram(
    "gosend_webhook_seconds",
    "Attempts at tenants' webhooks: delivered, refused (answered, but no 2xx) or unreachable.",
    ("outcome",),
    _SLOW,
)
CALLBACKS = Counter(
    "gosend_callbacks_total", "Callbacks of Meta's that were worked off: handled or failed.", ("result",)
)
CALLBACK_LAG = Histogram(
    "gosend_callback_lag_seconds",
    "From a callback's arrival to its being worked off.",
    (),
    (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0),
)
LIMITS = Counter(
    "gosend_limit_decisions_total",
    "What limits decided: which limit, where it was counted (redis, process or database), and the verdict.",
    ("limit", "where", "verdict"),
)
REDIS_FAILURES = Counter("gosend_redis_failures_total", "Exchanges with Redis that failed.", ("user",))

COUNTERS = (MESSAGES, FAILURES, CALLBACKS, LIMITS, REDIS_FAILURES)
HISTOGRAMS = (HTTP_SECONDS, SEND_SECONDS, WEBHOOK_SECONDS, CALLBACK_LAG)
