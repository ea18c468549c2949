"""Messages from one number to one person: Meta takes one in six seconds, and 45 at once.

Source: developers.facebook.com/docs/whatsapp/cloud-api/overview, pair rate limits. Counted in Redis, and
in PostgreSQL while Redis is away; in either a batch costs one exchange.
"""

import logging
from collections.abc import Sequence
from typing import Any

from django.db import connection, transaction

from accounts.models import PhoneNumber
from gosend.lib import metrics, rate_limit
from gosend.whatsapp.errors import GraphError
from messaging.intents import Draft
from messaging.models import Dispatch
from messaging.outcomes import Landed

log = logging.getLogger(__name__)

BURST = 45
_TOO_MANY = 131056
_LONGEST_SECONDS = 300.0
_INTERVAL = 6_000_000  # microseconds
_CAPACITY = BURST * _INTERVAL
# Redis and the database read two clocks; whoever comes back so much later is not early by either.
_SLACK_SECONDS = 0.05
# Messages behind one another that a statement moves; more than these are found when their turn comes.
_MOST_BEHIND = 10_000
_FORGET_BATCH = 1_000


def admit(*, number: PhoneNumber, drafts: Sequence[Draft]) -> list[Draft]:
    """Those that may go now. The others, claimed by the caller, are queued again, due when they may go.

    With each that must wait, those behind it to the same person move too, six seconds apart, so that
    they do not stand in the way of what is due for others. Without any there is no statement.
    """
    if not drafts:
        return []
    peers = [draft.peer for draft in drafts]
    waits = rate_limit.take_each_in_redis(
        keys=[_key(number, peer) for peer in peers], interval=_INTERVAL, burst=BURST
    )
    where = "database" if waits is None else "redis"
    if waits is None:
        found = _take_in_database(number.pk, peers)
        waits = [found[peer] for peer in peers]
    late = [(draft, wait) for draft, wait in zip(drafts, waits, strict=True) if wait]
    metrics.LIMITS.add("pair", where, "allowed", amount=len(drafts) - len(late))
    if late:
        metrics.LIMITS.add("pair", where, "denied", amount=len(late))
        _put_off(number.pk, late)
    return [draft for draft, wait in zip(drafts, waits, strict=True) if not wait]


def heed(*, number: PhoneNumber, landed: Sequence[Landed]) -> None:
    """Where Meta says that a person has had enough (131056): 4 seconds to the power of the tries, as it asks.

    To be called before the answers are recorded; no statement where Meta says nothing of the kind.
    Trouble with it never raises: the answers must still be recorded.
    """
    for one in landed:
        if isinstance(one.answer, GraphError) and one.answer.code == _TOO_MANY:
            one.answer.retry_after = min(4.0 ** min(one.intent.attempt, 8), _LONGEST_SECONDS)
            try:
                with transaction.atomic():
                    _exhaust_peer_of(number, one.intent.claim.message_id)
            except Exception:
                log.exception("the pair of message %s could not be paused", one.intent.claim.message_id)


def _exhaust_peer_of(number: PhoneNumber, message_id: int) -> None:
    row = Dispatch.objects.filter(message_id=message_id, phone_number=number)
    for peer in row.values_list("peer", flat=True):
        exhaust(number=number, peer=peer)


def exhaust(*, number: PhoneNumber, peer: str) -> None:
    """Meta says that the person has had enough: what is left of the burst is gone, too."""
    taken = rate_limit.take_in_redis(
        key=_key(number, peer), interval=_INTERVAL, burst=BURST, least=1, most=BURST
    )
    if taken is None:
        _take_in_database(number.pk, [peer])
        full_at = "(extract(epoch FROM clock_timestamp()) * 1000000)::bigint + %s"
        with connection.cursor() as cursor:
            cursor.execute(
                f"UPDATE messaging_pairbudget SET full_at = {full_at}"  # noqa: S608
                " WHERE phone_number_id = %s AND peer = %s",
                [_CAPACITY, number.pk, peer],
            )


def forget_past() -> int:
    """Drop the budgets that are whole again, a batch of them; return how many."""
    with connection.cursor() as cursor:
        cursor.execute(_FORGET, [_FORGET_BATCH])
        return int(cursor.rowcount)


def _key(number: PhoneNumber, peer: str) -> str:
    return f"pair:{number.phone_number_id}:{peer}"


def _take_in_database(number_id: int, peers: Sequence[str]) -> dict[str, int]:
    with connection.cursor() as cursor:
        cursor.execute(_TAKE, {"number": number_id, "peers": sorted(set(peers)), **_FIGURES})
        return dict(cursor.fetchall())


def _put_off(number_id: int, late: Sequence[tuple[Draft, int]]) -> None:
    claims = [draft.claim for draft, _ in late]
    parameters: dict[str, Any] = {
        "number": number_id,
        "ids": [claim.message_id for claim in claims],
        "tokens": [claim.token for claim in claims],
        "epochs": [claim.epoch for claim in claims],
        "peers": [draft.peer for draft, _ in late],
        "waits": [wait / 1_000_000 + _SLACK_SECONDS for _, wait in late],
        "step": _INTERVAL / 1_000_000,
        "most": _MOST_BEHIND,
    }
    with connection.cursor() as cursor:
        cursor.execute(_PUT_OFF, parameters)


_FIGURES = {"interval": _INTERVAL, "capacity": _CAPACITY}
# When a budget is full again after one more; before that one never later than all of it takes from
# now, whatever the clock was before. `excluded.full_at` is this moment and one interval.
_WITH_ONE = "least(greatest(held.full_at + %(interval)s, excluded.full_at), excluded.full_at + %(capacity)s)"
# In the order of the peers, as everyone takes them.
_TAKE = f"""
INSERT INTO messaging_pairbudget AS held (phone_number_id, peer, full_at, wait)
SELECT %(number)s, asked.peer, clock.now + %(interval)s, 0
  FROM unnest(%(peers)s::text[]) WITH ORDINALITY AS asked (peer, place),
       (SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint AS now) AS clock
 ORDER BY asked.place
ON CONFLICT (phone_number_id, peer) DO UPDATE
   SET wait = greatest(0, {_WITH_ONE} + %(interval)s - %(capacity)s - excluded.full_at),
       full_at = {_WITH_ONE} - CASE WHEN {_WITH_ONE} + %(interval)s - %(capacity)s <= excluded.full_at
                                    THEN 0 ELSE %(interval)s END
RETURNING held.peer, held.wait
"""  # noqa: S608 -- constants of ours
# Locked where nobody else has the row: it never waits while it holds one, so it cannot deadlock.
_PUT_OFF = """
WITH late AS (
    SELECT * FROM unnest(%(ids)s::bigint[], %(tokens)s::uuid[], %(epochs)s::bigint[], %(peers)s::text[],
                         %(waits)s::float8[]) AS given (message_id, token, epoch, peer, wait)
), first AS (
    SELECT d.message_id, late.wait FROM late JOIN messaging_dispatch d ON d.message_id = late.message_id
     WHERE d.claim_token = late.token AND d.epoch = late.epoch AND d.state = 'claimed'
       FOR UPDATE OF d SKIP LOCKED
), behind AS (
    SELECT d.message_id, d.peer, late.wait FROM late
      JOIN messaging_dispatch d ON d.phone_number_id = %(number)s AND d.peer = late.peer
       AND d.message_id > late.message_id
     WHERE d.state = 'queued' AND d.due_at <= statement_timestamp() + make_interval(secs => late.wait)
     ORDER BY d.message_id LIMIT %(most)s
       FOR UPDATE OF d SKIP LOCKED
), moved AS (
    SELECT message_id, wait FROM first
    UNION ALL
    SELECT message_id, wait + %(step)s * row_number() OVER (PARTITION BY peer ORDER BY message_id) FROM behind
)
UPDATE messaging_dispatch d
   SET state = 'queued', lease_expires_at = NULL,
       claim_count = CASE d.state WHEN 'claimed' THEN greatest(d.claim_count - 1, 0) ELSE d.claim_count END,
       due_at = statement_timestamp() + make_interval(secs => moved.wait)
  FROM moved WHERE d.message_id = moved.message_id
"""
_FORGET = """
DELETE FROM messaging_pairbudget WHERE id IN (
    SELECT id FROM messaging_pairbudget
     WHERE full_at < (extract(epoch FROM clock_timestamp()) * 1000000)::bigint
     LIMIT %s FOR UPDATE SKIP LOCKED)
"""
