"""The native dialect's success, error and page shapes."""

from datetime import UTC, datetime
from typing import Any

from pydantic import BaseModel, Field

from accounts.models import Tenant
from gosend.lib import phone
from messaging.models import Message


class Me(BaseModel):
    """The project that a key belongs to; the one shape of this dialect in camel case."""

    id: str
    name: str
    webhookUrl: str | None  # noqa: N815 -- the documented spelling
    createdAt: str  # noqa: N815 -- the documented spelling


class MessageSent(BaseModel):
    """What a send is answered with."""

    id: str = Field(description="Our id, for every later question about this message.")
    phone_number_id: str
    direction: str = Field(description="`outbound` or `inbound`.")
    message_type: str
    wa_message_id: str | None = Field(description="Meta's id (wamid); null until Meta has given one.")
    status: str = Field(
        description="`queued`, `sending`, `sent`, `delivered`, `read`, `failed`, `unknown` or"
        " `unconfirmed`; `received` for an inbound message."
    )
    to_phone: str | None = Field(description="Digits only; null for a person known by user id alone.")
    created_at: str


class MessageFull(MessageSent):
    """One message with all that is known of it."""

    from_phone: str | None
    to_user_id: str | None = Field(
        description="WhatsApp's business-scoped user id, or a group, where that is the recipient."
    )
    from_user_id: str | None
    conversation_id: str | None
    customer_id: str | None
    content: dict[str, Any] | None = Field(description="What it says, in Meta's own shape.")
    error: dict[str, Any] | None = Field(description="Meta's code, title and details, with a cure.")
    pricing: dict[str, Any] | None
    sent_at: str | None
    delivered_at: str | None
    read_at: str | None
    failed_at: str | None
    updated_at: str


def me(tenant: Tenant) -> dict[str, Any]:
    return Me(
        id=str(tenant.pk),
        name=tenant.name,
        webhookUrl=tenant.webhook_url or None,
        createdAt=moment(tenant.created_at),
    ).model_dump()


def sent(message: Message) -> dict[str, Any]:
    return _short(message)  # MessageSent's fields, without building one: every send is answered with them


def full(message: Message) -> dict[str, Any]:
    """Write a message whose phone_number and content were loaded with it."""
    content = getattr(message, "content", None)
    own = message.phone_number.display_phone_number_normalized
    is_outbound = message.direction == Message.Direction.OUTBOUND
    return MessageFull(
        **_short(message),
        from_phone=own if is_outbound else _as_phone(message.peer),
        to_user_id=_as_user_id(message.peer) if is_outbound else None,
        from_user_id=None if is_outbound else _as_user_id(message.peer),
        conversation_id=_id(message.conversation_id),
        customer_id=_id(message.customer_id),
        content=content.body if content is not None else None,
        error=message.error,
        pricing=message.pricing,
        sent_at=_moment(message.sent_at),
        delivered_at=_moment(message.delivered_at),
        read_at=_moment(message.read_at),
        failed_at=_moment(message.failed_at),
        updated_at=moment(message.updated_at),
    ).model_dump()


def moment(value: datetime) -> str:
    """ISO 8601 in UTC, with milliseconds and Z."""
    return value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _short(message: Message) -> dict[str, Any]:
    own = message.phone_number.display_phone_number_normalized
    is_outbound = message.direction == Message.Direction.OUTBOUND
    return {
        "id": str(message.id),
        "phone_number_id": message.phone_number.phone_number_id,
        "direction": message.direction,
        "message_type": message.type,
        "wa_message_id": message.wamid,
        "status": message.status,
        "to_phone": _as_phone(message.peer) if is_outbound else own,
        "created_at": moment(message.created_at),
    }


def _moment(value: datetime | None) -> str | None:
    return None if value is None else moment(value)


def _id(value: int | None) -> str | None:
    return None if value is None else str(value)


def _as_user_id(peer: str) -> str | None:
    return peer if phone.is_user_id(peer) or phone.is_group(peer) else None


def _as_phone(peer: str) -> str | None:
    return None if _as_user_id(peer) else peer
