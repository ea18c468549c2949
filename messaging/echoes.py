"""What the business wrote in its own WhatsApp Business app becomes a Message, too."""

from django.db import IntegrityError, transaction
from django.utils import timezone

from accounts.models import PhoneNumber
from gosend.whatsapp.events import MessageEcho
from messaging import announce, contacts, conversations, reports, standing
from messaging.models import Message, MessageContent


def receive(*, number: PhoneNumber, item: MessageEcho) -> Message | None:
    """Store an echo as an outbound message; None when it is here already, or says not to whom.

    It opens no window, as only the customer can.
    """
    if not (item.to_phone or item.to_user_id) or _is_here(number, item.wamid):
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


def _store(number: PhoneNumber, item: MessageEcho) -> Message:
    written_at = min(item.timestamp, timezone.now())
    contact = contacts.find_or_create(
        account=number.business_account,
        phone=item.to_phone,
        user_id=item.to_user_id,
        name=item.profile_name,
        username=item.username,
    )
    conversation, is_new = conversations.touch(
        number=number, contact=contact, direction=Message.Direction.OUTBOUND, at=written_at
    )
    message = Message.objects.create(
        tenant_id=number.tenant_id,
        phone_number=number,
        contact=contact,
        conversation=conversation,
        customer_id=number.business_account.customer_id,
        direction=Message.Direction.OUTBOUND,
        origin=Message.Origin.BUSINESS_APP,
        type=item.type[:40],
        status=Message.Status.SENT,
        wamid=item.wamid,
        peer=item.to_phone or item.to_user_id,
        created_at=written_at,
        sent_at=written_at,
    )
    MessageContent.objects.create(message=message, body=item.message)
    if is_new:
        announce.conversation_created(conversation=conversation, number=number, at=written_at)
    held = standing.lock(message_ids=[message.pk])
    announce.statuses_reported(
        reports=[announce.Report(one, Message.Status.SENT, written_at) for one in held.values()]
    )
    reports.adopt(message_ids=[message.pk])
    return message
