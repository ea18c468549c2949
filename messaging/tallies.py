"""How many messages there are of a kind, exactly, without counting them: triggers keep the tallies.

Each statement that changes messages writes what it changes of the tallies (migration 0012); the sweep
adds that up. A total is the tallies, what was not added up yet, and the sends that are not settled.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from django.db import connection, transaction

from messaging.models import Message

# Changes that one statement adds up.
BATCH = 10_000
# Sends that wait or are under way are counted one by one, up to so many.
OPEN_MAX = 50_000
# Those that no tally counts: each has its dispatch.
OPEN = (Message.Status.QUEUED, Message.Status.SENDING)
_LOCK = 7_204_002


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """Which messages to count; None is any. Days are whole ones, of UTC, both included."""

    tenant_id: int
    number_ids: Sequence[int]
    customer_id: int | None = None
    direction: str | None = None
    type: str | None = None
    status: str | None = None
    since: date | None = None
    until: date | None = None


def total(kind: Kind) -> tuple[int, bool]:
    """How many messages are of a kind, and whether that is all of them.

    One statement, whose price grows with the days and not with the messages.
    """
    words, values = _conditions(kind)
    settled = 0 if kind.status in OPEN else 1
    limit = OPEN_MAX + 1 if kind.status is None or kind.status in OPEN else 0
    parts = [*([_SETTLED] if settled else []), *([_OPEN] if limit else [])]
    parameters: list[Any] = [*(values + values if settled else [])]
    if limit:
        parameters += [list(kind.number_ids), *values, limit]
    with connection.cursor() as cursor:
        cursor.execute(" UNION ALL ".join(parts).format(words=words), parameters)
        counts = dict(cursor.fetchall())
    waiting = counts.get("open", 0)
    return int(counts.get("settled", 0)) + min(waiting, OPEN_MAX), waiting <= OPEN_MAX


def fold(*, limit: int = BATCH) -> int:
    """Add a batch of changes to the tallies; return how many changes that were."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [_LOCK])
        if not cursor.fetchone()[0]:
            return 0
        cursor.execute(_FOLD, [limit])
        return int(cursor.fetchone()[0])


def forget_empty(*, limit: int = BATCH) -> int:
    """Delete tallies of nothing: a day's messages that went on to another status."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
        cursor.execute(_FORGET, [limit])
        return int(cursor.rowcount)


def count_anew(*, tenant_id: int) -> None:
    """Make one tenant's tallies from its messages, where rows came past the triggers."""
    with transaction.atomic(), connection.cursor() as cursor:
        # Nobody may change messages between the count and the end of the changes before it.
        cursor.execute("LOCK TABLE messaging_message IN SHARE ROW EXCLUSIVE MODE")
        for statement in _COUNT_ANEW:
            cursor.execute(statement, [tenant_id])


def _conditions(kind: Kind) -> tuple[str, list[Any]]:
    asked: list[tuple[str, Any]] = [
        ("tenant_id = %s", kind.tenant_id),
        ("phone_number_id = ANY(%s)", list(kind.number_ids)),
        ("customer_id = %s", kind.customer_id),
        ("direction = %s", kind.direction),
        ("type = %s", kind.type),
        ("status = %s", kind.status),
        ("day >= %s", kind.since),
        ("day <= %s", kind.until),
    ]
    held = [(words, value) for words, value in asked if value is not None]
    return " AND ".join(words for words, _ in held), [value for _, value in held]


_KEY = "tenant_id, phone_number_id, customer_id, day, direction, type, status"
# As the triggers reckon it.
_OF_MESSAGE = """m.tenant_id, m.phone_number_id, m.customer_id,
       (CASE WHEN m.direction = 'outbound' AND m.origin = 'cloud_api' THEN m.created_at AT TIME ZONE 'UTC'
             ELSE timestamp '2025-01-01' + (m.id >> 22) * interval '1 millisecond' END)::date AS day,
       m.direction, m.type, m.status"""
_SETTLED = """
SELECT 'settled', coalesce(sum(count), 0)::bigint FROM (
    SELECT count FROM messaging_messagetally WHERE {words}
     UNION ALL
    SELECT delta FROM messaging_messagetallychange WHERE {words}) part"""
_OPEN = f"""
SELECT 'open', count(*) FROM (
    SELECT FROM (
        SELECT {_OF_MESSAGE} FROM messaging_dispatch d JOIN messaging_message m ON m.id = d.message_id
         WHERE d.phone_number_id = ANY(%s) AND m.status IN ('queued', 'sending')) send
     WHERE {{words}} LIMIT %s) part"""  # noqa: S608 -- constants of this file
_FOLD = f"""
WITH taken AS (
    DELETE FROM messaging_messagetallychange WHERE id = ANY(ARRAY(
        SELECT id FROM messaging_messagetallychange ORDER BY id LIMIT %s))
    RETURNING {_KEY}, delta
), added AS (
    INSERT INTO messaging_messagetally ({_KEY}, count)
    SELECT {_KEY}, sum(delta) FROM taken GROUP BY {_KEY} HAVING sum(delta) <> 0
    ON CONFLICT (tenant_id, phone_number_id, day, customer_id, direction, type, status)
    DO UPDATE SET count = messaging_messagetally.count + excluded.count
)
SELECT count(*) FROM taken
"""  # noqa: S608 -- constants of this file
_FORGET = """
DELETE FROM messaging_messagetally WHERE id = ANY(ARRAY(
    SELECT id FROM messaging_messagetally WHERE count = 0 LIMIT %s))
"""
_COUNT_ANEW = (
    "DELETE FROM messaging_messagetally WHERE tenant_id = %s",
    "DELETE FROM messaging_messagetallychange WHERE tenant_id = %s",
    f"INSERT INTO messaging_messagetally ({_KEY}, count) SELECT {_OF_MESSAGE}, count(*)"  # noqa: S608
    " FROM messaging_message m WHERE m.tenant_id = %s AND m.status NOT IN ('queued', 'sending')"
    " GROUP BY 1, 2, 3, 4, 5, 6, 7",
)
