"""Messages, both ways, and what belongs to them."""

from messaging.models.media import MediaFile, MediaUpload
from messaging.models.messages import (
    AddressBookEntry,
    Contact,
    Conversation,
    Dispatch,
    IdempotentAnswer,
    Message,
    MessageContent,
    MetaEvent,
    ServiceWindow,
    StatusReport,
    Throughput,
)

__all__ = [
    "AddressBookEntry",
    "Contact",
    "Conversation",
    "Dispatch",
    "IdempotentAnswer",
    "MediaFile",
    "MediaUpload",
    "Message",
    "MessageContent",
    "MetaEvent",
    "ServiceWindow",
    "StatusReport",
    "Throughput",
]
