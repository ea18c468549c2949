"""Ring for a worker; a bell nobody hears is no loss, because the sweep looks at the rows."""

import logging
from typing import Any

from celery import current_app
from django.db import transaction

log = logging.getLogger(__name__)

# Seconds after which a ring that no worker heard is dropped: by then a sweep has looked.
_EXPIRES = 30


def ring(task: str, /, **arguments: Any) -> None:
    """Send a task by name once the transaction has committed. Never raises and never waits."""
    transaction.on_commit(lambda: _send(task, arguments), robust=True)


def _send(task: str, arguments: dict[str, Any]) -> None:
    try:
        current_app.send_task(task, kwargs=arguments, retry=False, ignore_result=True, expires=_EXPIRES)
    except Exception as error:  # whatever the broker's library raises, the row is already kept
        log.warning("doorbell %s not rung: %s", task, type(error).__name__)
