"""Accept a message: check, store, queue. Every dialect ends here."""

from django.db import transaction
from django.utils import timezone

from accounts import numbers
from accounts.models import ApiKey, PhoneNumber, Tenant
from gosend.lib import doorbell, phone
from gosend.lib.errors import DomainError
from gosend.whatsapp import content as contents
from messaging import announce, contacts, conversations, deliver, idempotency
from messaging.models import Contact, Dispatch, Message, MessageContent
from templates_app import catalog


class InvalidRecipient(DomainError):
    code = "invalid_phone_number"


def accept(
    *,
    tenant: Tenant,
    number: PhoneNumber,
    to: str,
    content: contents.Content,
    environment: str,
    context_wamid: str | None = None,
    tracking: str = "",
    is_async: bool = False,
    request_id: str = "",
    api_key: ApiKey | None = None,
    once: idempotency.Once | None = None,
) -> Message:
    """Take a message over: from the return on it is kept, whatever happens to this process.

    Synchronous by default: the message has then been handed to Meta, and its status says how that
    went (sent, failed, unknown, or queued when Meta asked us to wait). Raises the errors of
    `numbers.require_sendable`, InvalidRecipient, `conversations.WindowClosed`, those of
    `templates_app.catalog`, and `idempotency.InProgress`; nothing is stored then.
    """
    numbers.require_sendable(number, tenant=tenant, environment=environment)
    _require_recipient(to)
    if isinstance(content, contents.Template):
        catalog.require_approved(number=number, content=content)
    with transaction.atomic():
        contact = _contact(number, to)
        if not isinstance(content, contents.Template):
            conversations.require_open(number=number, contact=contact)
        message = _store(number, contact, to, content, context_wamid, tracking, request_id, api_key)
        if once is not None:
            idempotency.claim(once, message_id=message.pk)
        if is_async:
            doorbell.ring("messaging.drain", number_id=number.pk)
    if not is_async:
        deliver.now(message=message)
        message.refresh_from_db(fields=["status", "wamid", "error", "sent_at", "failed_at", "attempt_count"])
    return message


def _require_recipient(to: str) -> None:
    if not (phone.is_e164_digits(to) or phone.is_user_id(to)):
        raise InvalidRecipient(
            "Validation failed: 'to' must be E164 format: digits only, country code first,"
            " no plus sign, spaces, dashes or parentheses",
            details={"field": "to", "value": to[:100]},
        )


def _contact(number: PhoneNumber, to: str) -> Contact:
    key = {"user_id": to} if phone.is_user_id(to) else {"phone": to}
    return contacts.find_or_create(account=number.business_account, **key)


def _store(
    number: PhoneNumber,
    contact: Contact,
    to: str,
    content: contents.Content,
    context_wamid: str | None,
    tracking: str,
    request_id: str,
    api_key: ApiKey | None,
) -> Message:
    conversation, is_new = conversations.touch(
        number=number, contact=contact, direction=Message.Direction.OUTBOUND, at=timezone.now()
    )
    message = Message.objects.create(
        tenant_id=number.tenant_id,
        phone_number=number,
        contact=contact,
        conversation=conversation,
        customer_id=number.business_account.customer_id,
        api_key=api_key,
        direction=Message.Direction.OUTBOUND,
        type=content.type,
        status=Message.Status.QUEUED,
        peer=to,
        request_id=request_id,
    )
    body: dict[str, object] = {"type": content.type, content.type: content.to_graph()}
    if context_wamid:
        body["context"] = {"message_id": context_wamid}
    MessageContent.objects.create(message=message, body=body, tracking=tracking)
    Dispatch.objects.create(message=message, phone_number=number, peer=to)
    if is_new:
        announce.conversation_created(conversation=conversation, number=number, at=message.created_at)
    return message
