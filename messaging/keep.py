"""Keep accepted messages: one statement for one message as for a thousand, of one sender or of several.

The statement finds each recipient, asks the 24-hour window, takes the idempotency key, counts the message
into its conversation and inserts all rows. What it cannot do by itself, namely making people and
conversations that are new, it leaves to `openings.py`, and is asked again.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple

import orjson

from accounts.models import PhoneNumber
from gosend.lib import prepared
from messaging import conversations, endings, idempotency


class Kept(NamedTuple):
    """What became of one row, and what was found on the way; `id` is None where it was not kept."""

    id: int | None
    contact_id: int | None
    conversation_id: int | None
    is_open: bool
    window_ends_at: datetime | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Batch:
    """Messages of one number and one sender; every row is written as `send.py` writes it."""

    number: PhoneNumber
    rows: Sequence[Mapping[str, Any]]
    api_key_id: int | None
    request_id: str
    # With a key there is one row at most.
    once: idempotency.Once | None = None
    # The status of an answer that needs no row of its own: the message tells what it was.
    answered: int | None = None


def keep(batch: Batch) -> list[Kept]:
    """Store what can be stored now, in the order given; in one transaction by itself, or in the caller's."""
    return keep_all([batch])[0]


def keep_all(batches: Sequence[Batch]) -> list[list[Kept]]:
    """The same for several senders in one statement; no two of them may bring the same idempotency key.

    Keys are taken in the order given: who gives them sorted cannot block another who does.
    """
    senders = [_sender(place, batch) for place, batch in enumerate(batches)]
    rows = [{**row, "s": place} for place, batch in enumerate(batches) for row in batch.rows]
    for n, row in enumerate(rows):
        row["n"] = n
    found = iter(prepared.rows(_KEEP, [orjson.dumps(senders).decode(), orjson.dumps(rows).decode()]))
    return [[_kept(*next(found)) for _ in batch.rows] for batch in batches]


def _kept(*row: Any) -> Kept:
    # A moment as a number costs a tenth of one as a text.
    return Kept._make((*row[:-1], datetime.fromtimestamp(row[-1], UTC)))


def _sender(place: int, batch: Batch) -> dict[str, Any]:
    number, once = batch.number, batch.once
    account = number.business_account
    sender: dict[str, Any] = {
        "s": place,
        "tenant_id": number.tenant_id,
        "number_id": number.id,
        "account_id": account.id,
        "customer_id": account.customer_id,
        "api_key_id": batch.api_key_id,
        "request_id": batch.request_id,
        "is_deferred": conversations.leaves_windows_to_meta(number),
    }
    if once is not None:
        sender |= {
            "environment": once.environment,
            "key": once.key,
            "fingerprint": once.fingerprint.hex(),
            "status_code": batch.answered,
        }
    return sender


# Lookups are subqueries with one row each, so that the plan never depends on how many rows it expects.
# Conversations are locked in the order of their numbers and contacts: two that share some do not block each
# other for good. HAVING holds always, and makes the planner expect one row, which it joins by the key: for
# more it would read the whole table as long as that is small, and go on doing so while it grows.
_KEEP = f"""
WITH given AS MATERIALIZED (
    SELECT asked.*, sender.tenant_id, sender.number_id, sender.customer_id, sender.api_key_id,
           sender.request_id, sender.is_deferred, sender.environment, sender.key, sender.fingerprint,
           sender.status_code, coalesce(
               (SELECT id FROM messaging_contact
                 WHERE business_account_id = sender.account_id AND phone = asked.peer AND phone <> ''),
               (SELECT coalesce(merged_into_id, id) FROM messaging_contact
                 WHERE business_account_id = sender.account_id AND user_id = asked.peer AND user_id <> '')
           ) AS contact_id
      FROM jsonb_to_recordset($1::jsonb) AS sender
           (s int, tenant_id bigint, number_id bigint, account_id bigint, customer_id bigint,
            api_key_id bigint, request_id text, is_deferred bool, environment text, key text,
            fingerprint text, status_code smallint)
      JOIN jsonb_to_recordset($2::jsonb) AS asked
           (s int, n int, peer text, type text, body jsonb, tracking text, due_at timestamptz, is_free bool)
           USING (s)
), looked AS MATERIALIZED (
    SELECT given.*, running.id AS conversation_id,
           (SELECT expires_at FROM messaging_servicewindow held
             WHERE held.phone_number_id = given.number_id AND held.contact_id = given.contact_id
           ) AS window_ends_at
      FROM (SELECT * FROM given ORDER BY number_id, contact_id, n) AS given
      LEFT JOIN LATERAL (
           SELECT one.id FROM messaging_conversation one
            WHERE one.phone_number_id = given.number_id AND one.contact_id = given.contact_id
              AND one.status <> 'ended'
              AND one.last_message_at > statement_timestamp() - interval '{endings.LIFETIME_SQL}'
            LIMIT 1 FOR NO KEY UPDATE) AS running ON true
), judged AS MATERIALIZED (
    SELECT *, NOT is_free OR is_deferred
              OR coalesce(window_ends_at > statement_timestamp(), false) AS is_open FROM looked
), ready AS MATERIALIZED (
    SELECT *, gosend_next_id() AS id
      FROM (SELECT * FROM judged WHERE is_open AND conversation_id IS NOT NULL ORDER BY n) AS inner_ready
), key AS (
    {idempotency.TAKE}
), taken AS MATERIALIZED (
    SELECT * FROM ready WHERE key IS NULL OR id IN (SELECT message_id FROM key)
), counted AS (
    UPDATE messaging_conversation AS conversation
       SET messages_count = messages_count + fresh.count, status = 'active',
           last_message_at = greatest(last_message_at, statement_timestamp()),
           last_outbound_at = greatest(last_outbound_at, statement_timestamp())
      FROM (SELECT conversation_id, count(*) FROM taken GROUP BY 1 HAVING least(count(*), 1) = 1) fresh
     WHERE conversation.id = fresh.conversation_id
), message AS (
    INSERT INTO messaging_message
           (id, tenant_id, phone_number_id, customer_id, api_key_id, request_id,
            contact_id, conversation_id, direction, type, status, origin, peer, attempt_count)
    SELECT id, tenant_id, number_id, customer_id, api_key_id, request_id,
           contact_id, conversation_id, 'outbound', type, 'queued', 'cloud_api', peer, 0 FROM taken
), content AS (
    INSERT INTO messaging_messagecontent (message_id, body, tracking)
    SELECT id, body, tracking FROM taken
), dispatch AS (
    INSERT INTO messaging_dispatch (message_id, phone_number_id, peer, state, due_at, epoch, claim_count)
    SELECT id, number_id, peer, 'queued', coalesce(due_at, statement_timestamp()), 0, 0 FROM taken
)
SELECT taken.id, judged.contact_id, judged.conversation_id, judged.is_open, judged.window_ends_at,
       extract(epoch FROM statement_timestamp())::float8
  FROM judged LEFT JOIN taken USING (n)
 ORDER BY judged.n
"""  # noqa: S608 -- constants of ours
