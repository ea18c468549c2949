"""Make the people and conversations that messages are about to begin, in one statement for many."""

from collections import defaultdict
from collections.abc import Collection

import orjson
from django.utils import timezone

from accounts.models import PhoneNumber
from gosend.lib import phone, prepared
from messaging import announce, endings

# The first look may find a conversation past its time, or a contact that somebody else is just making.
_LOOKS = 3


def begin(wanted: Collection[tuple[PhoneNumber, str]]) -> None:
    """See to it that each number has a running conversation with each recipient, digits, user id or group.

    In the caller's transaction. `conversation.created` is told of those that are new; messages are counted
    by whoever stores them.
    """
    numbers = {number.pk: number for number, _ in wanted}
    rows = [
        {
            "tenant_id": numbers[number_id].tenant_id,
            "account_id": numbers[number_id].business_account_id,
            "customer_id": numbers[number_id].business_account.customer_id,
            "number_id": number_id,
            "phone": peer if phone.is_e164_digits(peer) else "",
            "user_id": "" if phone.is_e164_digits(peer) else peer,
        }
        for number_id, peer in sorted({(number.pk, peer) for number, peer in wanted})
    ]
    for _ in range(_LOOKS):
        found: dict[str, list[tuple[int, int]]] = defaultdict(list)
        for kind, pk, number_id in prepared.rows(_BEGIN, [orjson.dumps(rows).decode()]):
            found[kind].append((pk, number_id))
        if fresh := sorted(found["fresh"]):
            begun = [(pk, numbers[number_id]) for pk, number_id in fresh]
            announce.conversations_created(begun=begun, at=timezone.now())
        if not found["stale"] and not found["unmade"]:
            return
        if found["stale"]:
            endings.expire([pk for pk, _ in found["stale"]])


# All who insert do so in one order, so that two do not block each other for good. Of a contact that
# another transaction makes at the same time nothing is seen before the next statement: it is "unmade".
_BEGIN = f"""
WITH given AS MATERIALIZED (
    SELECT asked.*, coalesce(
               (SELECT id FROM messaging_contact
                 WHERE business_account_id = asked.account_id AND phone = asked.phone AND phone <> ''),
               (SELECT coalesce(merged_into_id, id) FROM messaging_contact
                 WHERE business_account_id = asked.account_id AND user_id = asked.user_id AND user_id <> '')
           ) AS contact_id
      FROM jsonb_to_recordset($1::jsonb) AS asked
           (tenant_id bigint, account_id bigint, customer_id bigint, number_id bigint,
            phone text, user_id text)
), made AS (
    INSERT INTO messaging_contact
           (tenant_id, business_account_id, phone, user_id, name, username, updated_at)
    SELECT DISTINCT tenant_id, account_id, phone, user_id, '', '', statement_timestamp()
      FROM given WHERE contact_id IS NULL
     ORDER BY account_id, phone, user_id
    ON CONFLICT DO NOTHING
    RETURNING id, business_account_id, phone, user_id
), known AS MATERIALIZED (
    SELECT DISTINCT given.tenant_id, given.customer_id, given.number_id,
           coalesce(given.contact_id, made.id) AS contact_id
      FROM given
      LEFT JOIN made ON made.business_account_id = given.account_id
       AND made.phone = given.phone AND made.user_id = given.user_id
), fresh AS (
    INSERT INTO messaging_conversation
           (tenant_id, customer_id, phone_number_id, contact_id, status, messages_count, ended_reason)
    SELECT tenant_id, customer_id, number_id, contact_id, 'active', 0, ''
      FROM known WHERE contact_id IS NOT NULL
     ORDER BY number_id, contact_id
    ON CONFLICT (phone_number_id, contact_id) WHERE status <> 'ended' DO NOTHING
    RETURNING id, phone_number_id
)
SELECT 'fresh', id, phone_number_id FROM fresh
UNION ALL
SELECT 'stale', old.id, known.number_id
  FROM known CROSS JOIN LATERAL (
       SELECT one.id FROM messaging_conversation one
        WHERE one.phone_number_id = known.number_id AND one.contact_id = known.contact_id
          AND one.status <> 'ended'
          AND one.last_message_at <= statement_timestamp() - interval '{endings.LIFETIME_SQL}'
        LIMIT 1) AS old
UNION ALL
SELECT 'unmade', 0, number_id FROM known WHERE contact_id IS NULL
"""  # noqa: S608 -- constants of ours
