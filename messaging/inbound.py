"""A message that arrived becomes a Message."""

from django.db import IntegrityError, transaction
from django.utils import timezone

from accounts.models import PhoneNumber
from gosend.whatsapp.events import InboundMessage
from messaging import announce, contacts, conversations, groups, inbound_media, merges, polls
from messaging.models import Contact, Message, MessageContent

# WhatsApp itself says these of a customer: they open no window.
_NOT_WRITTEN = frozenset({"system"})


def receive(*, number: PhoneNumber, item: InboundMessage) -> Message | None:
    """Store a customer's message, open the window, tell the tenant.

    None when it is already here (Meta repeats itself) or the number ignores inbound messages.
    """
    if not number.inbound_processing_enabled or _is_here(number, item.wamid):
        return None
    try:
        with transaction.atomic():
            return _store(number, item)
    except IntegrityError:
        # The same callback, handled twice at once: the unique wamid let one of them through.
        if _is_here(number, item.wamid):
            return None
        raise


def _is_here(number: PhoneNumber, wamid: str) -> bool:
    return Message.objects.filter(wamid=wamid, phone_number=number).exists()


def _store(number: PhoneNumber, item: InboundMessage) -> Message:
    # A clock ahead of ours must not hold the window open for longer.
    written_at = min(item.timestamp, timezone.now())
    group = groups.of(item.message)
    contact = _group(number, group) if group else _person(number, item)
    conversation, is_new = conversations.touch(
        number=number, contact=contact, direction=Message.Direction.INBOUND, at=written_at
    )
    if item.type not in _NOT_WRITTEN:
        conversations.extend_window(number=number, contact=contact, written_at=written_at)
    message = Message.objects.create(
        tenant_id=number.tenant_id,
        phone_number=number,
        contact=contact,
        conversation=conversation,
        customer_id=number.business_account.customer_id,
        direction=Message.Direction.INBOUND,
        type=item.type[:40],
        status=Message.Status.RECEIVED,
        wamid=item.wamid,
        peer=group or item.from_phone or item.from_user_id,
        created_at=written_at,
    )
    MessageContent.objects.create(message=message, body=item.message)
    polls.hear(message=message, meta_message=item.message)
    file = inbound_media.expect(message=message, meta_message=item.message)
    announce.message_received(
        message=message,
        meta_message=item.message,
        conversation=conversation,
        is_new=is_new,
        media_url=inbound_media.address_of(file) if file else "",
    )
    return message


def _group(number: PhoneNumber, group: str) -> Contact:
    """The chat is the group's; that somebody writes in it opens no window to them alone."""
    return contacts.find_or_create(account=number.business_account, user_id=group)


def _person(number: PhoneNumber, item: InboundMessage) -> Contact:
    user_id = merges.followed(account=number.business_account, item=item)
    merges.meet(account=number.business_account, phone=item.from_phone, user_id=user_id)
    return contacts.find_or_create(
        account=number.business_account,
        phone=item.from_phone,
        user_id=user_id,
        name=item.profile_name,
        username=item.username,
    )
