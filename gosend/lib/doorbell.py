"""Ring for a worker; a bell nobody hears is no loss, because the sweep looks at the rows."""

import heapq
import itertools
import logging
import math
import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, NamedTuple

from celery import Celery, current_app
from django.db import connection, transaction
from kombu.pools import ProducerPool

from gosend.lib import crew, metrics, redis_broker
from gosend.lib.redis_broker import Pattern

log = logging.getLogger(__name__)

# Seconds after which a ring that no worker heard is dropped: by then a sweep has looked.
_EXPIRES = 30
# Seconds for which a broker that failed is left alone. A frozen one costs a socket's timeout per
# ring, which nobody who accepts a message should pay again and again.
_PAUSE_SECONDS = 5.0
# What one ring may cost its caller: seconds until there is a connection, and until each answer on it. A
# worker that listens has longer ones of its own (CELERY_BROKER_TRANSPORT_OPTIONS).
_TIMEOUTS = {"socket_connect_timeout": 0.3, "socket_timeout": 0.5}
# Rings at once in a process, and seconds that one more waits for its turn.
_AT_ONCE = 16
_TURN_SECONDS = 0.3
# A ring that took longer found a slow broker: for so many times as long a thread rings in the callers' place.
_SLOW_SECONDS = 0.25
_SLOW_TIMES = 5.0
# Seconds within which a process rings one bell once: at once, and again at the end if asked meanwhile.
_INTERVAL_SECONDS = 0.1
# A ring costs its process a tenth of a millisecond, and whoever hears it more. A process that rings more
# often than once in so many seconds rings each bell less often, though at least once in the longest interval.
_COST_SECONDS = 0.04
# Bells that are due within so many seconds of the first ring with it.
_TOGETHER_SECONDS = 0.03
_LONGEST_SECONDS = 1.0
_MAX_BELLS = 10_000
# Seconds after which the library writes a task's message anew.
_PATTERN_SECONDS = 60.0


@dataclass(slots=True)
class _Broker:
    producers: ProducerPool
    # What the library wrote for each task, and until when that is written again without it.
    patterns: dict[str, tuple[Pattern, float]] = field(default_factory=dict)
    is_broken: bool = False
    pause_until: float = -math.inf
    slow_until: float = -math.inf


@lru_cache(maxsize=8)
def _broker(app: Celery, _url: str) -> _Broker:
    connection = app.connection_for_write(transport_options=_TIMEOUTS)
    return _Broker(ProducerPool(connection.Pool(_AT_ONCE), limit=_AT_ONCE))


class _Bell(NamedTuple):
    task: str
    arguments: tuple[tuple[str, Any], ...]


def ring(task: str, /, **arguments: Any) -> None:
    """Send a task by name once the transaction has committed. Never raises and hardly ever waits.

    Rings in quick succession are heard as one or two: the last is never swallowed, so whoever hears it
    sees every row that was committed before.
    """
    bell = _Bell(task, tuple(sorted(arguments.items())))
    if connection.in_atomic_block:
        transaction.on_commit(lambda: _bells.ring(bell), robust=True)
    else:
        _bells.ring(bell)


def ring_later(task: str, /, *, seconds: float, **arguments: Any) -> None:
    """The same after a while; lost with this process, as any ring may be."""
    bell = _Bell(task, tuple(sorted(arguments.items())))
    transaction.on_commit(lambda: _bells.ring_after(bell, seconds), robust=True)


class _Bells:
    """Which bells this process rang a moment ago, and one thread for those that it is yet to ring."""

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Begin anew; in a forked child, where the thread that was to ring does not run."""
        self._changed = threading.Condition()
        self._rung_at: dict[_Bell, float] = {}
        # When each is to ring; in `_due` by the moment, with the application to ring it at.
        self._pending: dict[_Bell, float] = {}
        self._due: list[tuple[float, int, Celery, _Bell]] = []
        self._order = itertools.count()
        self._thread: threading.Thread | None = None
        self._paid_at = -math.inf

    def ring(self, bell: _Bell) -> None:
        now = time.monotonic()
        with self._changed:
            apart = min(max(self._paid_at - now, _INTERVAL_SECONDS), _LONGEST_SECONDS)
            at = self._rung_at.get(bell, -math.inf) + apart
            if at > now or now < _slow_until(_app()):
                self._put(bell, max(at, now))
                return
            self._note(bell, now)
        _send(_app(), bell)

    def ring_after(self, bell: _Bell, seconds: float) -> None:
        with self._changed:
            self._put(bell, time.monotonic() + seconds)

    def _put(self, bell: _Bell, at: float) -> None:
        if self._pending.get(bell, math.inf) <= at:
            return
        self._pending[bell] = at
        heapq.heappush(self._due, (at, next(self._order), _app(), bell))
        if self._thread is None:
            try:
                self._thread = threading.Thread(target=self._ring_due, name="doorbell", daemon=True)
                self._thread.start()
            except RuntimeError:  # the process is ending, or has no thread left
                self._thread = None
                self._pending.clear()
                self._due.clear()
        elif self._due[0][-1] is bell:
            self._changed.notify()

    def _ring_due(self) -> None:
        crew.roam()
        while True:
            with self._changed:
                while not self._due or (wait := self._due[0][0] - time.monotonic()) > 0:
                    self._changed.wait(wait if self._due else None)
                app, bells = self._take_due()
            if bells:
                _send(app, *bells)

    def _take_due(self) -> tuple[Celery, list[_Bell]]:
        """What is due at one application, and what would be in a moment: together they cost little more."""
        now, app = time.monotonic(), self._due[0][2]
        bells: list[_Bell] = []
        while self._due and self._due[0][0] <= now + _TOGETHER_SECONDS and self._due[0][2] is app:
            at, _, _, bell = heapq.heappop(self._due)
            if self._pending.get(bell) == at:  # else it was asked for earlier meanwhile, and has rung
                # No longer pending before it rings: whoever commits from now on asks for another ring.
                del self._pending[bell]
                self._note(bell, now)
                bells.append(bell)
        return app, bells

    def _note(self, bell: _Bell, now: float) -> None:
        if len(self._rung_at) >= _MAX_BELLS:
            self._rung_at.clear()
        self._rung_at[bell] = now
        self._paid_at = min(max(self._paid_at, now) + _COST_SECONDS, now + _LONGEST_SECONDS)


_bells = _Bells()
_hearer: Callable[[str, Mapping[str, Any]], None] | None = None
os.register_at_fork(after_in_child=_bells.forget)
# A child must not speak on its parent's connections.
os.register_at_fork(after_in_child=_broker.cache_clear)


def _app() -> Celery:
    app: Celery = current_app._get_current_object()  # type: ignore[attr-defined]
    return app


def _slow_until(app: Celery) -> float:
    try:
        return _broker(app, str(app.conf.broker_url)).slow_until
    except Exception:  # no broker by this address: `_send` says so
        return -math.inf


def hear_here(hearer: Callable[[str, Mapping[str, Any]], None] | None) -> None:
    """Have this process's own rings heard in it, by task and arguments, and not sent; None ends that.

    For a worker that is on its rounds (`lib/rounds.py`).
    """
    global _hearer
    _hearer = hearer


def _send(app: Celery, *bells: _Bell) -> None:
    if (hearer := _hearer) is not None:
        for bell in bells:
            hearer(bell.task, dict(bell.arguments))  # which never raises
        return
    try:
        broker = _broker(app, str(app.conf.broker_url))
    except Exception as error:
        log.warning("doorbell %s not rung: %s", bells[0].task, type(error).__name__)
        return
    if time.monotonic() < broker.pause_until:
        return
    if broker.is_broken:  # one caller tries, the others still pass by
        broker.pause_until = time.monotonic() + _PAUSE_SECONDS
    began = time.monotonic()
    try:
        with broker.producers.acquire(block=True, timeout=_TURN_SECONDS) as producer:
            _put(app, broker, producer, bells)
        broker.is_broken, broker.pause_until = False, -math.inf
        if (took := time.monotonic() - began) > _SLOW_SECONDS:
            broker.slow_until = time.monotonic() + _SLOW_TIMES * took
    except Exception as error:  # whatever the broker's library raises, the row is already kept
        broker.is_broken, broker.pause_until = True, time.monotonic() + _PAUSE_SECONDS
        metrics.REDIS_FAILURES.add("doorbell")
        log.warning("doorbell %s not rung: %s", bells[0].task, type(error).__name__)


def _put(app: Celery, broker: _Broker, producer: Any, bells: Sequence[_Bell]) -> None:
    """Have the library write a task's first message, and write the next ones after it, all at once."""
    now, alike = time.monotonic(), list[tuple[Pattern, Mapping[str, Any]]]()
    for bell in bells:
        arguments = dict(bell.arguments)
        pattern, until = broker.patterns.get(bell.task, (None, -math.inf))
        if pattern is not None and now < until:
            alike.append((pattern, arguments))
            continue
        app.send_task(
            bell.task, kwargs=arguments, producer=producer, retry=False, ignore_result=True, expires=_EXPIRES
        )
        found = getattr(producer.channel, "pattern", None)  # none over files
        if found is not None and found.message["headers"]["task"] == bell.task:
            broker.patterns[bell.task] = found, now + _PATTERN_SECONDS
    if alike:
        redis_broker.put(producer.channel, alike, expires=_EXPIRES)
