"""What is known of many people at once, for lists: when they wrote last, what, and what is unread."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import connection

from accounts.models import Tenant
from gosend.whatsapp import content as contents
from messaging import conversations, people
from messaging.models import Contact, Conversation, MessageContent, ServiceWindow

# Messages of each person that are looked through for unread ones.
_LOOKED_THROUGH = 100


@dataclass(slots=True)
class Facts:
    """What a list shows beside a person's name."""

    phone_number_id: int | None = None
    last_message_at: datetime | None = None
    last_words: str = ""
    last_inbound_at: datetime | None = None
    window_ends_at: datetime | None = None
    unread: int = 0


def of(*, tenant: Tenant, environment: str, contacts: Sequence[Contact]) -> dict[int, Facts]:
    """The facts of each, by the contact's id; five statements, however many they are."""
    facts = {contact.pk: Facts() for contact in contacts}
    if not facts:
        return facts
    same = people.kin(tenant=tenant, environment=environment, contacts=contacts)
    _add_conversations(facts, same)
    _add_windows(facts, same)
    _add_messages(facts, same, tenant, [name for one in contacts for name in people.names(one)])
    return facts


def _add_conversations(facts: dict[int, Facts], same: Mapping[int, int]) -> None:
    latest = Conversation.objects.filter(contact__in=list(same))
    for one in latest.order_by("contact_id", "-last_message_at").distinct("contact_id"):
        held = facts[same[one.contact_id]]
        if held.last_message_at is None or one.last_message_at > held.last_message_at:
            held.last_message_at, held.phone_number_id = one.last_message_at, one.phone_number_id


def _add_windows(facts: dict[int, Facts], same: Mapping[int, int]) -> None:
    for one in ServiceWindow.objects.filter(contact__in=list(same)):
        held = facts[same[one.contact_id]]
        if held.window_ends_at is None or one.expires_at > held.window_ends_at:
            held.window_ends_at = one.expires_at
            held.last_inbound_at = one.expires_at - conversations.WINDOW


def _add_messages(
    facts: dict[int, Facts], same: Mapping[int, int], tenant: Tenant, names: Sequence[str]
) -> None:
    with connection.cursor() as cursor:
        cursor.execute(_LATEST, [list(names), list(same), tenant.pk, list(same), _LOOKED_THROUGH])
        rows = cursor.fetchall()
    latest: dict[int, int] = {}
    for contact_id, message_id, unread in rows:
        person = same[contact_id]
        facts[person].unread += unread
        latest[person] = max(latest.get(person, 0), message_id)
    said = dict(MessageContent.objects.filter(pk__in=latest.values()).values_list("pk", "body"))
    for person, message_id in latest.items():
        facts[person].last_words = contents.text_of(said.get(message_id, {}))


# WhatsApp takes what came before a read message for read as well. Messages stay under the user id at
# which they were exchanged, also once that became part of another contact.
_LATEST = """
SELECT contact_id, max(id),
       count(*) FILTER (WHERE direction = 'inbound' AND id > last_read)
  FROM (SELECT recent.*,
               coalesce(max(recent.id) FILTER (WHERE recent.direction = 'inbound'
                                                 AND recent.read_at IS NOT NULL)
                        OVER (PARTITION BY recent.contact_id), 0) AS last_read
          FROM (SELECT unnest(%s::text[]) UNION
                SELECT user_id FROM messaging_contact WHERE merged_into_id = ANY(%s)) AS known (peer)
         CROSS JOIN LATERAL (
               SELECT id, contact_id, direction, read_at FROM messaging_message
                WHERE tenant_id = %s AND peer = known.peer AND contact_id = ANY(%s)
                ORDER BY id DESC LIMIT %s) AS recent) AS looked
 GROUP BY contact_id
"""
