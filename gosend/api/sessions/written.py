"""A stored message in this dialect's words."""

from typing import Any

from django.conf import settings
from pydantic import Field

from gosend.api.sessions import content, envelope, jids, sending
from gosend.whatsapp import content as contents
from messaging import groups
from messaging.models import Message
from webhooks_app import session_events

_MEDIA_FIELDS = ("mime_type", "caption", "filename")


class ChatMessage(envelope.Camel):
    """One message of a chat, the stored copy."""

    id: str = Field(description="WhatsApp's id; ours while there is none.")
    wa_message_id: str | None
    outbox_id: str
    chat_jid: str | None
    sender_jid: str | None
    direction: str
    from_me: bool
    type: str
    body: str
    has_media: bool
    media: dict[str, Any] | None = Field(description="Its metadata; never its bytes.")
    content: dict[str, Any] | None = Field(description="What it says, in Meta's own shape.")
    reply_to: str | None
    rendered_as: str | None
    status: str
    ack_level: int
    deleted: bool
    edited: bool
    error: dict[str, Any] | None
    created_at: int
    updated_at: int


class ChatMessagePage(envelope.Camel):
    """One page of a chat."""

    data: list[ChatMessage]
    next_cursor: str | None


def message(row: Message) -> dict[str, Any]:
    """Write a message whose number, content, poll and file were loaded with it."""
    stored = getattr(row, "content", None)
    body = stored.body if stored else {}
    is_ours = row.direction == Message.Direction.OUTBOUND
    own = row.phone_number.display_phone_number_normalized
    poll = getattr(row, "poll", None)
    status = sending.status_of(row)
    return ChatMessage(
        id=row.wamid or str(row.pk),
        wa_message_id=row.wamid,
        outbox_id=str(row.pk),
        chat_jid=jids.write(row.peer),
        sender_jid=jids.write(own if is_ours else (groups.writer(body) or row.peer)),
        direction=row.direction,
        from_me=is_ours,
        type="poll" if poll else row.type,
        body=contents.text_of(body),
        has_media=row.type in content.MEDIA,
        media=_media(row, body),
        content=body or None,
        reply_to=_reply_to(body),
        rendered_as=poll.rendered_as if poll else None,
        status=status,
        ack_level=session_events.ack_level(status),
        deleted=status == "revoked",
        edited=bool(stored and stored.edited_at),
        error=row.error,
        created_at=envelope.milliseconds(row.created_at),
        updated_at=envelope.milliseconds(row.updated_at),
    ).wire()


def _media(row: Message, body: dict[str, Any]) -> dict[str, Any] | None:
    value = body.get(row.type)
    if row.type not in content.MEDIA or not isinstance(value, dict):
        return None
    found = {key: value[key] for key in _MEDIA_FIELDS if isinstance(value.get(key), str)}
    if "mime_type" in found:
        found["mimetype"] = found.pop("mime_type")
    file = getattr(row, "media_file", None)
    if file is not None:
        found["url"] = f"{settings.PUBLIC_URL}/api/v1/media/{file.pk}"
    return found


def _reply_to(body: dict[str, Any]) -> str | None:
    context = body.get("context")
    if not isinstance(context, dict):
        return None
    found = context.get("message_id") or context.get("id")
    return found if isinstance(found, str) else None
