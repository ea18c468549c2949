"""The 24-hour window: open it, extend it, ask it; and the record of the exchange beside it."""

from collections import Counter
from collections.abc import Collection, Mapping
from datetime import datetime, timedelta

from django.db import connection, transaction
from django.db.models import F, Value
from django.db.models.functions import Greatest
from django.utils import timezone

from accounts.models import PhoneNumber
from gosend.lib.errors import DomainError
from messaging import contacts, endings
from messaging.models import Contact, Conversation, Message, ServiceWindow

# Meta: a customer's message opens or refreshes the window in which free-form messages may be sent.
WINDOW = timedelta(hours=24)


class WindowClosed(DomainError):
    code = "outside_24h_window"


def closed_windows(*, number: PhoneNumber, peers: Collection[str]) -> Mapping[str, WindowClosed]:
    """For each recipient outside the 24-hour window, why no free-form message may go there now.

    Left to Meta where the number's policy says so, and during a number's first day, whose inbound
    messages before the connection we have not seen.
    """
    now = timezone.now()
    if number.window_policy == PhoneNumber.WindowPolicy.DEFER or number.connected_at > now - WINDOW:
        return {}
    people = contacts.find_many(account=number.business_account, peers=peers)
    windows = ServiceWindow.objects.filter(phone_number=number, contact__in=people.values())
    ends = dict(windows.values_list("contact_id", "expires_at"))
    closed = {}
    for peer in peers:
        end = ends.get(people[peer].pk) if peer in people else None
        if end is None or end <= now:
            closed[peer] = WindowClosed(
                "The customer has not written within the last 24 hours: only templates may be sent",
                details={"window_expires_at": end.isoformat() if end else None},
            )
    return closed


def extend_window(*, number: PhoneNumber, contact: Contact, written_at: datetime) -> None:
    """Open or extend the window for a message that the customer wrote; never shorten it."""
    with connection.cursor() as cursor:
        cursor.execute(_EXTEND, [number.pk, contact.pk, written_at + WINDOW])


@transaction.atomic(savepoint=False)
def touch(
    *, number: PhoneNumber, contact: Contact, direction: str, at: datetime
) -> tuple[Conversation, bool]:
    """Count a message into the open conversation, or into a new one; say whether it is new."""
    conversation = _open_one(number, contact)
    is_new = False
    if conversation is None:
        conversation, is_new = _start(number, contact, at)
    side = "last_inbound_at" if direction == Message.Direction.INBOUND else "last_outbound_at"
    # Meta may bring an old message late: a moment only moves forward. (Greatest passes over NULL.)
    Conversation.objects.filter(pk=conversation.pk).update(
        status=Conversation.Status.ACTIVE,
        messages_count=F("messages_count") + 1,
        **{moment: Greatest(F(moment), Value(at)) for moment in ("last_message_at", side)},
    )
    conversation.status = Conversation.Status.ACTIVE
    return conversation, is_new


def touch_many(
    *, number: PhoneNumber, contact_ids: Collection[int], at: datetime
) -> tuple[dict[int, Conversation], set[int]]:
    """Count outbound messages, one for each mention of a contact; the statements are as many for all.

    Returns the conversations by contact, and the contacts whose conversation is new.
    """
    counts = Counter(contact_ids)
    found = _running(number, counts)
    if expired := endings.expire([one.pk for one in found.values()]):
        found = {contact: one for contact, one in found.items() if one.pk not in expired}
    missing = sorted(counts.keys() - found.keys())
    is_new = _start_many(number, missing, at) if missing else set()
    if missing:
        found = _running(number, counts)
    with connection.cursor() as cursor:
        rows = [(one.pk, counts[contact]) for contact, one in found.items()]
        cursor.execute(_COUNT, [at, at, [pk for pk, _ in rows], [count for _, count in rows]])
    for one in found.values():
        one.status = Conversation.Status.ACTIVE
    return found, is_new


def _running(number: PhoneNumber, contact_ids: Collection[int]) -> dict[int, Conversation]:
    """Lock them, so that no sweep ends one before it counts; in one order, as an update would not."""
    rows = Conversation.objects.exclude(status=Conversation.Status.ENDED).filter(
        phone_number=number, contact_id__in=list(contact_ids)
    )
    return {row.contact_id: row for row in rows.order_by("pk").select_for_update(no_key=True)}


def _start_many(number: PhoneNumber, contact_ids: Collection[int], at: datetime) -> set[int]:
    customer_id = number.business_account.customer_id
    with connection.cursor() as cursor:
        cursor.execute(_START_MANY, [number.tenant_id, customer_id, number.pk, at, at, list(contact_ids)])
        return {contact_id for (contact_id,) in cursor.fetchall()}


def _open_one(number: PhoneNumber, contact: Contact) -> Conversation | None:
    """The conversation that still runs; one 24 hours without a message is ended here and now."""
    conversation = _running(number, [contact.pk]).get(contact.pk)
    if conversation is None or endings.expire([conversation.pk]):
        return None
    return conversation


def _start(number: PhoneNumber, contact: Contact, at: datetime) -> tuple[Conversation, bool]:
    """Begin a conversation; the one-open constraint decides when two processes do so at once."""
    customer_id = number.business_account.customer_id
    with connection.cursor() as cursor:
        cursor.execute(_START, [number.tenant_id, customer_id, number.pk, contact.pk, at, at])
        is_new = cursor.fetchone() is not None
    return _running(number, [contact.pk])[contact.pk], is_new


_START = """
INSERT INTO messaging_conversation
       (tenant_id, customer_id, phone_number_id, contact_id, started_at, last_message_at,
        status, messages_count, ended_reason)
VALUES (%s, %s, %s, %s, %s, %s, 'active', 0, '')
ON CONFLICT (phone_number_id, contact_id) WHERE status <> 'ended' DO NOTHING
RETURNING id
"""
_START_MANY = """
INSERT INTO messaging_conversation
       (tenant_id, customer_id, phone_number_id, contact_id, started_at, last_message_at,
        status, messages_count, ended_reason)
SELECT %s, %s, %s, contact_id, %s, %s, 'active', 0, '' FROM unnest(%s::bigint[]) AS contact_id
ON CONFLICT (phone_number_id, contact_id) WHERE status <> 'ended' DO NOTHING
RETURNING contact_id
"""
_COUNT = """
UPDATE messaging_conversation AS conversation
   SET messages_count = messages_count + fresh.count, status = 'active',
       last_message_at = greatest(last_message_at, %s), last_outbound_at = greatest(last_outbound_at, %s)
  FROM unnest(%s::bigint[], %s::int[]) AS fresh (id, count)
 WHERE conversation.id = fresh.id
"""
_EXTEND = """
INSERT INTO messaging_servicewindow AS held (phone_number_id, contact_id, expires_at)
VALUES (%s, %s, %s)
ON CONFLICT (phone_number_id, contact_id) DO UPDATE
   SET expires_at = excluded.expires_at
 WHERE held.expires_at < excluded.expires_at
"""
