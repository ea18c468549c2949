"""Ring for a worker; a bell nobody hears is no loss, because the sweep looks at the rows."""

import logging
import math
import os
import threading
import time
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from celery import Celery, current_app
from django.db import transaction

from gosend.lib import metrics

log = logging.getLogger(__name__)

# Seconds after which a ring that no worker heard is dropped: by then a sweep has looked.
_EXPIRES = 30
# Seconds for which a broker that failed is left alone. A frozen one costs a socket's timeout per
# ring, which nobody who accepts a message should pay again and again.
_PAUSE_SECONDS = 5.0
# A ring that took longer found a slow broker: that one is left alone for so many times as long, so that
# few callers wait for it.
_SLOW_SECONDS = 0.25
_SLOW_PAUSES = 5.0
# Seconds within which a process rings one bell once: at once, and again at the end if asked meanwhile.
_INTERVAL_SECONDS = 0.1
_MAX_BELLS = 10_000


@dataclass(slots=True)
class _Broker:
    is_broken: bool = False
    pause_until: float = -math.inf


@lru_cache(maxsize=8)
def _broker(_url: str) -> _Broker:
    return _Broker()


@dataclass(frozen=True, slots=True)
class _Bell:
    task: str
    arguments: tuple[tuple[str, Any], ...]


def ring(task: str, /, **arguments: Any) -> None:
    """Send a task by name once the transaction has committed. Never raises and hardly ever waits.

    Rings in quick succession are heard as one or two: the last is never swallowed, so whoever hears it
    sees every row that was committed before.
    """
    bell = _Bell(task, tuple(sorted(arguments.items())))
    transaction.on_commit(lambda: _bells.ring(bell), robust=True)


def ring_later(task: str, /, *, seconds: float, **arguments: Any) -> None:
    """The same after a while; lost with this process, as any ring may be."""
    bell = _Bell(task, tuple(sorted(arguments.items())))
    transaction.on_commit(lambda: _bells.ring_after(bell, seconds), robust=True)


class _Bells:
    """Which bells this process rang a moment ago, and which it is yet to ring."""

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Begin anew; in a forked child, where the threads that were to ring do not run."""
        self._lock = threading.Lock()
        self._rung_at: dict[_Bell, float] = {}
        self._pending: set[_Bell] = set()

    def ring(self, bell: _Bell) -> None:
        now = time.monotonic()
        with self._lock:
            wait = self._rung_at.get(bell, -math.inf) + _INTERVAL_SECONDS - now
            if wait <= 0:
                self._note(bell, now)
        if wait <= 0:
            _send(_app(), bell)
        else:
            self.ring_after(bell, wait)

    def ring_after(self, bell: _Bell, seconds: float) -> None:
        with self._lock:
            if bell in self._pending:
                return
            self._pending.add(bell)
        try:
            timer = threading.Timer(seconds, self._ring_due, [_app(), bell])
            timer.daemon = True
            timer.start()
        except RuntimeError:  # the process is ending, or has no thread left
            self._pending.discard(bell)

    def _ring_due(self, app: Celery, bell: _Bell) -> None:
        # No longer pending before it rings: whoever commits from now on asks for another ring.
        with self._lock:
            self._pending.discard(bell)
            self._note(bell, time.monotonic())
        _send(app, bell)

    def _note(self, bell: _Bell, now: float) -> None:
        if len(self._rung_at) >= _MAX_BELLS:
            self._rung_at.clear()
        self._rung_at[bell] = now


_bells = _Bells()
os.register_at_fork(after_in_child=_bells.forget)


def _app() -> Celery:
    app: Celery = current_app._get_current_object()  # type: ignore[attr-defined]
    return app


def _send(app: Celery, bell: _Bell) -> None:
    broker = _broker(str(app.conf.broker_url))
    if time.monotonic() < broker.pause_until:
        return
    if broker.is_broken:  # one caller tries, the others still pass by
        broker.pause_until = time.monotonic() + _PAUSE_SECONDS
    started = time.monotonic()
    try:
        app.send_task(
            bell.task, kwargs=dict(bell.arguments), retry=False, ignore_result=True, expires=_EXPIRES
        )
        took = time.monotonic() - started
        broker.is_broken = took > _SLOW_SECONDS
        broker.pause_until = time.monotonic() + _SLOW_PAUSES * took if broker.is_broken else -math.inf
    except Exception as error:  # whatever the broker's library raises, the row is already kept
        broker.is_broken, broker.pause_until = True, time.monotonic() + _PAUSE_SECONDS
        metrics.REDIS_FAILURES.add("doorbell")
        log.warning("doorbell %s not rung: %s", bell.task, type(error).__name__)
