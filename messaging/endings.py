"""How a conversation comes to rest: by silence, by age, or by hand; each is told exactly once."""

from collections.abc import Callable, Collection, Iterable
from datetime import datetime, timedelta
from typing import Any

from django.db import connection, transaction
from django.db.models import OuterRef, QuerySet, Subquery
from django.utils import timezone

from messaging.models import Conversation, Message
from webhooks_app import events

# The record of an exchange ends as long after its last message, whoever wrote it.
LIFETIME = timedelta(hours=24)
LIFETIME_SQL = f"{LIFETIME.total_seconds():.0f} seconds"
# Conversations that one statement takes; a sweep goes on until nothing is due, or it has had its turn.
BATCH = 200
_MAX_BATCHES = 50


def sweep() -> int:
    """Bring to rest what is due, a batch at a time; return how many conversations changed."""
    expired = _in_batches(_EXPIRE_DUE, [LIFETIME, BATCH, LIFETIME], _tell_ended)
    return expired + _in_batches(_REST_DUE, [BATCH, BATCH], _tell_inactive)


def close(*, conversation: Conversation) -> Conversation:
    """End a conversation by hand; closing an ended one changes nothing.

    Meta's 24-hour window is not ours to close: free-form messages may still be sent while it is open,
    and the next message opens another record.
    """
    end_now([conversation.pk])
    conversation.refresh_from_db(fields=["status", "ended_at", "ended_reason"])
    return conversation


def end_now(conversation_ids: Collection[int]) -> None:
    """End these conversations, if they still run, as closed."""
    with transaction.atomic():
        _tell_ended(_run(_CLOSE, [list(conversation_ids)]))


def expire(conversation_ids: Collection[int]) -> set[int]:
    """End those of these conversations whose time is over, in the caller's transaction; return which."""
    ended = _run(_EXPIRE, [list(conversation_ids), LIFETIME])
    _tell_ended(ended)
    return set(ended)


def _in_batches(statement: str, parameters: list[Any], tell: Callable[[list[int]], None]) -> int:
    total = 0
    for _ in range(_MAX_BATCHES):
        with transaction.atomic():
            looked_at = _rows_of(statement, parameters)
            changed = [pk for pk, is_due in looked_at if is_due]
            tell(changed)
        total += len(changed)
        if len(looked_at) < BATCH:
            break
    return total


def _run(statement: str, parameters: list[Any]) -> list[int]:
    return [pk for (pk,) in _rows_of(statement, parameters)]


def _rows_of(statement: str, parameters: list[Any]) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        found: list[tuple[Any, ...]] = cursor.fetchall()
        return found


def _tell_ended(conversation_ids: Iterable[int]) -> None:
    """`conversation.ended`, at the moment when it ended, with the reason."""
    for row in _rows(conversation_ids):
        at = row.ended_at or timezone.now()
        data = {"id": str(row.pk), "status": row.status, "ended_reason": row.ended_reason}
        _publish(row, "conversation.ended", at, {"conversation": data, "reason": row.ended_reason})


def _tell_inactive(conversation_ids: Iterable[int]) -> None:
    """`conversation.inactive`, with the message since which nobody wrote."""
    newest = Message.objects.filter(conversation=OuterRef("pk")).order_by("-pk").values("pk")[:1]
    rows = _rows(conversation_ids).annotate(newest=Subquery(newest))
    last = Message.objects.only("wamid", "direction", "created_at").in_bulk([row.newest for row in rows])
    for row in rows:
        data: dict[str, Any] = {
            "conversation": {"id": str(row.pk), "status": row.status},
            "inactivity": {"minutes": row.tenant.conversation_inactive_minutes},
        }
        if message := last.get(row.newest):
            data["since_message"] = {
                "id": str(message.pk),
                "whatsapp_message_id": message.wamid,
                "direction": message.direction,
                "created_at": message.created_at,
            }
        _publish(row, "conversation.inactive", timezone.now(), data)


def _rows(conversation_ids: Iterable[int]) -> QuerySet[Conversation]:
    rows = Conversation.objects.filter(pk__in=list(conversation_ids)).order_by("pk")
    return rows.select_related("tenant", "phone_number")


def _publish(row: Conversation, type: str, at: datetime, data: dict[str, Any]) -> None:
    events.publish(tenant_id=row.tenant_id, number=row.phone_number, type=type, data=data, occurred_at=at)


# Every statement names the state that it leaves: of two that end a conversation, one finds it.
_CLOSE = """
UPDATE messaging_conversation
   SET status = 'ended', ended_at = statement_timestamp(), ended_reason = 'closed'
 WHERE id = ANY(%s) AND status <> 'ended'
RETURNING id
"""
_EXPIRE = """
WITH lives AS (SELECT %s::bigint[] AS ids, %s::interval AS span)
UPDATE messaging_conversation c
   SET status = 'ended', ended_at = c.last_message_at + lives.span, ended_reason = 'expired'
  FROM lives
 WHERE c.id = ANY(lives.ids) AND c.status <> 'ended'
   AND c.last_message_at <= statement_timestamp() - lives.span
RETURNING c.id
"""
# A sweep takes those at which it has not looked for as long as they may be silent. Where somebody has
# written meanwhile it comes back as long after that.
_EXPIRE_DUE = """
WITH lives AS (SELECT %s::interval AS span), due AS (
    SELECT c.id, c.last_message_at <= statement_timestamp() - lives.span AS is_due
      FROM messaging_conversation c, lives
     WHERE c.status <> 'ended' AND c.looked_at <= statement_timestamp() - lives.span
     ORDER BY c.looked_at
     LIMIT %s
       FOR UPDATE OF c SKIP LOCKED)
UPDATE messaging_conversation c
   SET looked_at = c.last_message_at,
       status = CASE WHEN is_due THEN 'ended' ELSE status END,
       ended_at = CASE WHEN is_due THEN c.last_message_at + %s ELSE ended_at END,
       ended_reason = CASE WHEN is_due THEN 'expired' ELSE ended_reason END
  FROM due WHERE c.id = due.id
RETURNING c.id, due.is_due
"""
# How long is silence, each tenant says for itself: one jump of the index for each.
_REST_DUE = """
WITH due AS (
    SELECT quiet.* FROM accounts_tenant t CROSS JOIN LATERAL (
        SELECT c.id, c.last_message_at <= silence.began AS is_due
          FROM messaging_conversation c, (
              SELECT statement_timestamp() - make_interval(mins => t.conversation_inactive_minutes)
          ) AS silence (began)
         WHERE c.tenant_id = t.id AND c.status = 'active' AND c.looked_at <= silence.began
         ORDER BY c.looked_at
         LIMIT %s
           FOR UPDATE OF c SKIP LOCKED) quiet
     LIMIT %s)
UPDATE messaging_conversation c
   SET looked_at = c.last_message_at, status = CASE WHEN is_due THEN 'inactive' ELSE status END
  FROM due WHERE c.id = due.id
RETURNING c.id, due.is_due
"""
