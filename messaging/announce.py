"""What tenants are told about messages and conversations, in the words of the documented events."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from accounts.models import PhoneNumber
from gosend.whatsapp import content
from messaging import standing
from messaging.models import Conversation, Message
from messaging.standing import Standing
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
        message_id=message.pk,
        data={
            "message": {**meta_message, "gosendapi": ours},
            "conversation": _conversation(conversation),
            "is_new_conversation": is_new,
        },
    )


@dataclass(frozen=True, slots=True)
class Report:
    """That a message came to a status; `message` is as it stood then."""

    message: Standing
    status: str
    at: datetime


def statuses_reported(*, reports: Sequence[Report]) -> None:
    """`message.sent`, `.delivered`, `.read`, `.failed` or `.unconfirmed`, each once.

    One that comes late is told all the same; `gosendapi.status` is what the message has come to. What
    the messages say is read only where somebody hears of it.
    """
    if not reports:
        return
    heard = events.audience(number_ids={one.message.source.number_id for one in reports})
    told = [one for one in reports if heard.of(one.message.source, f"message.{one.status}")]
    if not told:
        return
    bodies = standing.bodies(message_ids={one.message.pk for one in told})
    news = [
        events.News(
            one.message.source,
            f"message.{one.status}",
            one.at,
            _status_data(one.message, bodies.get(one.message.pk, {}), one.at),
            message_id=one.message.pk,
        )
        for one in told
    ]
    events.publish_all(news=news, heard=heard)


def _status_data(message: Standing, body: dict[str, Any], at: datetime) -> dict[str, Any]:
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
    if message.conversation_id is not None:
        data["conversation"] = {"id": str(message.conversation_id), "status": message.conversation_status}
    return data


def conversation_created(*, conversation: Conversation, number: PhoneNumber, at: datetime) -> None:
    """`conversation.created`: comes before the event of the message that opened it."""
    events.publish(
        tenant_id=conversation.tenant_id,
        number=number,
        type="conversation.created",
        occurred_at=at,
        data={"conversation": _conversation(conversation)},
    )


def conversations_created(*, begun: Sequence[tuple[int, PhoneNumber]], at: datetime) -> None:
    """`conversation.created` for each of several conversations with its number, all of them active."""
    sources = {number.pk: events.source_of(number) for _, number in begun}
    heard = events.audience(number_ids=sources)
    told = [
        events.News(
            sources[number.pk],
            "conversation.created",
            at,
            {"conversation": {"id": str(pk), "status": Conversation.Status.ACTIVE}},
        )
        for pk, number in begun
        if heard.of(sources[number.pk], "conversation.created")
    ]
    events.publish_all(news=told, heard=heard)


def _ours(message: Message | Standing, body: dict[str, Any]) -> dict[str, Any]:
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
