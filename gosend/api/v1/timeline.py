"""One message with its history: what it went through with us, and what Meta said of it."""

from typing import Any

from pydantic import BaseModel, Field

from gosend.api.v1 import envelope
from messaging import timeline
from messaging.models import Message


class TimelineEntry(BaseModel):
    """One thing that happened to a message."""

    at: str
    status: str
    source: str = Field(
        description="`meta` for a report of Meta's, `gosend` for a state that Meta has not reported."
    )
    received_at: str | None = Field(description="When a report arrived here; reports may come late.")
    raw: dict[str, Any] | None = Field(description="A report as Meta sent it.")


class MessageOne(envelope.MessageFull):
    """One message with all that is known of it, and how it came to that."""

    attempts: int = Field(description="How often it was handed to Meta.")
    timeline: list[TimelineEntry]


def one(message: Message) -> dict[str, Any]:
    """Write a message whose phone_number and content were loaded with it; the reports are fetched here."""
    reports = message.status_reports.order_by("occurred_at", "pk")
    return MessageOne(
        **envelope.full(message),
        attempts=message.attempt_count,
        timeline=[_entry(step) for step in timeline.steps(message, reports)],
    ).model_dump()


def _entry(step: timeline.Step) -> TimelineEntry:
    return TimelineEntry(
        at=envelope.moment(step.at),
        status=step.status,
        source="meta" if step.report else "gosend",
        received_at=envelope.moment(step.report.created_at) if step.report else None,
        raw=step.report.raw if step.report else None,
    )
