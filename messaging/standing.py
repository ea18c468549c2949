"""What messages have come to: read under a lock, and written back, each in one statement for many."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import orjson

from gosend.lib import prepared
from webhooks_app.events import Source

Json = dict[str, Any]


@dataclass(slots=True)
class Standing:
    """One message as the rule of statuses sees it; what is changed here is written by `save`."""

    pk: int
    source: Source
    direction: str
    type: str
    origin: str
    peer: str
    status: str
    wamid: str | None
    error: Json | None
    pricing: Json | None
    moments: dict[str, datetime | None]
    conversation_id: int | None
    conversation_status: str | None
    changed: bool = field(default=False)

    def __copy__(self) -> "Standing":
        # What `copy` would do by itself takes five times as long.
        twin = Standing.__new__(Standing)
        for name in Standing.__slots__:
            setattr(twin, name, getattr(self, name))
        return twin


MOMENTS = ("sent_at", "delivered_at", "read_at", "failed_at")


def lock(*, message_ids: Collection[int]) -> dict[int, Standing]:
    """Lock messages in the order of their ids, before anything that hangs on them, as everyone does."""
    rows = prepared.rows(_LOCK, [prepared.array(message_ids)])
    return {row[0]: _standing(row) for row in rows}


def save(*, standings: Iterable[Standing], at: datetime) -> None:
    """Write what was changed, in one statement; nothing where nothing was."""
    changed = [one for one in standings if one.changed]
    rows = [
        {
            "id": one.pk,
            "status": one.status,
            "wamid": one.wamid,
            "error": one.error,
            "pricing": one.pricing,
            **one.moments,
        }
        for one in changed
    ]
    if rows:
        ids = prepared.array(one.pk for one in changed)
        prepared.rows(_SAVE, [at.isoformat(), orjson.dumps(rows).decode(), ids])


def bodies(*, message_ids: Collection[int]) -> dict[int, Json]:
    """What the messages say, in Meta's shape."""
    rows = prepared.rows(_BODIES, [prepared.array(message_ids)])
    return {pk: orjson.loads(body) for pk, body in rows}


def _standing(row: tuple[Any, ...]) -> Standing:
    pk, tenant_id, number_id, phone_number_id, is_sandbox, *rest = row
    direction, type, origin, peer, status, wamid, error, pricing, conversation_id, its_status, *moments = rest
    return Standing(
        pk=pk,
        source=Source(tenant_id, number_id, phone_number_id, is_sandbox),
        direction=direction,
        type=type,
        origin=origin,
        peer=peer,
        status=status,
        wamid=wamid,
        error=orjson.loads(error) if error else None,
        pricing=orjson.loads(pricing) if pricing else None,
        moments=dict(zip(MOMENTS, moments, strict=True)),
        conversation_id=conversation_id,
        conversation_status=its_status,
    )


_LOCK = """
SELECT m.id, m.tenant_id, m.phone_number_id, n.phone_number_id, n.is_sandbox,
       m.direction, m.type, m.origin, m.peer, m.status, m.wamid, m.error::text, m.pricing::text,
       c.id, c.status, m.sent_at, m.delivered_at, m.read_at, m.failed_at
  FROM messaging_message m
  JOIN accounts_phonenumber n ON n.id = m.phone_number_id
  LEFT JOIN messaging_conversation c ON c.id = m.conversation_id
 WHERE m.id = ANY(%s::bigint[])
 ORDER BY m.id
   FOR NO KEY UPDATE OF m
"""
# An update that leaves every indexed column as it was stays in its page. The ids are named twice, so that
# the planner takes the primary key whatever it thinks of the batch.
_SAVE = """
UPDATE messaging_message AS m
   SET status = fresh.status, wamid = fresh.wamid, error = fresh.error, pricing = fresh.pricing,
       sent_at = fresh.sent_at, delivered_at = fresh.delivered_at, read_at = fresh.read_at,
       failed_at = fresh.failed_at, updated_at = %s::timestamptz
  FROM jsonb_to_recordset(%s::jsonb) AS fresh
       (id bigint, status text, wamid text, error jsonb, pricing jsonb,
        sent_at timestamptz, delivered_at timestamptz, read_at timestamptz, failed_at timestamptz)
 WHERE m.id = ANY(%s::bigint[]) AND m.id = fresh.id
RETURNING m.id
"""
_BODIES = "SELECT message_id, body::text FROM messaging_messagecontent WHERE message_id = ANY(%s::bigint[])"
