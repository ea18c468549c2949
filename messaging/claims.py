"""The right to send: taken in batches with a token, an epoch and a lease on the database's clock.

The protocol of one send, whoever runs it (the request's thread, a drain, the sweep): claim it (here),
commit the intent before the first byte goes out (`intents.py`), call, commit the outcome where the
claim still holds (`outcomes.py`). What was claimed but not intended goes back to the queue; what was
intended and never answered is unknown, and is not sent again by itself.
"""

import uuid
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple

from django.conf import settings
from django.db import connection, transaction
from django.db.models import F, QuerySet
from django.db.models.functions import Now
from django.utils import timezone as clock

from gosend.lib import prepared
from messaging import standing, statuses
from messaging.models import Dispatch, Message
from messaging.statuses import Change

# A message that was claimed and lost as often is claimed alone from then on: what takes its process
# down must not take others with it. The index `dispatch_suspect` has the same figure.
SUSPECT_AFTER = 2


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to send one message, until the lease ends or somebody else claims it."""

    message_id: int
    token: uuid.UUID
    epoch: int


class Place(NamedTuple):
    """How far a queue has been read."""

    due_at: datetime
    message_id: int


HEAD = Place(datetime(1970, 1, 1, tzinfo=UTC), 0)


class Batch(NamedTuple):
    """What one look at a queue claimed, oldest first, and where the next may go on."""

    claims: list[Claim]
    place: Place


def take_one(*, message_id: int) -> Claim | None:
    """Claim one message, unless it is claimed or another to the same person is ahead of it."""
    batch = _take("d.message_id = %s", [message_id], limit=1, after=HEAD)
    return batch.claims[0] if batch.claims else None


def take_due(*, number_id: int, limit: int, after: Place = HEAD) -> Batch:
    """Claim what is due on a number behind a place, the oldest of each recipient, oldest first.

    Going on where the last batch ended spares a long drain the index entries of what it has sent
    already, which stay as long as anybody's old snapshot might look at them.
    """
    condition = "d.phone_number_id = %s AND (d.due_at, d.message_id) > (%s, %s) AND d.lost_count < %s"
    return _take(condition, [number_id, *after, SUSPECT_AFTER], limit=limit, after=after)


def count_due(*, number_id: int, most: int, after: Place = HEAD) -> int:
    """How many messages, up to `most`, are due behind a place; those that wait for another count too."""
    with connection.cursor() as cursor:
        cursor.execute(_COUNT, [number_id, *after, SUSPECT_AFTER, most])
        row = cursor.fetchone()
    return int(row[0])


def take_suspect(*, number_id: int) -> Claim | None:
    """Claim the oldest due message of a number that `take_due` leaves alone."""
    # The constant is written out, so that the planner sees the partial index.
    condition = f"d.phone_number_id = %s AND d.lost_count >= {SUSPECT_AFTER}"
    batch = _take(condition, [number_id], limit=1, after=HEAD)
    return batch.claims[0] if batch.claims else None


def _take(condition: str, parameters: list[Any], *, limit: int, after: Place) -> Batch:
    token = uuid.uuid4()
    with connection.cursor() as cursor:
        cursor.execute(
            _TAKE.format(condition=condition), [*parameters, limit, token, settings.CLAIM_LEASE_SECONDS]
        )
        rows = sorted(cursor.fetchall())
    claims = [Claim(message_id, token, epoch) for _, message_id, epoch in rows]
    return Batch(claims, Place(rows[-1][0], rows[-1][1]) if rows else after)


def hand_back(claims: Collection[Claim]) -> int:
    """Return claims, intended or not, of which no byte went out; how many were still held.

    They go back to their places, and neither the claim nor the try is counted.
    """
    if not claims:
        return 0
    with transaction.atomic():
        locked = standing.lock(message_ids=[claim.message_id for claim in claims])
        freed = settle(_HAND_BACK, claims)
        back = [
            Change(message_id=pk, to=Message.Status.QUEUED, at=clock.now(), error=locked[pk].error)
            for pk in sorted(freed)
            if locked[pk].status == Message.Status.SENDING
        ]
        if back:
            statuses.advance_many(changes=back, locked=locked)
            untry(change.message_id for change in back)
    return len(freed)


def begin_anew(unknown: QuerySet[Dispatch]) -> int:
    """Queue sends of unknown outcome once more; how many. Their day of waiting begins anew, too."""
    queued = Dispatch.State.QUEUED
    return unknown.update(state=queued, claim_token=None, claim_count=0, due_at=Now(), created_at=Now())


def untry(message_ids: Iterable[int]) -> None:
    """Take back the try that an intent has counted, where no call was begun; the messages are locked."""
    if untried := list(message_ids):
        Message.objects.filter(pk__in=untried).update(attempt_count=F("attempt_count") - 1)


def settle(statement: str, claims: Iterable[Claim], *more: Any) -> set[int]:
    """Run a statement over the dispatches that these claims still hold; return which it touched.

    The messages are locked first, in the caller's transaction: the order that everyone keeps.
    """
    held = list(claims)
    ids = prepared.array(claim.message_id for claim in held)
    tokens = prepared.array(claim.token for claim in held)
    epochs = prepared.array(claim.epoch for claim in held)
    given = [*map(str, more), ids, tokens, epochs, ids]
    return {pk for (pk,) in prepared.rows(statement.format(held=_HELD), given)}


# The ids are named twice, so that the planner takes the primary key whatever it thinks of the batch. Where a
# statement asks for the states that the index of leases has, it does so in a CASE: for a plain condition the
# planner may read all of that index, dead entries and others' claims included.
_HELD = """unnest(%s::bigint[], %s::uuid[], %s::bigint[]) AS held (message_id, token, epoch)
 WHERE d.message_id = ANY(%s::bigint[])
   AND d.message_id = held.message_id AND d.claim_token = held.token AND d.epoch = held.epoch"""
_COUNT = """
SELECT count(*) FROM (
    SELECT 1 FROM messaging_dispatch d
     WHERE d.phone_number_id = %s AND (d.due_at, d.message_id) > (%s, %s) AND d.lost_count < %s
       AND d.state = 'queued' AND d.due_at <= statement_timestamp()
     ORDER BY d.due_at, d.message_id LIMIT %s) AS due
"""
_HAND_BACK = """
UPDATE messaging_dispatch d
   SET state = 'queued', claim_token = NULL, lease_expires_at = NULL,
       claim_count = greatest(d.claim_count - 1, 0)
  FROM {held} AND CASE WHEN d.state IN ('claimed', 'sending') THEN true ELSE false END
RETURNING d.message_id
"""
# Only the oldest unsettled message of a (number, recipient) pair may be claimed: this keeps their order.
# Looked up for each row as a scalar, because the planner would rather hash the whole queue.
_TAKE = """
WITH due AS (
    SELECT d.message_id FROM messaging_dispatch d
     WHERE {condition} AND d.state = 'queued' AND d.due_at <= statement_timestamp()
       AND (SELECT ahead.message_id FROM messaging_dispatch ahead
             WHERE ahead.phone_number_id = d.phone_number_id AND ahead.peer = d.peer
               AND ahead.message_id < d.message_id AND ahead.state IN ('queued', 'claimed', 'sending')
             LIMIT 1) IS NULL
     ORDER BY d.due_at, d.message_id
     LIMIT %s
       FOR UPDATE OF d SKIP LOCKED)
UPDATE messaging_dispatch d
   SET state = 'claimed', claim_token = %s, epoch = d.epoch + 1, claim_count = d.claim_count + 1,
       lease_expires_at = statement_timestamp() + make_interval(secs => %s)
  FROM due WHERE d.message_id = due.message_id
RETURNING d.due_at, d.message_id, d.epoch
"""
