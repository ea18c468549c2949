"""The 24-hour window: open it, extend it, ask it; and the record of the exchange beside it."""

from datetime import UTC, datetime, timedelta

from django.db import connection, transaction
from django.db.models import F, Value
from django.db.models.functions import Greatest

from accounts.models import PhoneNumber
from gosend.lib.errors import DomainError
from messaging import endings
from messaging.models import Contact, Conversation, Message

# Meta: a customer's message opens or refreshes the window in which free-form messages may be sent.
WINDOW = timedelta(hours=24)


class WindowClosed(DomainError):
    code = "outside_24h_window"


def leaves_windows_to_meta(number: PhoneNumber) -> bool:
    """Whether Meta decides about the 24-hour window, and not we.

    So it is where the number's policy says so, and during a number's first day, whose inbound messages
    before the connection we have not seen.
    """
    is_new = number.connected_at > datetime.now(UTC) - WINDOW
    return number.window_policy == PhoneNumber.WindowPolicy.DEFER or is_new


def window_closed(ended_at: datetime | None) -> WindowClosed:
    """Why no free-form message may go to a person whose window ended then, or was never open."""
    return WindowClosed(
        "The customer has not written within the last 24 hours: only templates may be sent",
        details={"window_expires_at": ended_at.isoformat() if ended_at else None},
    )


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


def _running(number: PhoneNumber, contact: Contact) -> Conversation | None:
    """Lock it, so that no sweep ends it before the message counts."""
    rows = Conversation.objects.exclude(status=Conversation.Status.ENDED).filter(
        phone_number=number, contact=contact
    )
    return rows.select_for_update(no_key=True).first()


def _open_one(number: PhoneNumber, contact: Contact) -> Conversation | None:
    """The conversation that still runs; one 24 hours without a message is ended here and now."""
    conversation = _running(number, contact)
    if conversation is None or endings.expire([conversation.pk]):
        return None
    return conversation


def _start(number: PhoneNumber, contact: Contact, at: datetime) -> tuple[Conversation, bool]:
    """Begin a conversation; the one-open constraint decides when two processes do so at once."""
    customer_id = number.business_account.customer_id
    with connection.cursor() as cursor:
        cursor.execute(_START, [number.tenant_id, customer_id, number.pk, contact.pk, at, at, at])
        is_new = cursor.fetchone() is not None
    conversation = _running(number, contact)
    if conversation is None:
        raise Conversation.DoesNotExist("a conversation was neither begun nor found")
    return conversation, is_new


_START = """
INSERT INTO messaging_conversation
       (tenant_id, customer_id, phone_number_id, contact_id, started_at, last_message_at, looked_at,
        status, messages_count, ended_reason)
VALUES (%s, %s, %s, %s, %s, %s, %s, 'active', 0, '')
ON CONFLICT (phone_number_id, contact_id) WHERE status <> 'ended' DO NOTHING
RETURNING id
"""
_EXTEND = """
INSERT INTO messaging_servicewindow AS held (phone_number_id, contact_id, expires_at)
VALUES (%s, %s, %s)
ON CONFLICT (phone_number_id, contact_id) DO UPDATE
   SET expires_at = excluded.expires_at
 WHERE held.expires_at < excluded.expires_at
"""
