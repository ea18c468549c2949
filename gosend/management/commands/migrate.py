"""Django's `migrate`, which does not stand in the way of a gateway at work."""

import random
import time
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
        connection = connections[options["database"]]
        for left in reversed(range(_TRIES)):
            try:
                with connection.cursor() as cursor:
                    cursor.execute("SELECT set_config('lock_timeout', %s, false)", [f"{_LOCK_SECONDS}s"])
                try:
                    super().handle(*args, **options)
                finally:
                    with connection.cursor() as cursor:
                        cursor.execute("RESET lock_timeout")
                return
            except OperationalError as error:
                if not left or getattr(error.__cause__, "sqlstate", None) not in _IN_USE:
                    raise
                self.stderr.write("A table is in use; trying again …")
                time.sleep(random.uniform(*_PAUSE_SECONDS))  # noqa: S311 -- not to meet the same one again
