"""Keep accepted messages: one statement for one message as for a thousand.

The statement finds each recipient, asks the 24-hour window, takes the idempotency key, counts the message
into its conversation and inserts all rows. What it cannot do by itself, namely making people and
conversations that are new, it leaves to `send.py`, which does so and asks again.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

from accounts.models import PhoneNumber
from gosend.lib import prepared
from messaging import conversations, endings, idempotency


@dataclass(frozen=True, slots=True)
class Kept:
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
    once: idempotency.Once | None = None
    # The status of an answer that needs no row of its own: the message tells what it was.
    answered: int | None = None


def keep(batch: Batch) -> list[Kept]:
    """Store what can be stored now, in the order given; in one transaction by itself, or in the caller's."""
    number, once = batch.number, batch.once
    account = number.business_account
    found = prepared.rows(
        _KEEP,
        [
            str(account.pk),
            str(account.pk),
            orjson.dumps(batch.rows).decode(),
            str(number.pk),
            str(number.pk),
            endings.LIFETIME_SQL,
            "t" if conversations.leaves_windows_to_meta(number) else "f",
            *idempotency.parameters(once, answered=batch.answered),
            str(number.tenant_id),
            str(number.pk),
            None if account.customer_id is None else str(account.customer_id),
            None if batch.api_key_id is None else str(batch.api_key_id),
            batch.request_id,
            str(number.pk),
        ],
    )
    return [Kept(*row) for row in found]


# Lookups are subqueries with one row each, so that the plan never depends on how many rows it expects.
# Conversations are locked in the order of their contacts: two batches that share some do not block each
# other for good.
_KEEP = f"""
WITH given AS MATERIALIZED (
    SELECT given.*, coalesce(
               (SELECT id FROM messaging_contact
                 WHERE business_account_id = %s::bigint AND phone = given.peer AND phone <> ''),
               (SELECT id FROM messaging_contact
                 WHERE business_account_id = %s::bigint AND user_id = given.peer AND user_id <> '')
           ) AS contact_id
      FROM jsonb_to_recordset(%s::jsonb) AS given
           (n int, peer text, type text, body jsonb, tracking text, due_at timestamptz, is_free bool)
), looked AS MATERIALIZED (
    SELECT given.*, running.id AS conversation_id,
           (SELECT expires_at FROM messaging_servicewindow held
             WHERE held.phone_number_id = %s::bigint AND held.contact_id = given.contact_id) AS window_ends_at
      FROM (SELECT * FROM given ORDER BY contact_id, n) AS given
      LEFT JOIN LATERAL (
           SELECT one.id FROM messaging_conversation one
            WHERE one.phone_number_id = %s::bigint AND one.contact_id = given.contact_id
              AND one.status <> 'ended' AND one.last_message_at > statement_timestamp() - %s::interval
            LIMIT 1 FOR NO KEY UPDATE) AS running ON true
), judged AS MATERIALIZED (
    SELECT *, NOT is_free OR %s::bool
              OR coalesce(window_ends_at > statement_timestamp(), false) AS is_open FROM looked
), ready AS MATERIALIZED (
    SELECT *, gosend_next_id() AS id
      FROM (SELECT * FROM judged WHERE is_open AND conversation_id IS NOT NULL ORDER BY n) AS inner_ready
), key AS (
    {idempotency.TAKE}
), taken AS MATERIALIZED (
    SELECT * FROM ready WHERE NOT %s::bool OR id IN (SELECT message_id FROM key)
), counted AS (
    UPDATE messaging_conversation AS conversation
       SET messages_count = messages_count + fresh.count, status = 'active',
           last_message_at = greatest(last_message_at, statement_timestamp()),
           last_outbound_at = greatest(last_outbound_at, statement_timestamp())
      FROM (SELECT conversation_id, count(*) FROM taken GROUP BY 1) fresh
     WHERE conversation.id = fresh.conversation_id
), message AS (
    INSERT INTO messaging_message
           (id, tenant_id, phone_number_id, customer_id, api_key_id, request_id,
            contact_id, conversation_id, direction, type, status, origin, peer, attempt_count)
    SELECT id, %s::bigint, %s::bigint, %s::bigint, %s::bigint, %s::text,
           contact_id, conversation_id, 'outbound', type, 'queued', 'cloud_api', peer, 0 FROM taken
), content AS (
    INSERT INTO messaging_messagecontent (message_id, body, tracking)
    SELECT id, body, tracking FROM taken
), dispatch AS (
    INSERT INTO messaging_dispatch (message_id, phone_number_id, peer, state, due_at, epoch, claim_count)
    SELECT id, %s::bigint, peer, 'queued', coalesce(due_at, statement_timestamp()), 0, 0 FROM taken
)
SELECT taken.id, judged.contact_id, judged.conversation_id, judged.is_open, judged.window_ends_at,
       statement_timestamp()
  FROM judged LEFT JOIN taken USING (n)
 ORDER BY judged.n
"""  # noqa: S608 -- constants of ours
