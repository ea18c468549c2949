"""What a message went through: the states it reached with us and Meta's reports, each told once, in order."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from messaging.models import Message, StatusReport

# What the columns of moments say.
_STATES = (("sent_at", "sent"), ("delivered_at", "delivered"), ("read_at", "read"), ("failed_at", "failed"))
# What must come first, where moments cannot tell: Meta's have whole seconds only. A failure stands before
# delivered, which overrides it; words of Meta's that we do not know stand last.
_ORDER = (
    "received", "queued", "sending", "unknown", "unconfirmed", "accepted", "held_for_quality_assessment",
    "warning", "sent", "failed", "delivered", "read", "played", "deleted",
)  # fmt: skip
_RANK = {status: rank for rank, status in enumerate(_ORDER)}


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that happened to a message; `report` is Meta's, and None for a state that it reached here."""

    at: datetime
    status: str
    report: StatusReport | None = None


def steps(message: Message, reports: Iterable[StatusReport]) -> list[Step]:
    """Everything that happened, in order; a state that Meta reported as well is told by its report alone."""
    said = [Step(one.occurred_at, one.status, one) for one in reports]
    reported = {step.status for step in said}
    ours = [Step(at, state) for at, state in _states(message) if state not in reported]
    return sorted([*ours, *said], key=_place)


def _place(step: Step) -> tuple[datetime, int, datetime]:
    return step.at.replace(microsecond=0), _RANK.get(step.status, len(_ORDER)), step.at


def _states(message: Message) -> list[tuple[datetime, str]]:
    """The states it reached, and the one it is in: that has no moment of its own while it is unsettled."""
    is_ours = message.direction == message.Direction.OUTBOUND and message.origin == message.Origin.CLOUD_API
    reached: list[tuple[datetime, str]] = []
    if is_ours:
        reached.append((message.created_at, "queued"))
    elif message.direction == message.Direction.INBOUND:
        reached.append((message.created_at, "received"))
    reached += [(at, state) for column, state in _STATES if (at := getattr(message, column)) is not None]
    if message.status not in {state for _, state in reached}:
        reached.append((message.updated_at, message.status))
    return reached
