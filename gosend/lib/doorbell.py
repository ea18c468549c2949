"""Ring for a worker; a bell nobody hears is no loss, because the sweep looks at the rows."""

import logging
import math
import time
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from celery import current_app
from django.db import transaction

log = logging.getLogger(__name__)

# Seconds after which a ring that no worker heard is dropped: by then a sweep has looked.
_EXPIRES = 30
# Seconds for which a broker that failed is left alone. A frozen one costs a socket's timeout per
# ring, which nobody who accepts a message should pay again and again.
_PAUSE_SECONDS = 5.0


@dataclass(slots=True)
class _Broker:
    is_broken: bool = False
    pause_until: float = -math.inf


@lru_cache(maxsize=8)
def _broker(_url: str) -> _Broker:
    return _Broker()


def ring(task: str, /, **arguments: Any) -> None:
    """Send a task by name once the transaction has committed. Never raises and hardly ever waits."""
    transaction.on_commit(lambda: _send(task, arguments), robust=True)


def _send(task: str, arguments: dict[str, Any]) -> None:
    broker = _broker(str(current_app.conf.broker_url))
    if time.monotonic() < broker.pause_until:
        return
    if broker.is_broken:  # one caller tries, the others still pass by
        broker.pause_until = time.monotonic() + _PAUSE_SECONDS
    try:
        current_app.send_task(task, kwargs=arguments, retry=False, ignore_result=True, expires=_EXPIRES)
        broker.is_broken, broker.pause_until = False, -math.inf
    except Exception as error:  # whatever the broker's library raises, the row is already kept
        broker.is_broken, broker.pause_until = True, time.monotonic() + _PAUSE_SECONDS
        log.warning("doorbell %s not rung: %s", task, type(error).__name__)
