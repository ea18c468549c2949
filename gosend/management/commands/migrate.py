"""Django's `migrate`, which does not stand in the way of a gateway at work."""

import random
import time
from collections.abc import Callable, Mapping
from typing import Any

from django.core.management.commands import migrate
from django.db import OperationalError, connections

# Seconds that a step waits for a table which others are using. Whoever comes after it waits behind it, so
# this is less than a client would notice, and than the second after which PostgreSQL looks for a deadlock.
_LOCK_SECONDS = 0.5
# Seconds between two tries, and how many there are: some minutes.
_PAUSE_SECONDS = (0.5, 2.0)
_TRIES = 120
# lock_not_available, deadlock_detected
_IN_USE = ("55P03", "40P01")


class Command(migrate.Command):
    help = (
        "Bring the database up to date. Web and worker processes may go on meanwhile: where one holds a table"
        " for longer than a moment, this gives it way and tries again."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        """Each migration that was done stays done; one that gave way is as if it had not begun."""
        for left in reversed(range(_TRIES)):
            try:
                with connections[options["database"]].execute_wrapper(_impatiently):
                    super().handle(*args, **options)
                return
            except OperationalError as error:
                if not left or getattr(error.__cause__, "sqlstate", None) not in _IN_USE:
                    raise
                self.stderr.write("A table is in use; trying again …")
                time.sleep(random.uniform(*_PAUSE_SECONDS))  # noqa: S311 -- not to meet the same one again


def _impatiently(
    execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Mapping[str, Any]
) -> Any:
    """Execute with our patience, set for the transaction: behind a pooler a session may be another's next.

    What goes outside a transaction, as an index that is built concurrently, waits as long as it must: giving
    up in between would leave half of it behind.
    """
    if context["connection"].in_atomic_block:
        context["cursor"].cursor.execute(f"SET LOCAL lock_timeout = '{_LOCK_SECONDS}s'")
    return execute(sql, params, many, context)
