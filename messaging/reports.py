"""What Meta reports of messages: each report kept once, and the message that it means moved."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import orjson
from django.db import IntegrityError, connection, transaction

from gosend.whatsapp import errors
from gosend.whatsapp.client import MAX_WAMID_CHARACTERS
from gosend.whatsapp.events import StatusUpdate
from messaging import opaque, statuses
from messaging.models import Message
from messaging.statuses import Change

Status = Message.Status
_WAMID_ONCE = "message_wamid_once_per_number"
# A voice message that was played was read; Meta's other words change nothing here.
_META_STATUSES = {
    "sent": Status.SENT,
    "delivered": Status.DELIVERED,
    "read": Status.READ,
    "played": Status.READ,
    "failed": Status.FAILED,
}


def take(*, reported: Sequence[tuple[int, StatusUpdate]]) -> None:
    """Keep reports of numbers (by their row's id) and move the messages meant, all or none.

    Told twice, a report changes nothing twice. One that fits no message yet is kept without one, and
    adopted when the message is known. The statements are as many for one as for hundreds.
    """
    rows = [_row(n, number_id, update) for n, (number_id, update) in enumerate(reported)]
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(_KEEP, [orjson.dumps(rows).decode()])
            fresh = sorted(cursor.fetchall())
        _move([_change(message_id, rows[n]) for n, message_id in fresh if message_id is not None])


def take_one(*, number_id: int, update: StatusUpdate) -> None:
    """The same for one report; where another message has its wamid already, our own id tells whose it is."""
    try:
        take(reported=[(number_id, update)])
    except IntegrityError as error:
        if _WAMID_ONCE not in str(error):
            raise
        take(reported=[(number_id, replace(update, wamid=""))])


def adopt(*, message_ids: Collection[int]) -> None:
    """Apply the reports that came before we knew the wamid of these messages, in the caller's transaction.

    One statement where there are none. The messages are locked by the caller, or by what follows here.
    """
    with connection.cursor() as cursor:
        cursor.execute(_ADOPT, [list(message_ids)])
        names = [column.name for column in cursor.description or ()]
        strays = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
    for stray in strays:
        stray["raw"] = orjson.loads(stray["raw"])
    strays.sort(key=lambda stray: (stray["occurred_at"], stray["id"]))
    _move([_change(stray["message_id"], stray) for stray in strays])


def _row(n: int, number_id: int, update: StatusUpdate) -> dict[str, Any]:
    return {
        "n": n,
        "phone_number_id": number_id,
        "our_id": opaque.message_id(update.opaque),
        "wamid": update.wamid[:MAX_WAMID_CHARACTERS],
        "status": update.status[:20],
        "participant": (update.participant or "")[:160],
        "opaque": update.opaque[:512],
        "occurred_at": update.timestamp,
        "raw": update.raw,
    }


def _move(changes: Sequence[Change | None]) -> None:
    known = [change for change in changes if change is not None]
    if not known:
        return
    statuses.advance_many(changes=known)
    # Meta has spoken of them, so nothing is left to find out: whoever still held a send is fenced off.
    with connection.cursor() as cursor:
        cursor.execute(_SETTLE, [[change.message_id for change in known]])


def _change(message_id: int, row: dict[str, Any]) -> Change | None:
    to = _META_STATUSES.get(row["status"])
    if to is None:
        return None
    raw, at = row["raw"], row["occurred_at"]
    assert isinstance(at, datetime)  # noqa: S101 -- as both sources have it, for the type checker
    raw_errors, pricing = raw.get("errors"), raw.get("pricing")
    error = None
    if to == Status.FAILED and isinstance(raw_errors, list) and raw_errors:
        error = errors.from_status(raw_errors[0])
    return Change(
        message_id=message_id,
        to=to,
        at=at,
        wamid=row["wamid"],
        error=error,
        pricing=pricing if isinstance(pricing, dict) else None,
    )


# The message is looked for by our own id, which Meta echoes, then by wamid; only among this number's.
# As scalar subqueries both are index look-ups whatever the planner thinks of the batch, and the second
# is made only where the first found nothing. Inserted in one order, so that two batches cannot block
# each other.
_KEEP = """
WITH meant AS MATERIALIZED (
    SELECT gosend_next_id() AS id, given.*, coalesce(
           (SELECT m.id FROM messaging_message m WHERE m.id = given.our_id
               AND m.phone_number_id = given.phone_number_id AND m.direction = 'outbound'),
           (SELECT m.id FROM messaging_message m WHERE m.wamid = nullif(given.wamid, '')
               AND m.phone_number_id = given.phone_number_id AND m.direction = 'outbound')) AS message_id
      FROM jsonb_to_recordset(%s::jsonb) AS given
           (n int, phone_number_id bigint, our_id bigint, wamid text, status text, participant text,
            opaque text, occurred_at timestamptz, raw jsonb)
), kept AS (
    INSERT INTO messaging_statusreport
           (id, message_id, phone_number_id, wamid, status, participant, opaque, occurred_at, raw)
    SELECT id, message_id, phone_number_id, wamid, status, participant, opaque, occurred_at, raw
      FROM meant ORDER BY message_id, wamid, status, participant
        ON CONFLICT DO NOTHING RETURNING id
)
SELECT meant.n, meant.message_id FROM kept JOIN meant USING (id)
"""
# Moved, not changed: a stray that was reported once more since then is dropped by the unique key.
_ADOPT = """
WITH stray AS (
    DELETE FROM messaging_statusreport r USING messaging_message m
     WHERE m.id = ANY(%s::bigint[]) AND r.wamid = m.wamid AND r.phone_number_id = m.phone_number_id
       AND r.message_id IS NULL
    RETURNING m.id AS message_id, r.phone_number_id, r.wamid, r.status, r.participant, r.opaque,
              r.occurred_at, r.raw, r.created_at
)
INSERT INTO messaging_statusreport
       (message_id, phone_number_id, wamid, status, participant, opaque, occurred_at, raw, created_at)
SELECT * FROM stray ORDER BY message_id, wamid, status, participant
    ON CONFLICT DO NOTHING
RETURNING id, message_id, wamid, status, occurred_at, raw::text AS raw
"""
_SETTLE = "DELETE FROM messaging_dispatch WHERE message_id = ANY(%s::bigint[])"
