"""Tell a customer that a message was read, and that an answer is being typed."""

import math

from django.db.models import QuerySet
from django.db.models.functions import Coalesce, Now

from accounts import numbers
from gosend.lib import phone
from gosend.lib.errors import DomainError
from gosend.whatsapp.errors import GraphError, Outcome
from messaging import groups
from messaging.models import Message


class NotInbound(DomainError):
    code = "not_found"


class MetaRefused(DomainError):
    code = "meta_error"


class MetaUnavailable(DomainError):
    code = "meta_unavailable"


def latest_of(messages: "QuerySet[Message]") -> Message | None:
    """The customer's latest message of those exchanged with them: the one that receipts and typing name."""
    received = messages.filter(direction=Message.Direction.INBOUND, wamid__isnull=False)
    account = "phone_number__business_account__customer"
    return received.select_related(account, "phone_number__tenant").order_by("-pk").first()


def mark_all_read(*, messages: "QuerySet[Message]", environment: str) -> Message | None:
    """Mark the customer's latest message, and so all of them, as read unless it is; return it.

    Raises what `mark_read` raises.
    """
    newest = latest_of(messages)
    if newest is not None and newest.read_at is None:
        mark_read(message=newest, environment=environment)
    return newest


def mark_read(*, message: Message, environment: str, typing: bool = False) -> None:
    """Mark an inbound message as read at Meta, which takes those before it for read as well.

    Meta shows the typing indicator until the answer, for 25 seconds at most. Raises NotInbound, the
    errors of `numbers.require_sendable`, MetaRefused, and MetaUnavailable when a repeat may help.
    """
    if message.direction != Message.Direction.INBOUND or not message.wamid:
        raise NotInbound("Only a message that a customer sent can be marked as read")
    if phone.is_group(message.peer):
        raise groups.not_in_groups("WhatsApp takes no read receipts, and shows no typing, in a group")
    number = message.phone_number
    numbers.require_sendable(number, tenant=number.tenant, environment=environment)
    try:
        numbers.client_for(number).mark_read(
            phone_number_id=number.phone_number_id, wamid=message.wamid, typing=typing
        )
    except GraphError as error:
        raise _explained(error) from error
    Message.objects.filter(pk=message.pk).update(read_at=Coalesce("read_at", Now()), updated_at=Now())


def _explained(error: GraphError) -> DomainError:
    details = {"meta": error.as_dict()}
    if error.outcome is Outcome.FINAL:
        return MetaRefused(f"Meta refused the read receipt: {error.title}", details=details)
    return MetaUnavailable(
        f"Meta did not take the read receipt: {error.title}",
        details=details,
        retry_after=max(1, math.ceil(error.retry_after or 0)),
    )
