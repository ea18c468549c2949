"""A message as this dialect writes it: the printed words and those of Whatomate's server, side by side."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from django.conf import settings
from pydantic import BaseModel, ConfigDict, Field

from gosend.api.whatomate import envelope, interactive, uuids
from gosend.whatsapp import content as contents
from messaging import senders
from messaging.models import Message

_WAITING = {Message.Status.QUEUED: "pending", Message.Status.SENDING: "pending"}
_FILES = frozenset({"image", "video", "audio", "document", "sticker"})
_KINDS = {
    "flow": "flow",
    "nfm_reply": "nfm_reply",
    "button_reply": "button_reply",
    "list_reply": "button_reply",
}
# Whatomate writes these as JSON in the body.
_AS_JSON = frozenset({"location", "contacts"})


class Reaction(BaseModel):
    """An emoji on a message: the customer's `from_phone`, or the business's."""

    emoji: str
    from_phone: str | None = None
    from_user: str | None = None


class Quoted(BaseModel):
    """The message that another one answers."""

    id: str
    content: dict[str, Any]
    message_type: str
    type: str
    direction: str


class WhatomateMessage(BaseModel):
    """One message. Where the page and the server name a field differently, both names are here."""

    model_config = ConfigDict(extra="forbid")

    id: str
    message_id: str
    wa_message_id: str = Field(description="WhatsApp's id; empty until there is one.")
    wamid: str
    contact_id: str | None
    phone_number: str | None
    direction: str = Field(description="`incoming` or `outgoing`.")
    type: str
    message_type: str = Field(description="As `type`; `button_reply`, `nfm_reply` and `flow` on their own.")
    content: dict[str, Any] = Field(
        description="`text`, and the same as `body`; for other types also Meta's object under its name."
    )
    template_name: str | None
    interactive_data: dict[str, Any] | None
    media_url: str | None
    media_mime_type: str | None
    media_filename: str | None
    status: str = Field(
        description="`pending`, `sent`, `delivered`, `read` or `failed`; `unknown` or `unconfirmed` while"
        " nobody can say whether it went out."
    )
    error_message: str
    error: dict[str, Any] | None = Field(description="Meta's code, title and details, with a cure.")
    is_reply: bool
    reply_to_message_id: str | None
    reply_to_message: Quoted | None
    reactions: list[Reaction]
    whatsapp_account: str
    timestamp: str
    created_at: str
    updated_at: str


def write(
    message: Message,
    *,
    body: Mapping[str, Any],
    contact_id: int | None,
    quoted: Message | None = None,
    reactions: Sequence[Mapping[str, str]] = (),
) -> dict[str, Any]:
    """Write a message whose number was loaded with it; `body` is what it says, in Meta's shape."""
    own_id = uuids.write(uuids.MESSAGE, message.pk)
    is_outgoing = message.direction == Message.Direction.OUTBOUND
    at = envelope.moment(message.created_at)
    return {
        "id": own_id,
        "message_id": own_id,
        "wa_message_id": message.wamid or "",
        "wamid": message.wamid or "",
        "contact_id": None if contact_id is None else uuids.write(uuids.CONTACT, contact_id),
        "phone_number": message.peer if message.peer.isdigit() else None,
        "direction": "outgoing" if is_outgoing else "incoming",
        "type": message.type,
        "message_type": kind(message.type, body),
        "content": content(message.type, body),
        "template_name": _named(body, "template", "name"),
        "interactive_data": _interactive(body),
        **_file(message, body),
        "status": _status(message),
        **_error(message),
        **_reply(body, quoted),
        "reactions": list(reactions),
        "whatsapp_account": senders.name_of(message.phone_number),
        "timestamp": at,
        "created_at": at,
        "updated_at": envelope.moment(message.updated_at),
    }


def content(kind: str, body: Mapping[str, Any]) -> dict[str, Any]:
    """The words of a message, and Meta's object of what is more than words."""
    words = contents.text_of(dict(body))
    value = body.get(kind)
    written: dict[str, Any] = {"text": words, "body": words}
    if kind in _AS_JSON and value is not None:
        written["body"] = json.dumps(value, ensure_ascii=False)
    if kind != "text" and value is not None:
        written[kind] = value
    return written


def kind(type: str, body: Mapping[str, Any]) -> str:
    """The type in the words of Whatomate's server, which tells taps and flows from what offers them."""
    value = body.get(type)
    inner = value.get("type") if type == "interactive" and isinstance(value, Mapping) else None
    return "button_reply" if type == "button" else _KINDS.get(str(inner), type)


def quoted_wamid(body: Mapping[str, Any]) -> str:
    """WhatsApp's id of the message that this one answers; customers' and our own spell it differently."""
    context = body.get("context")
    if not isinstance(context, Mapping):
        return ""
    return str(context.get("message_id") or context.get("id") or "")


def _status(message: Message) -> str:
    if message.direction == Message.Direction.INBOUND:
        return "read" if message.read_at else "delivered"
    return _WAITING.get(Message.Status(message.status), message.status)


def _error(message: Message) -> dict[str, Any]:
    error = message.error
    if not error:
        return {"error_message": "", "error": None}
    words = [str(error[name]) for name in ("title", "details", "message") if error.get(name)]
    return {"error_message": ": ".join(dict.fromkeys(words[:2])), "error": error}


def _reply(body: Mapping[str, Any], quoted: Message | None) -> dict[str, Any]:
    written: dict[str, Any] = {"is_reply": bool(quoted_wamid(body))}
    if quoted is None:
        return written | {"reply_to_message_id": None, "reply_to_message": None}
    own_id = uuids.write(uuids.MESSAGE, quoted.pk)
    held = getattr(quoted, "content", None)
    is_outgoing = quoted.direction == Message.Direction.OUTBOUND
    told = {
        "id": own_id,
        "content": content(quoted.type, held.body if held else {}),
        "message_type": kind(quoted.type, held.body if held else {}),
        "type": quoted.type,
        "direction": "outgoing" if is_outgoing else "incoming",
    }
    return written | {"reply_to_message_id": own_id, "reply_to_message": told}


def _file(message: Message, body: Mapping[str, Any]) -> dict[str, Any]:
    value = body.get(message.type)
    if message.type not in _FILES or not isinstance(value, Mapping):
        return {"media_url": None, "media_mime_type": None, "media_filename": None}
    url = value.get("link")
    if message.direction == Message.Direction.INBOUND:
        url = f"{settings.PUBLIC_URL}/api/media/{uuids.write(uuids.MESSAGE, message.pk)}"
    return {
        "media_url": url,
        "media_mime_type": value.get("mime_type"),
        "media_filename": value.get("filename"),
    }


def _interactive(body: Mapping[str, Any]) -> dict[str, Any] | None:
    value = body.get("interactive")
    return interactive.from_meta(value) if isinstance(value, Mapping) else None


def _named(body: Mapping[str, Any], kind: str, field: str) -> str | None:
    value = body.get(kind)
    found = value.get(field) if isinstance(value, Mapping) else None
    return found if isinstance(found, str) else None
