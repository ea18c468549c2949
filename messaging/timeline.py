"""What a message went through with us: the states it reached, each with its moment."""

from datetime import datetime

from messaging.models import Message

# What the columns of moments say, in the order in which a message passes through them.
_STATES = (("sent_at", "sent"), ("delivered_at", "delivered"), ("read_at", "read"), ("failed_at", "failed"))


def states(message: Message) -> list[tuple[datetime, str]]:
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
