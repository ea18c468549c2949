"""Accept messages: check, store, queue. Every dialect ends here."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from django.db import OperationalError, transaction
from django.db.models.base import ModelState
from psycopg.errors import DeadlockDetected

from accounts import numbers
from accounts.models import ApiKey, PhoneNumber, Tenant
from gosend.lib import doorbell, phone
from gosend.lib.errors import DomainError
from gosend.whatsapp import content as contents
from messaging import conversations, deliver, gather, groups, idempotency, keep, openings, throughput
from messaging.models import Message, MessageContent
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
    answered: int | None = None,
    due_at: datetime | None = None,
) -> Message:
    """Take a message over: from the return on it is kept, whatever happens to this process.

    Synchronous by default: the message has then been handed to Meta, and its status says how that
    went (sent, failed, unknown, or queued when Meta asked us to wait). Raises the errors of
    `numbers.require_sendable`, InvalidRecipient, `conversations.WindowClosed`, those of
    `templates_app.catalog` and `templates_app.parameters`, `idempotency.InProgress`, and
    `throughput.NumberOverLimit` or, when asynchronous, `throughput.QueueFull`; nothing is stored then.

    `answered` is the status of an answer that follows from the message alone: it is kept with the key at
    once, and a repeat recalls `idempotency.Accepted`.
    """
    asked = Asked(number, to, content, context_wamid, tracking, due_at)
    sender = Sender(tenant, environment, request_id, api_key)
    _check(asked, sender, _approved_templates())
    if is_async:
        if not throughput.room(number=number):
            raise throughput.queue_full(number)
        return _queue(asked, sender, once, answered)
    with throughput.one(number=number), transaction.atomic():
        message = _required(_store(number, [asked], sender, once)[0])
    MessageContent(message=message, body=_body(asked), tracking=tracking)  # known, so not read again
    _deliver(message)
    return message


def _queue(asked: Asked, sender: Sender, once: idempotency.Once | None, answered: int | None) -> Message:
    """Keep one message to be sent later, together with what comes at the same moment."""
    batch = _batch(asked.number, [asked], sender, once, answered)
    kept = gather.store(batch)[0]
    if kept.id is None:
        with transaction.atomic():
            stored = _required(_settle(batch, [asked], sender, [kept])[0])
            doorbell.ring("messaging.drain", number_id=asked.number.id)
            return stored
    doorbell.ring("messaging.drain", number_id=asked.number.id)
    return _message(asked, sender, kept, kept.id)


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
            by_number.setdefault(one.number.id, []).append(index)
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
    doorbell.ring("messaging.drain", number_id=number.id)
    stored = _store(number, asked[:room], sender)
    return [*stored, *(throughput.queue_full(number) for _ in asked[room:])]


def _check(asked: Asked, sender: Sender, approved: _Templates) -> None:
    """Refuse one message for what can be known before its recipient is looked up."""
    numbers.require_sendable(asked.number, tenant=sender.tenant, environment=sender.environment)
    require_recipient(asked.to)
    if phone.is_group(asked.to):
        groups.require_type(asked.content.type)
    if isinstance(asked.content, contents.Template):
        template = approved(asked.number, asked.content)
        if template is not None:
            parameters.require_fit(template, sent=asked.content)


def require_recipient(to: str) -> None:
    """Refuse what is neither a phone number in plain digits nor a WhatsApp user id nor a group."""
    if not (phone.is_e164_digits(to) or phone.is_user_id(to) or phone.is_group(to)):
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


def _store(
    number: PhoneNumber, asked: Sequence[Asked], sender: Sender, once: idempotency.Once | None = None
) -> list[Verdict]:
    """Store what the 24-hour window allows; the statements are as many for a thousand as for one."""
    if not asked:
        return []
    batch = _batch(number, asked, sender, once)
    return _settle(batch, asked, sender, keep.keep(batch))


def _batch(
    number: PhoneNumber,
    asked: Sequence[Asked],
    sender: Sender,
    once: idempotency.Once | None = None,
    answered: int | None = None,
) -> keep.Batch:
    rows = [
        {
            "peer": one.to,
            "type": one.content.type,
            "body": _body(one),
            "tracking": one.tracking,
            "due_at": one.due_at,
            # Of a group's window Meta alone knows.
            "is_free": not isinstance(one.content, contents.Template) and not phone.is_group(one.to),
        }
        for one in asked
    ]
    api_key_id = sender.api_key.id if sender.api_key else None
    return keep.Batch(number, rows, api_key_id, sender.request_id, once, answered)


def _settle(
    batch: keep.Batch, asked: Sequence[Asked], sender: Sender, found: list[keep.Kept]
) -> list[Verdict]:
    """Make the people and conversations that were missing, and store what waited for them."""
    waiting = [n for n, one in enumerate(found) if one.id is None and one.is_open]
    if waiting:
        openings.begin([(batch.number, asked[n].to) for n in waiting])
        again = keep.keep(replace(batch, rows=[batch.rows[n] for n in waiting]))
        for n, one in zip(waiting, again, strict=True):
            if one.id is None:  # its person is there now: only the key can be missing
                raise idempotency.in_progress()
            found[n] = one
    return [
        conversations.window_closed(kept.window_ends_at)
        if kept.id is None
        else _message(one, sender, kept, kept.id)
        for one, kept in zip(asked, found, strict=True)
    ]


def _message(asked: Asked, sender: Sender, kept: keep.Kept, message_id: int) -> Message:
    """The row as it was stored, without reading it back.

    Its fields are set all at once: the constructor looks at each in turn, which was 7 % of an acceptance.
    """
    number = asked.number
    message = Message.__new__(Message)
    message._state = ModelState()
    message._state.adding, message._state.db = False, "default"
    message._state.fields_cache = {"phone_number": number, "api_key": sender.api_key}
    message.__dict__ |= {
        "id": message_id,
        "tenant_id": number.tenant_id,
        "phone_number_id": number.id,
        "contact_id": kept.contact_id,
        "conversation_id": kept.conversation_id,
        "customer_id": number.business_account.customer_id,
        "api_key_id": sender.api_key.id if sender.api_key else None,
        "direction": Message.Direction.OUTBOUND,
        "type": asked.content.type,
        "status": Message.Status.QUEUED,
        "origin": Message.Origin.CLOUD_API,
        "peer": asked.to,
        "request_id": sender.request_id,
        "attempt_count": 0,
        **dict.fromkeys(("wamid", "error", "pricing", "sent_at", "delivered_at", "read_at", "failed_at")),
        "created_at": kept.created_at,
        "updated_at": kept.created_at,
    }
    return message


def _body(asked: Asked) -> dict[str, object]:
    body: dict[str, object] = {"type": asked.content.type, asked.content.type: asked.content.to_graph()}
    if asked.context_wamid and asked.content.takes_context:
        body["context"] = {"message_id": asked.context_wamid}
    return body
