"""Messages, both ways, and what belongs to them."""

from messaging.models.budgets import PairBudget, Throughput
from messaging.models.contacts import AddressBookEntry, Contact
from messaging.models.figures import HourlyFigure, MessageTally, MessageTallyChange
from messaging.models.idempotency import IdempotentAnswer
from messaging.models.media import MediaFile, MediaUpload
from messaging.models.messages import (
    Conversation,
    Dispatch,
    Message,
    MessageContent,
    MetaEvent,
    ServiceWindow,
    StatusReport,
)
from messaging.models.polls import Poll, PollVote, SendSlot
from messaging.models.views import SavedView

__all__ = [
    "AddressBookEntry",
    "Contact",
    "Conversation",
    "Dispatch",
    "HourlyFigure",
    "IdempotentAnswer",
    "MediaFile",
    "MediaUpload",
    "Message",
    "MessageContent",
    "MessageTally",
    "MessageTallyChange",
    "MetaEvent",
    "PairBudget",
    "Poll",
    "PollVote",
    "SavedView",
    "SendSlot",
    "ServiceWindow",
    "StatusReport",
    "Throughput",
]
