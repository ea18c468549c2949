"""Hand a message over for a session, within its budgets, and write the SendResult."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from django.utils import timezone
from rest_framework.response import Response

from accounts.models import PhoneNumber
from gosend.api import asynchronous, errors, refusals
from gosend.api.sessions import envelope
from gosend.api.view import TenantRequest
from gosend.lib import ids, logs
from gosend.lib.errors import DomainError
from gosend.whatsapp import content as contents
from messaging import budgets, recall, send
from messaging.models import Message, Poll

_DONE = frozenset({Message.Status.SENT, Message.Status.DELIVERED, Message.Status.READ})
# Meta shows no quotation of what is older.
_QUOTABLE = timedelta(days=30)
_MOMENTS = {"sent": "sent_at", "delivered": "delivered_at", "read": "read_at", "failed": "failed_at"}


class NotSentYet(DomainError):
    code = "message_not_sent_yet"


@dataclass(frozen=True, slots=True)
class Extra:
    """What a result says beyond the message itself."""

    warnings: list[str] = field(default_factory=list)
    rendered_as: str | None = None
    forwarded_from: str | None = None


def hand_over(
    request: TenantRequest,
    *,
    number: PhoneNumber,
    to: str,
    make: Callable[[], contents.Content],
    context_wamid: str | None = None,
) -> Message:
    """Spend one send of the session's budgets on a message; `make` runs only when there is room."""
    later = asynchronous.asked(request)
    with budgets.one(number=number, may_wait=later) as due_at:
        return send.accept(
            tenant=request.tenant,
            number=number,
            to=to,
            content=make(),
            environment=request.api_key.environment,
            context_wamid=context_wamid,
            is_async=later,
            request_id=logs.request_id.get(),
            api_key=request.api_key,
            once=request.once,
            due_at=due_at,
        )


def answer(request: TenantRequest, message: Message, extra: Extra | None = None) -> Response:
    """200 once WhatsApp has the message, 202 while it waits, or why WhatsApp refused it."""
    shown = message.wamid or str(message.pk)
    if not recall.is_revoked(message) and (refusal := refusals.of(message, shown_id=shown)):
        return envelope.to_response(refusal, {})
    return Response(result(request, message, extra), status=200 if message.status in _DONE else 202)


def result(request: TenantRequest, message: Message, extra: Extra | None = None) -> dict[str, Any]:
    extra = extra or Extra()
    return envelope.SendResult(
        message_id=message.wamid or str(message.pk),
        wa_message_id=message.wamid,
        outbox_id=str(message.pk),
        status=status_of(message),
        timestamp=envelope.milliseconds(_moment(message)),
        mode="async" if asynchronous.asked(request) else "sync",
        replayed=False,
        warnings=extra.warnings,
        rendered_as=extra.rendered_as,
        forwarded_from=extra.forwarded_from,
    ).wire()


def late(request: TenantRequest, message_id: int) -> Response:
    """Answer for a first request that was accepted and ended before it could."""
    message = request.tenant.messages.get(pk=message_id)
    poll = Poll.objects.filter(message=message).first()
    return answer(request, message, Extra(rendered_as=poll.rendered_as if poll else None))


def status_of(message: Message) -> str:
    return recall.REVOKED if recall.is_revoked(message) else message.status


def find(number: PhoneNumber, message_id: str) -> Message:
    """A message of the session by WhatsApp's id or by ours."""
    own_id = ids.parse_id(message_id)
    key: dict[str, Any] = {"wamid": message_id} if own_id is None else {"pk": own_id}
    rows = Message.objects.filter(phone_number=number).select_related(
        "phone_number__tenant", "content", "poll"
    )
    message = rows.filter(**key).first()
    if message is None:
        raise errors.NotFound("No message with this id in this session")
    return message


def require_wamid(message: Message) -> str:
    """WhatsApp's id of a message that another one is to refer to."""
    if not message.wamid:
        raise NotSentYet("The message is not at WhatsApp yet, so nothing can refer to it")
    return message.wamid


def quoted(number: PhoneNumber, reply_to: str) -> tuple[str | None, list[str]]:
    """The wamid of the message to quote, and a warning where WhatsApp will not show the quotation."""
    if not reply_to:
        return None, []
    message = find(number, reply_to)
    is_old = timezone.now() - message.created_at > _QUOTABLE
    return require_wamid(message), ["reply_target_older_than_30_days"] if is_old else []


def _moment(message: Message) -> Any:
    reached = getattr(message, _MOMENTS.get(message.status, "created_at"))
    return reached or message.updated_at
