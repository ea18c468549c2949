"""How much waits to be sent, to be settled and to be read, and for how long; cheap however much it is."""

from dataclasses import dataclass
from typing import Any

from django.db import connection

# Rows are counted up to here: what is more than this is too much, however much more it is.
CAP = 50_000
# Numbers with a queue whose oldest message is looked up.
_MAX_NUMBERS = 1_000


@dataclass(frozen=True, slots=True)
class Queue:
    """What waits on the numbers of one throughput tier; `oldest_seconds` since its oldest was due."""

    tier: str
    depth: int
    oldest_seconds: float


@dataclass(frozen=True, slots=True)
class Count:
    """Rows, at most CAP, and the seconds since the oldest of them was due; 0 when none is."""

    depth: int
    oldest_seconds: float


def queues() -> list[Queue]:
    """The queues of messages that are to be sent, by the tier of their numbers."""
    depths = dict(_rows(_DEPTHS, [CAP]))
    ages = dict(_rows(_AGES, [_MAX_NUMBERS]))
    return [Queue(tier, depth, max(0.0, ages.get(tier) or 0.0)) for tier, depth in sorted(depths.items())]


def states() -> dict[str, int]:
    """Sends that are under way or in doubt: claimed, sending and unknown."""
    found = dict.fromkeys(("claimed", "sending", "unknown"), 0)
    return found | dict(_rows(_STATES, [CAP, CAP]))


def callbacks() -> Count:
    """Meta's callbacks that are stored and not worked off."""
    ((depth, oldest),) = _rows(_CALLBACKS, [CAP])
    return Count(depth, max(0.0, oldest or 0.0))


def callbacks_given_up() -> int:
    """Callbacks of Meta's that failed until their last try, and that nobody has handled again."""
    ((count,),) = _rows(_GIVEN_UP, [CAP])
    return int(count)


def sandbox_callbacks() -> Count:
    """What the sandbox is yet to post, among it what is not due."""
    ((depth, oldest),) = _rows(_SANDBOX, [CAP])
    return Count(depth, max(0.0, oldest or 0.0))


def oldest_due_seconds() -> float:
    """For how long the message that waits longest has been due."""
    return max((queue.oldest_seconds for queue in queues()), default=0.0)


def _rows(sql: str, parameters: list[int]) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        return list(cursor.fetchall())


_DEPTHS = """
SELECT number.throughput_tier, count(*)
  FROM (SELECT phone_number_id FROM messaging_dispatch WHERE state = 'queued' LIMIT %s) waiting
  JOIN accounts_phonenumber number ON number.id = waiting.phone_number_id
 GROUP BY 1
"""
# One jump of the index for each number that has a queue.
_AGES = """
WITH RECURSIVE waiting AS (
    (SELECT phone_number_id, due_at, 1 AS place FROM messaging_dispatch WHERE state = 'queued'
      ORDER BY phone_number_id, due_at LIMIT 1)
    UNION ALL
    SELECT later.phone_number_id, later.due_at, waiting.place + 1 FROM waiting CROSS JOIN LATERAL (
        SELECT phone_number_id, due_at FROM messaging_dispatch
         WHERE state = 'queued' AND phone_number_id > waiting.phone_number_id
         ORDER BY phone_number_id, due_at LIMIT 1) later
     WHERE waiting.place < %s
)
SELECT number.throughput_tier, extract(epoch FROM statement_timestamp() - min(waiting.due_at))::float8
  FROM waiting JOIN accounts_phonenumber number ON number.id = waiting.phone_number_id
 GROUP BY 1
"""
_STATES = """
SELECT state, count(*) FROM (
    (SELECT state FROM messaging_dispatch WHERE state IN ('claimed', 'sending') LIMIT %s)
    UNION ALL
    (SELECT state FROM messaging_dispatch WHERE state = 'unknown' LIMIT %s)) unsettled
 GROUP BY 1
"""
_CALLBACKS = """
SELECT (SELECT count(*) FROM (SELECT 1 FROM messaging_metaevent
                               WHERE next_attempt_at IS NOT NULL LIMIT %s) waiting),
       (SELECT extract(epoch FROM statement_timestamp() - min(next_attempt_at))::float8
          FROM messaging_metaevent WHERE next_attempt_at IS NOT NULL)
"""
_GIVEN_UP = """
SELECT count(*) FROM (SELECT 1 FROM messaging_metaevent
                       WHERE handled_at IS NULL AND next_attempt_at IS NULL LIMIT %s) parked
"""
_SANDBOX = """
SELECT (SELECT count(*) FROM (SELECT 1 FROM sandbox_pendingcallback LIMIT %s) waiting),
       (SELECT extract(epoch FROM statement_timestamp() - min(due_at))::float8 FROM sandbox_pendingcallback)
"""
