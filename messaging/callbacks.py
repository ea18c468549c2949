"""Meta's callbacks as rows that are jobs: take a batch, hold it, close it."""

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import orjson
from django.conf import settings
from django.db import connection
from django.utils import timezone

from accounts.models import MetaApp
from gosend.lib import metrics
from gosend.whatsapp import events
from messaging.models import MetaEvent

# Seconds until a callback whose handling failed is taken up again.
_RETRY_SECONDS = (5, 30, 120, 600, 3600)
# Bytes of bodies after which a batch takes no further callback: Meta's may have 3 MB each, and what is read
# from them takes several times as much memory.
MAX_BYTES = 10_000_000


@dataclass(slots=True)
class Callback:
    """One callback in a worker's hands, its items once they are read, and what went wrong with some."""

    pk: int
    app: MetaApp | None
    is_sandbox: bool
    body: bytes
    received_at: datetime
    is_forwarded: bool
    attempt_count: int
    payload: Any = None
    items: list[events.Item] = field(default_factory=list)
    problems: list[dict[str, str]] = field(default_factory=list)

    def blame(self, item: str, error: Exception) -> None:
        self.problems.append({"field": item, "error": f"{type(error).__name__}: {error}"[:500]})


def take(*, limit: int) -> list[Callback]:
    """Claim callbacks that nobody has tried yet, oldest first: one, and more up to `limit` and MAX_BYTES."""
    return _take("= 0", limit)


def take_again() -> list[Callback]:
    """Claim one that was tried before. Alone, so that what takes workers down takes no others along."""
    return _take("> 0", 1)


def of_event(event: MetaEvent) -> Callback:
    return Callback(
        pk=event.pk,
        app=event.app,
        is_sandbox=event.is_sandbox,
        body=bytes(event.body),
        received_at=event.received_at,
        is_forwarded=event.forwarded_at is not None,
        attempt_count=event.attempt_count,
    )


def renew(callbacks: Collection[Callback]) -> set[int]:
    """Hold callbacks for longer; those that another worker has taken are missing from the answer."""
    rows = [{"id": one.pk, "attempt_count": one.attempt_count} for one in callbacks]
    with connection.cursor() as cursor:
        cursor.execute(_RENEW, [settings.INGEST_LEASE_SECONDS, orjson.dumps(rows).decode()])
        return {pk for (pk,) in cursor.fetchall()}


def release(callbacks: Collection[Callback]) -> None:
    """Hand back what was taken and not begun, as if it had not been taken."""
    rows = [{"id": one.pk, "attempt_count": one.attempt_count} for one in callbacks]
    with connection.cursor() as cursor:
        cursor.execute(_RELEASE, [orjson.dumps(rows).decode()])


def close(callbacks: Collection[Callback]) -> None:
    """Note what is done with, and when to try again what is not, in one statement for each kind."""
    done = [one.pk for one in callbacks if not one.problems]
    failed = [
        {"id": one.pk, "errors": one.problems, "delay": _delay(one.attempt_count)}
        for one in callbacks
        if one.problems
    ]
    metrics.CALLBACKS.add("handled", amount=len(done))
    metrics.CALLBACKS.add("failed", amount=len(failed))
    now = timezone.now()
    for one in callbacks:
        if not one.problems:
            metrics.CALLBACK_LAG.observe(max(0.0, (now - one.received_at).total_seconds()))
    with connection.cursor() as cursor:
        if done:
            cursor.execute(_DONE, [done])
        if failed:
            cursor.execute(_FAILED, [orjson.dumps(failed).decode()])


def park(callback: Callback, reason: str) -> None:
    """Leave a callback to the console, with the reason."""
    problems = [{"field": "", "error": reason}]
    MetaEvent.objects.filter(pk=callback.pk).update(errors=problems, next_attempt_at=None)


def _delay(attempt_count: int) -> int | None:
    """Seconds until the next try; None after the last one."""
    if attempt_count > len(_RETRY_SECONDS):
        return None
    return _RETRY_SECONDS[max(attempt_count, 1) - 1]


def _take(attempts: str, limit: int) -> list[Callback]:
    with connection.cursor() as cursor:
        cursor.execute(_TAKE.format(attempts=attempts), [limit, MAX_BYTES, settings.INGEST_LEASE_SECONDS])
        rows = sorted(cursor.fetchall())
    apps = MetaApp.objects.in_bulk({row[1] for row in rows if row[1] is not None})
    return [
        Callback(
            pk=pk,
            app=apps.get(app_id),
            is_sandbox=is_sandbox,
            body=bytes(body),
            received_at=received_at,
            is_forwarded=is_forwarded,
            attempt_count=attempt_count,
        )
        for pk, app_id, is_sandbox, body, received_at, is_forwarded, attempt_count in rows
    ]


# The size of a body is read without the body.
_TAKE = """
WITH waiting AS (
    SELECT id, next_attempt_at, octet_length(body) AS size FROM messaging_metaevent
     WHERE next_attempt_at <= statement_timestamp() AND attempt_count {attempts}
     ORDER BY next_attempt_at, id
     LIMIT %s
       FOR UPDATE SKIP LOCKED
), due AS (
    SELECT id FROM (
        SELECT id, sum(size) OVER (ORDER BY next_attempt_at, id) - size AS before FROM waiting) AS summed
     WHERE before < %s)
UPDATE messaging_metaevent e
   SET next_attempt_at = statement_timestamp() + make_interval(secs => %s),
       attempt_count = e.attempt_count + 1
  FROM due WHERE e.id = due.id
RETURNING e.id, e.app_id, e.is_sandbox, e.body, e.received_at, e.forwarded_at IS NOT NULL, e.attempt_count
"""
_RENEW = """
UPDATE messaging_metaevent e
   SET next_attempt_at = statement_timestamp() + make_interval(secs => %s)
  FROM jsonb_to_recordset(%s::jsonb) AS mine (id bigint, attempt_count int)
 WHERE e.id = mine.id AND e.attempt_count = mine.attempt_count AND e.handled_at IS NULL
RETURNING e.id
"""
_RELEASE = """
UPDATE messaging_metaevent e
   SET next_attempt_at = statement_timestamp(), attempt_count = e.attempt_count - 1
  FROM jsonb_to_recordset(%s::jsonb) AS mine (id bigint, attempt_count int)
 WHERE e.id = mine.id AND e.attempt_count = mine.attempt_count AND e.handled_at IS NULL
"""
_DONE = """
UPDATE messaging_metaevent
   SET handled_at = statement_timestamp(), next_attempt_at = NULL, errors = '[]'
 WHERE id = ANY(%s::bigint[])
"""
_FAILED = """
UPDATE messaging_metaevent e
   SET errors = failed.errors, next_attempt_at = statement_timestamp() + make_interval(secs => failed.delay)
  FROM jsonb_to_recordset(%s::jsonb) AS failed (id bigint, errors jsonb, delay float8)
 WHERE e.id = failed.id
"""
