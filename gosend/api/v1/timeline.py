"""One message with its history: what it went through with us, and what Meta said of it."""

from datetime import datetime
from typing import Any

from pydantic import BaseModel, Field

from gosend.api.v1 import envelope
from messaging import timeline
from messaging.models import Message


class TimelineEntry(BaseModel):
    """One thing that happened to a message."""

    at: str
    status: str
    source: str = Field(description="`gosend` for a state it reached here, `meta` for a report of Meta's.")
    received_at: str | None = Field(description="When a report arrived here; reports may come late.")
    raw: dict[str, Any] | None = Field(description="A report as Meta sent it.")


class MessageOne(envelope.MessageFull):
    """One message with all that is known of it, and how it came to that."""

    attempts: int = Field(description="How often it was handed to Meta.")
    timeline: list[TimelineEntry]


def one(message: Message) -> dict[str, Any]:
    """Write a message whose phone_number and content were loaded with it; the reports are fetched here."""
    states = [(at, _entry(at, state, "gosend")) for at, state in timeline.states(message)]
    entries = [*states, *_reports(message)]
    entries.sort(key=lambda entry: entry[0])
    return MessageOne(
        **envelope.full(message),
        attempts=message.attempt_count,
        timeline=[entry for _, entry in entries],
    ).model_dump()


def _reports(message: Message) -> list[tuple[datetime, TimelineEntry]]:
    rows = message.status_reports.order_by("occurred_at", "pk")
    return [
        (
            row.occurred_at,
            _entry(row.occurred_at, row.status, "meta", received_at=row.created_at, raw=row.raw),
        )
        for row in rows
    ]


def _entry(
    at: datetime,
    status: str,
    source: str,
    *,
    received_at: datetime | None = None,
    raw: dict[str, Any] | None = None,
) -> TimelineEntry:
    return TimelineEntry(
        at=envelope.moment(at),
        status=status,
        source=source,
        received_at=envelope.moment(received_at) if received_at else None,
        raw=raw,
    )
