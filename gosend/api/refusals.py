"""A message that was handed to Meta and refused there, as an error of whoever sent it."""

from gosend.lib.errors import DomainError
from messaging import media
from messaging.models import Message


class MetaRefused(DomainError):
    code = "meta_error"


def of(message: Message, *, shown_id: str) -> DomainError | None:
    """Why a message failed, with the id that the dialect gives it; None for one that did not."""
    if message.status != Message.Status.FAILED:
        return None
    error = message.error or {}
    if refusal := media.refusal_in(error):
        return refusal(error["message"], details={"message_id": shown_id, "error": error})
    return MetaRefused(
        f"Meta refused the message: {error.get('title') or 'no reason given'}",
        details={"message_id": shown_id, "meta": error},
    )
