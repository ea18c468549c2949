"""The only place where a message changes status."""

from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils import timezone

from accounts.models import PhoneNumber
from gosend.lib import metrics
from gosend.whatsapp import errors
from gosend.whatsapp.events import StatusUpdate
from messaging import announce, opaque
from messaging.models import Dispatch, Message, MessageContent, StatusReport

Status = Message.Status
# How far a message has come. Meta repeats and reorders its reports; a message only moves forward.
_RANK = {
    Status.QUEUED: 0,
    Status.SENDING: 0,
    Status.UNKNOWN: 0,
    Status.UNCONFIRMED: 0,
    Status.SENT: 1,
    Status.DELIVERED: 2,
    Status.READ: 3,
}
# A voice message that was played was read; Meta's other words change nothing here.
_META_STATUSES = {
    "sent": Status.SENT,
    "delivered": Status.DELIVERED,
    "read": Status.READ,
    "played": Status.READ,
    "failed": Status.FAILED,
}
_MOMENT = {
    Status.SENT: "sent_at",
    Status.DELIVERED: "delivered_at",
    Status.READ: "read_at",
    Status.FAILED: "failed_at",
}


def may_advance(*, current: str, to: str) -> bool:
    """Whether a status moves a message forward.

    Meta may report both delivered and failed for one message with several devices: then delivered
    wins, whichever came first.
    """
    if to == Status.FAILED:
        return current in _RANK and _RANK[Status(current)] <= _RANK[Status.SENT]
    if current == Status.FAILED:
        return to in (Status.DELIVERED, Status.READ)
    return current in _RANK and to in _RANK and _RANK[Status(to)] > _RANK[Status(current)]


def report(*, number: PhoneNumber, update: StatusUpdate) -> None:
    """Keep what Meta reported and move the message it means; told twice, it changes nothing twice.

    A report that fits no message yet is kept without one, and adopted when the message is known.
    """
    with transaction.atomic():
        message_id = _message_meant(number, update)
        fresh = StatusReport(
            message_id=message_id,
            phone_number=number,
            wamid=update.wamid[:255],
            status=update.status[:20],
            participant=(update.participant or "")[:160],
            opaque=update.opaque[:512],
            occurred_at=update.timestamp,
            raw=update.raw,
        )
        StatusReport.objects.bulk_create([fresh], ignore_conflicts=True)
        if message_id is not None:
            _apply(message_id, fresh)


def adopt_strays(*, message: Message) -> None:
    """Apply the reports that came before we knew the message's wamid."""
    if not message.wamid:
        return
    strays = StatusReport.objects.filter(
        message=None, phone_number_id=message.phone_number_id, wamid=message.wamid
    )
    for stray in list(strays.order_by("occurred_at", "id")):
        with transaction.atomic():
            StatusReport.objects.filter(pk=stray.pk).update(message_id=message.pk)
            _apply(message.pk, stray)


def advance(
    *,
    message_id: int,
    to: Status,
    at: datetime,
    wamid: str = "",
    error: dict[str, Any] | None = None,
    pricing: dict[str, Any] | None = None,
) -> Message:
    """Move a message forward, and publish its event, in the caller's transaction.

    The row is locked first, before its dispatch: everyone takes the two in this order. A report that
    comes late moves nothing, but is told once as well, and fills in its moment, the wamid and the price.
    """
    message = (
        Message.objects.select_for_update(of=("self",))
        .select_related("phone_number", "conversation")
        .get(pk=message_id)
    )
    is_first = getattr(message, _MOMENT[to]) is None
    changed = _fill_in(message, to, at, wamid, pricing)
    moves = may_advance(current=message.status, to=to)
    is_news = moves or (to in _RANK and is_first and message.status != Status.FAILED)
    if moves:
        message.status = to
        message.error = error if to in (Status.FAILED, Status.UNKNOWN, Status.UNCONFIRMED) else None
        changed |= {"status", "error"}
        count(status=to, error=message.error)
    if changed:
        message.updated_at = timezone.now()
        message.save(update_fields=[*changed, "updated_at"])
    if is_news:
        body = MessageContent.objects.values_list("body", flat=True).get(message_id=message_id)
        announce.status_reported(message=message, status=to, body=body, at=at)
    return message


def mark(*, message_id: int, to: Status, error: dict[str, Any] | None = None) -> bool:
    """Move a send that is not settled between its own states; False when Meta has spoken meanwhile.

    Of these only unconfirmed is told to the tenant.
    """
    message = (
        Message.objects.select_for_update(of=("self",))
        .select_related("phone_number", "conversation")
        .get(pk=message_id)
    )
    if _RANK.get(Status(message.status)) != 0 or _RANK.get(to) != 0:
        return False
    message.status, message.error, message.updated_at = to, error, timezone.now()
    count(status=to)
    message.save(update_fields=["status", "error", "updated_at"])
    if to == Status.UNCONFIRMED:
        body = MessageContent.objects.values_list("body", flat=True).get(message_id=message_id)
        announce.status_reported(message=message, status=to, body=body, at=message.updated_at)
    return True


def count(*, status: str, error: dict[str, Any] | None = None) -> None:
    """Count that a message came to a status: what /metrics tells."""
    metrics.MESSAGES.add(str(status))
    if status == Status.FAILED:
        code = (error or {}).get("code")
        metrics.FAILURES.add("none" if code is None else str(code) if code in errors.RULES else "other")


def _fill_in(
    message: Message, to: Status, at: datetime, wamid: str, pricing: dict[str, Any] | None
) -> set[str]:
    changed = set()
    moment = _MOMENT.get(to)
    if moment and getattr(message, moment) is None:
        setattr(message, moment, at)
        changed.add(moment)
    if wamid and message.wamid is None:
        message.wamid = wamid
        changed.add("wamid")
    if pricing is not None and message.pricing != pricing:
        message.pricing = pricing
        changed.add("pricing")
    return changed


def _message_meant(number: PhoneNumber, update: StatusUpdate) -> int | None:
    """Find the message by our own id, which Meta echoes, then by wamid; only among this number's."""
    ours = Message.objects.filter(phone_number=number, direction=Message.Direction.OUTBOUND)
    message_id = opaque.message_id(update.opaque)
    if message_id is not None and ours.filter(pk=message_id).exists():
        return message_id
    return ours.filter(wamid=update.wamid).values_list("pk", flat=True).first() if update.wamid else None


def _apply(message_id: int, reported: StatusReport) -> None:
    to = _META_STATUSES.get(reported.status)
    if to is None:
        return
    raw = reported.raw if isinstance(reported.raw, dict) else {}
    raw_errors, pricing = raw.get("errors"), raw.get("pricing")
    error = None
    if to == Status.FAILED and isinstance(raw_errors, list) and raw_errors:
        error = errors.from_status(raw_errors[0])
    advance(
        message_id=message_id,
        to=to,
        at=reported.occurred_at,
        wamid=reported.wamid,
        error=error,
        pricing=pricing if isinstance(pricing, dict) else None,
    )
    # Meta has spoken of it, so nothing is left to find out: whoever still held the send is fenced off.
    Dispatch.objects.filter(message_id=message_id).delete()
