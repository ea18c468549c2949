"""Accept messages: check, store, queue. Every dialect ends here."""

import logging
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import datetime

from django.db import OperationalError, transaction
from django.db.models.functions import Now
from django.utils import timezone
from psycopg.errors import DeadlockDetected

from accounts import numbers
from accounts.models import ApiKey, PhoneNumber, Tenant
from gosend.lib import doorbell, ids, phone
from gosend.lib.errors import DomainError
from gosend.whatsapp import content as contents
from messaging import announce, contacts, conversations, deliver, idempotency, throughput
from messaging.models import Dispatch, Message, MessageContent
from templates_app import catalog, parameters
from templates_app.models import Template

log = logging.getLogger(__name__)


class InvalidRecipient(DomainError):
    code = "invalid_phone_number"


@dataclass(frozen=True, slots=True)
class Asked:
    """One message to be sent; its number is among the tenant's own."""

    number: PhoneNumber
    to: str
    content: contents.Content
    context_wamid: str | None = None
    tracking: str = ""
    # An asynchronous message that is not to leave before; None for as soon as it can.
    due_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Sender:
    """On whose behalf messages are taken over."""

    tenant: Tenant
    environment: str
    request_id: str = ""
    api_key: ApiKey | None = None


Verdict = Message | DomainError
_Templates = Callable[[PhoneNumber, contents.Template], Template | None]


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
    due_at: datetime | None = None,
) -> Message:
    """Take a message over: from the return on it is kept, whatever happens to this process.

    Synchronous by default: the message has then been handed to Meta, and its status says how that
    went (sent, failed, unknown, or queued when Meta asked us to wait). Raises the errors of
    `numbers.require_sendable`, InvalidRecipient, `conversations.WindowClosed`, those of
    `templates_app.catalog` and `templates_app.parameters`, `idempotency.InProgress`, and
    `throughput.NumberOverLimit` or, when asynchronous, `throughput.QueueFull`; nothing is stored then.
    """
    asked = Asked(number, to, content, context_wamid, tracking, due_at)
    sender = Sender(tenant, environment, request_id, api_key)
    _check(asked, sender, _approved_templates())
    if is_async and not throughput.room(number=number):
        raise throughput.queue_full(number)
    with nullcontext() if is_async else throughput.one(number=number), transaction.atomic():
        message = _required(_store(number, [asked], sender)[0])
        if once is not None:
            idempotency.claim(once, message_id=message.pk)
        if is_async:
            doorbell.ring("messaging.drain", number_id=number.pk)
    if not is_async:
        _deliver(message)
    return message


def _deliver(message: Message) -> None:
    """Send at once. The message is accepted, so whatever breaks now must not read as a refusal."""
    try:
        deliver.now(message=message)
        message.refresh_from_db(fields=["status", "wamid", "error", "sent_at", "failed_at", "attempt_count"])
    except Exception:
        log.exception("message %s is accepted, but could not be sent at once", message.pk)


def accept_many(
    *,
    tenant: Tenant,
    asked: Sequence[Asked],
    environment: str,
    request_id: str = "",
    api_key: ApiKey | None = None,
) -> list[Verdict]:
    """Take many messages over in one transaction, to be sent later; say of each what became of it.

    One that cannot be taken does not stop its siblings: its place holds the error that `accept` would
    have raised.
    """
    sender = Sender(tenant, environment, request_id, api_key)
    approved = _approved_templates()
    verdicts: dict[int, Verdict] = {}
    by_number: dict[int, list[int]] = {}
    for index, one in enumerate(asked):
        try:
            _check(one, sender, approved)
        except DomainError as error:
            verdicts[index] = error
        else:
            by_number.setdefault(one.number.pk, []).append(index)
    for is_last in (False, False, True):
        try:
            with transaction.atomic():
                for _number_id, indexes in sorted(by_number.items()):
                    of_number = [asked[index] for index in indexes]
                    stored = _store_queued(of_number[0].number, of_number, sender)
                    verdicts |= dict(zip(indexes, stored, strict=True))
            break
        except OperationalError as error:
            # Two batches that make the same new people on two numbers may wait for each other.
            if is_last or not isinstance(error.__cause__, DeadlockDetected):
                raise
    return [verdicts[index] for index in range(len(asked))]


def _store_queued(number: PhoneNumber, asked: Sequence[Asked], sender: Sender) -> list[Verdict]:
    room = throughput.room(number=number, wanted=len(asked))
    doorbell.ring("messaging.drain", number_id=number.pk)
    stored = _store(number, asked[:room], sender)
    return [*stored, *(throughput.queue_full(number) for _ in asked[room:])]


def _check(asked: Asked, sender: Sender, approved: _Templates) -> None:
    """Refuse one message for what can be known before its recipient is looked up."""
    numbers.require_sendable(asked.number, tenant=sender.tenant, environment=sender.environment)
    require_recipient(asked.to)
    if isinstance(asked.content, contents.Template):
        template = approved(asked.number, asked.content)
        if template is not None:
            parameters.require_fit(template, sent=asked.content)


def require_recipient(to: str) -> None:
    """Refuse what is neither a phone number in plain digits nor a WhatsApp user id."""
    if not (phone.is_e164_digits(to) or phone.is_user_id(to)):
        raise InvalidRecipient(
            "Validation failed: 'to' must be E164 format: digits only, country code first,"
            " no plus sign, spaces, dashes or parentheses",
            details={"field": "to", "value": to[:100]},
        )


def _approved_templates() -> _Templates:
    """Look each template up once, however many messages use it."""
    known: dict[tuple[int, str, str], Template | DomainError | None] = {}

    def find(number: PhoneNumber, sent: contents.Template) -> Template | None:
        name, language = sent.name, sent.language.code
        key = (number.business_account_id, name, language)
        if key not in known:
            try:
                known[key] = catalog.require_approved(number=number, name=name, language=language)
            except DomainError as error:
                known[key] = error
        found = known[key]
        if isinstance(found, DomainError):
            raise found
        return found

    return find


def _required(verdict: Verdict) -> Message:
    if isinstance(verdict, DomainError):
        raise verdict
    return verdict


def _store(number: PhoneNumber, asked: Sequence[Asked], sender: Sender) -> list[Verdict]:
    """Store what the 24-hour window allows; the statements are as many for a thousand as for one."""
    free = {one.to for one in asked if not isinstance(one.content, contents.Template)}
    closed = conversations.closed_windows(number=number, peers=free) if free else {}
    refused = [None if isinstance(one.content, contents.Template) else closed.get(one.to) for one in asked]
    allowed = [one for one, error in zip(asked, refused, strict=True) if error is None]
    stored = iter(_insert(number, allowed, sender) if allowed else [])
    return [error or next(stored) for error in refused]


def _insert(number: PhoneNumber, asked: Sequence[Asked], sender: Sender) -> list[Message]:
    at = timezone.now()
    people = contacts.find_or_create_many(account=number.business_account, peers={one.to for one in asked})
    threads, fresh = conversations.touch_many(
        number=number, contact_ids=[people[one.to].pk for one in asked], at=at
    )
    messages = [
        Message(
            id=message_id,
            tenant_id=number.tenant_id,
            phone_number=number,
            contact=people[one.to],
            conversation=threads[people[one.to].pk],
            customer_id=number.business_account.customer_id,
            api_key=sender.api_key,
            direction=Message.Direction.OUTBOUND,
            type=one.content.type,
            status=Message.Status.QUEUED,
            peer=one.to,
            request_id=sender.request_id,
        )
        for message_id, one in zip(ids.reserve(len(asked)), asked, strict=True)
    ]
    Message.objects.bulk_create(messages)
    pairs = list(zip(messages, asked, strict=True))
    MessageContent.objects.bulk_create(
        MessageContent(message=message, body=_body(one), tracking=one.tracking) for message, one in pairs
    )
    Dispatch.objects.bulk_create(
        Dispatch(message=message, phone_number=number, peer=one.to, due_at=one.due_at or Now())
        for message, one in pairs
    )
    if fresh:
        announce.conversations_created(
            conversations=[threads[contact_id] for contact_id in sorted(fresh)], number=number, at=at
        )
    return messages


def _body(asked: Asked) -> dict[str, object]:
    body: dict[str, object] = {"type": asked.content.type, asked.content.type: asked.content.to_graph()}
    if asked.context_wamid and asked.content.takes_context:
        body["context"] = {"message_id": asked.context_wamid}
    return body
