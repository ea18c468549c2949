"""manage.py alive"""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connection

from gosend.lib import heartbeat


class Command(BaseCommand):
    help = (
        "End with 0 where a process of this kind reported from this host within half a minute: a health check"
        " that asks no broker, for a worker goes on without one."
    )

    requires_system_checks = ()  # it is asked every minute

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("kind", choices=("web", "worker", "beat"))

    def handle(self, *, kind: str, **_options: Any) -> None:
        host, _, _ = heartbeat.name_of(kind).rpartition(":")
        with connection.cursor() as cursor:
            cursor.execute(_SEEN, [kind, f"{host}:"])
            (count,) = cursor.fetchone()
        if not count:
            raise CommandError(f"No {kind} process of this host has reported for half a minute.")


_SEEN = """
SELECT count(*) FROM gosend_heartbeat
 WHERE kind = %s AND starts_with(name, %s) AND at > clock_timestamp() - interval '30 seconds'
"""
