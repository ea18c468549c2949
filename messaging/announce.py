"""What tenants are told about messages and conversations, in the words of the documented events."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from accounts.models import PhoneNumber
from gosend.whatsapp import content
from messaging.models import Conversation, Message
from webhooks_app import events

MEDIA_TYPES = frozenset({"image", "video", "audio", "document", "sticker"})


def message_received(
    *,
    message: Message,
    meta_message: dict[str, Any],
    conversation: Conversation,
    is_new: bool,
    media_url: str = "",
) -> None:
    """`message.received`: Meta's own message object, and ours beside it."""
    ours = _ours(message, meta_message)
    if media_url:
        ours["media_url"] = media_url
    if is_new:
        conversation_created(conversation=conversation, number=message.phone_number, at=message.created_at)
    events.publish(
        tenant_id=message.tenant_id,
        number=message.phone_number,
        type="message.received",
        occurred_at=message.created_at,
        data={
            "message": {**meta_message, "gosendapi": ours},
            "conversation": _conversation(conversation),
            "is_new_conversation": is_new,
        },
    )


def status_changed(*, message: Message, body: dict[str, Any], at: datetime) -> None:
    """`message.sent`, `.delivered`, `.read`, `.failed` or `.unconfirmed`, as the message now stands."""
    ours = _ours(message, body)
    if message.error is not None:
        ours["error"] = message.error
    if message.pricing is not None:
        ours["pricing"] = message.pricing
    data: dict[str, Any] = {
        "message": {
            "id": message.wamid,
            "timestamp": str(int(at.timestamp())),
            "type": message.type,
            "to": message.peer,
            message.type: body.get(message.type),
            "gosendapi": ours,
        },
        "is_new_conversation": False,
    }
    if message.conversation is not None:
        data["conversation"] = _conversation(message.conversation)
    events.publish(
        tenant_id=message.tenant_id,
        number=message.phone_number,
        type=f"message.{message.status}",
        occurred_at=at,
        data=data,
    )


def conversation_created(*, conversation: Conversation, number: PhoneNumber, at: datetime) -> None:
    """`conversation.created`: comes before the event of the message that opened it."""
    events.publish(
        tenant_id=conversation.tenant_id,
        number=number,
        type="conversation.created",
        occurred_at=at,
        data={"conversation": _conversation(conversation)},
    )


def conversations_created(
    *, conversations: Sequence[Conversation], number: PhoneNumber, at: datetime
) -> None:
    """`conversation.created` for each of several."""
    events.publish_many(
        number=number,
        type="conversation.created",
        occurred_at=at,
        data=[{"conversation": _conversation(conversation)} for conversation in conversations],
    )


def _ours(message: Message, body: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": str(message.pk),
        "direction": message.direction,
        "status": message.status,
        "origin": message.origin,
        "has_media": message.type in MEDIA_TYPES,
        "content": content.text_of(body),
    }


def _conversation(conversation: Conversation) -> dict[str, Any]:
    return {"id": str(conversation.pk), "status": conversation.status}
