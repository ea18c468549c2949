"""Where a message changes status; the one other place is the statement of `intents.py`, by the same rule."""

from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils import timezone

from gosend.lib import metrics
from gosend.whatsapp import errors
from messaging import announce, standing
from messaging.models import Message
from messaging.standing import Standing

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
# Those whose fate is open: nobody knows yet whether Meta took them.
UNSETTLED = tuple(status for status, rank in _RANK.items() if rank == 0)
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """Something that happened to one message: to what it came by that, when, and what became known."""

    message_id: int
    to: Status
    at: datetime
    wamid: str = ""
    error: dict[str, Any] | None = None
    pricing: dict[str, Any] | None = None


def advance_many(*, changes: Sequence[Change], locked: Mapping[int, Standing] | None = None) -> set[int]:
    """Move many messages forward and publish their events, in the caller's transaction.

    Two statements, and three more if anybody hears of it. Changes of one message count in the order
    given. `locked` is what `standing.lock` returned in this transaction. Returns whose status moved.
    """
    held = standing.lock(message_ids={one.message_id for one in changes}) if locked is None else locked
    now = timezone.now()
    moved: set[int] = set()
    news: list[announce.Report] = []
    for change in changes:
        message = held.get(change.message_id)
        if message is None:
            continue
        before = message.status
        if _apply(message, change):
            at = now if change.to == Status.UNCONFIRMED else change.at
            news.append(announce.Report(copy(message), change.to, at))
        if message.status != before:
            moved.add(message.pk)
            _count(message)
    standing.save(standings=held.values(), at=now)
    announce.statuses_reported(reports=news)
    return moved


def advance(
    *,
    message_id: int,
    to: Status,
    at: datetime,
    wamid: str = "",
    error: dict[str, Any] | None = None,
    pricing: dict[str, Any] | None = None,
) -> bool:
    """Move one message; the batch of one. True when its status moved."""
    change = Change(message_id=message_id, to=to, at=at, wamid=wamid, error=error, pricing=pricing)
    return bool(advance_many(changes=[change]))


def mark(*, message_id: int, to: Status, error: dict[str, Any] | None = None) -> bool:
    """Move a send that is not settled between its own states; False when Meta has spoken meanwhile.

    Of these only unconfirmed is told to the tenant.
    """
    held = standing.lock(message_ids=[message_id])
    is_open = message_id in held and _is_unsettled(held[message_id].status) and _is_unsettled(to)
    change = Change(message_id=message_id, to=to, at=timezone.now(), error=error)
    advance_many(changes=[change] if is_open else [], locked=held)
    return is_open


def _count(message: Standing) -> None:
    """Count that a message came to a status: what /metrics tells."""
    metrics.MESSAGES.add(str(message.status))
    if message.status == Status.FAILED:
        code = (message.error or {}).get("code")
        metrics.FAILURES.add("none" if code is None else str(code) if code in errors.RULES else "other")


def _is_unsettled(status: str) -> bool:
    return status in UNSETTLED


def _apply(message: Standing, change: Change) -> bool:
    """Change a message as the rule allows; whether that is news to its tenant.

    A report that comes late moves nothing, but is told once as well, and fills in its moment, the wamid
    and the price.
    """
    if _is_unsettled(change.to):
        if not _is_unsettled(message.status):
            return False
        message.status, message.error, message.changed = change.to, change.error, True
        return change.to == Status.UNCONFIRMED
    is_first = message.moments[_MOMENT[change.to]] is None
    _fill_in(message, change)
    moves = may_advance(current=message.status, to=change.to)
    is_news = moves or (change.to in _RANK and is_first and message.status != Status.FAILED)
    if moves:
        message.status, message.changed = change.to, True
        message.error = change.error if change.to == Status.FAILED else None
    return is_news


def _fill_in(message: Standing, change: Change) -> None:
    moment = _MOMENT[change.to]
    if message.moments[moment] is None:
        message.moments = {**message.moments, moment: change.at}
        message.changed = True
    if change.wamid and message.wamid is None:
        message.wamid, message.changed = change.wamid, True
    if change.pricing is not None and message.pricing != change.pricing:
        message.pricing, message.changed = change.pricing, True
