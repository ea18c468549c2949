"""Everything known of one message, in the order in which it happened."""

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Model
from django.utils import timezone

from gosend.lib import moments, phone
from gosend.whatsapp import errors
from messaging import timeline
from messaging.console import words
from messaging.console.bubbles import body_of
from messaging.console.masking import Veil
from messaging.console.words import Meaning
from messaging.models import Dispatch, IdempotentAnswer, Message, StatusReport
from webhooks_app.models import Attempt, Delivery

# Rows shown of what has no natural end.
_REPORTS_MAX = 50
_DELIVERIES_MAX = 30
_ATTEMPTS_MAX = 100
# Meta's callback normally comes within seconds; a later one is worth a word.
_LATE = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Step:
    """One moment: of ours, or reported by Meta; `raw` is Meta's report as it came."""

    at: datetime
    source: str
    meaning: Meaning
    note: str
    raw: str


@dataclass(frozen=True, slots=True)
class Trouble:
    """An error in plain words; `cure` is what to do about it."""

    code: str
    title: str
    details: str
    cure: str
    trace: str


@dataclass(frozen=True, slots=True)
class Told:
    """One delivery of a webhook about the message, with its attempts."""

    delivery: Delivery
    meaning: Meaning
    attempts: list[Attempt]


@dataclass(frozen=True, slots=True)
class Story:
    meaning: Meaning
    steps: list[Step]
    trouble: Trouble | None
    price: str
    webhooks: list[Told]
    idempotency_key: str
    waits: str
    body: str


def tell(message: Message, *, veil: Veil) -> Story:
    """Read what hangs on a message: its reports, its place in the queue, its webhooks, its request."""
    answer = IdempotentAnswer.objects.filter(tenant_id=message.tenant_id, message_id=message.pk)
    return Story(
        meaning=words.status(message.status),
        steps=_steps(message, veil),
        trouble=trouble_of(message.error, veil=veil, record=message),
        price=words.price(message.pricing),
        webhooks=_webhooks(message, veil),
        idempotency_key=answer.values_list("key", flat=True).first() or "",
        waits=_waits(message),
        body=_masked(message, veil, body_of(message)) if body_of(message) else "",
    )


def trouble_of(error: Any, *, veil: Veil, record: Model) -> Trouble | None:
    """A stored error in words, on a page about `record`; what an older row lacks its code tells."""
    if not isinstance(error, dict) or not error:
        return None
    code = error.get("code")
    rule = errors.explain(code=code if isinstance(code, int) else None)
    title, message = str(error.get("title") or rule.title), str(error.get("message") or "")
    details = str(error.get("details") or "")
    said = [part for part in (message, details) if part and part != title]
    return Trouble(
        code="" if code is None else str(code),
        title=veil.within(title, record=record),
        details=veil.within("; ".join(dict.fromkeys(said)), record=record),
        cure=str(error.get("cure") or rule.cure),
        trace=str(error.get("fbtrace_id") or ""),
    )


def _steps(message: Message, veil: Veil) -> list[Step]:
    reports = message.status_reports.order_by("occurred_at", "pk")[:_REPORTS_MAX]
    return [
        _reported(message, one.report, veil)
        if one.report
        else Step(one.at, "GoSend", words.status(one.status), "", "")
        for one in timeline.steps(message, reports)
    ]


def _reported(message: Message, report: StatusReport, veil: Veil) -> Step:
    notes = []
    if report.created_at - report.occurred_at > _LATE:
        notes.append(f"arrived here at {moments.written(report.created_at)}, late")
    for error in report.raw.get("errors") or [] if isinstance(report.raw, dict) else []:
        said = trouble_of(errors.from_status(error), veil=veil, record=message)
        if said is not None:
            notes.append(f"{said.code} {said.title}: {said.cure}")
    raw = _masked(message, veil, report.raw)
    return Step(report.occurred_at, "Meta", words.status(report.status), "; ".join(notes), raw)


def _webhooks(message: Message, veil: Veil) -> list[Told]:
    rows = Delivery.objects.filter(event__message_id=message.pk, tenant_id=message.tenant_id)
    deliveries = list(rows.select_related("event", "endpoint").order_by("pk")[:_DELIVERIES_MAX])
    tried: dict[int, list[Attempt]] = {}
    attempts = Attempt.objects.filter(delivery__in=[delivery.pk for delivery in deliveries])
    for attempt in attempts.order_by("delivery", "number")[:_ATTEMPTS_MAX]:
        attempt.response_body = veil.within(attempt.response_body, _numbers(message), record=message)
        tried.setdefault(attempt.delivery_id, []).append(attempt)
    return [Told(one, words.delivery(one.status), tried.get(one.pk, [])) for one in deliveries]


def _waits(message: Message) -> str:
    """What comes next for a send that is not settled."""
    dispatch = Dispatch.objects.filter(message_id=message.pk).first()
    if dispatch is None:
        return ""
    due = moments.written(dispatch.due_at)
    if dispatch.state == Dispatch.State.UNKNOWN:
        return f"Waits for Meta's report; without one it becomes unconfirmed at {due}."
    if dispatch.state == Dispatch.State.QUEUED:
        is_due = dispatch.due_at <= timezone.now()
        return "It is due and goes out as the number's rate allows." if is_due else f"It goes out at {due}."
    return "A worker has it in hand."


def _masked(message: Message, veil: Veil, value: Any) -> str:
    written = json.dumps(value, indent=2, ensure_ascii=False)
    return veil.within(written, _numbers(message), record=message)


def _numbers(message: Message) -> list[str]:
    """The ways in which the other side's number may be written in what Meta and receivers say."""
    contact = message.contact
    found = [message.peer]
    if contact is not None:
        found += [contact.phone, contact.user_id]
    return sorted({one for one in found if len(phone.plain(one)) > 4}, key=len, reverse=True)
