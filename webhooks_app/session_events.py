"""The session gateway's envelope and signature, written from an event's frozen native body."""

import hashlib
import hmac
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import orjson

from gosend.lib import phone

_STATUS = "message.status"
# Our type of an event → its name in this dialect; types that are not here are not told in it.
NAMES: Mapping[str, str] = {
    "message.received": "message",
    "message.sent": _STATUS,
    "message.delivered": _STATUS,
    "message.read": _STATUS,
    "message.failed": _STATUS,
    "message.unconfirmed": _STATUS,
    "poll.vote": "poll.vote",
}
# How far a message has come, as clients of linked devices know it.
_ACK_LEVELS = {"failed": -1, "sent": 1, "received": 1, "delivered": 2, "read": 3}
_OWN = frozenset({"event", "occurred_at", "tenant_id", "phone_number_id"})


def render(*, type: str, event_id: int, body: bytes) -> bytes:
    """The bytes that are posted: the same for every attempt, since they follow from frozen ones."""
    told: dict[str, Any] = orjson.loads(body)
    at = _milliseconds(told["occurred_at"])
    name = NAMES.get(type, type)
    envelope = {
        "schema": "v1",
        "id": f"evt_{event_id}",
        "event": name,
        "session": told.get("phone_number_id"),
        "organization": told.get("tenant_id"),
        "timestamp": at,
        "payload": _payload(name, told, at),
    }
    return orjson.dumps(envelope)


def headers(*, secret: str, event_id: int, at: datetime, body: bytes) -> dict[str, str]:
    """What receivers of this dialect check: HMAC-SHA512 of the raw body, in lower-case hexadecimal."""
    return {
        "X-Webhook-Hmac": hmac.digest(secret.encode(), body, hashlib.sha512).hex(),
        "X-Webhook-Hmac-Algorithm": "sha512",
        "X-Webhook-Request-Id": f"evt_{event_id}",
        "X-Webhook-Timestamp": str(int(at.timestamp() * 1000)),
    }


def jid(peer: str | None) -> str | None:
    """The address of a chat; a person known by user id alone has no other than that id."""
    if not peer:
        return None
    has_own = phone.is_user_id(peer) or phone.is_group(peer)
    return peer if has_own else f"{peer}@s.whatsapp.net"


def ack_level(status: str) -> int:
    """-1 failed, 0 under way, 1 at WhatsApp, 2 at the device, 3 read."""
    return _ACK_LEVELS.get(status, 0)


def _payload(name: str, told: dict[str, Any], at: int) -> dict[str, Any]:
    match name:
        case "message":
            return _received(told["message"], at)
        case "message.status":
            return _status(told["message"], at)
        case "poll.vote":
            return _vote(told, at)
    return {key: value for key, value in told.items() if key not in _OWN}


def _received(message: dict[str, Any], at: int) -> dict[str, Any]:
    ours = message.get("gosendapi", {})
    context = message.get("context")
    sender = jid(message.get("from") or message.get("from_user_id"))
    group = message.get("group_id")
    return {
        **_ids(message, ours),
        "chatJid": phone.group(group) if isinstance(group, str) and group else sender,
        "senderJid": sender,
        "fromMe": False,
        "direction": "inbound",
        "type": message.get("type"),
        "body": ours.get("content", ""),
        "hasMedia": ours.get("has_media", False),
        "mediaUrl": _own_media(ours.get("media_url")),
        "replyTo": context.get("id") if isinstance(context, dict) else None,
        "timestamp": at,
        "raw": {key: value for key, value in message.items() if key != "gosendapi"},
    }


def _own_media(url: str | None) -> str | None:
    """The same file at this dialect's address, which takes this dialect's keys."""
    return url.replace("/v1/media/", "/api/v1/media/", 1) if url else None


def _status(message: dict[str, Any], at: int) -> dict[str, Any]:
    ours = message.get("gosendapi", {})
    status = ours.get("status", "")
    return {
        **_ids(message, ours),
        "chatJid": jid(message.get("to")),
        "fromMe": True,
        "status": status,
        "ackLevel": ack_level(status),
        "error": ours.get("error"),
        "timestamp": at,
    }


def _ids(message: dict[str, Any], ours: dict[str, Any]) -> dict[str, Any]:
    wamid, own = message.get("id"), ours.get("id")
    return {"messageId": wamid or own, "waMessageId": wamid, "outboxId": own}


def _vote(told: dict[str, Any], at: int) -> dict[str, Any]:
    poll = told["poll"]
    return {
        "poll": {
            "id": poll["id"],
            "messageId": poll.get("wa_message_id") or poll.get("message_id"),
            "name": poll["name"],
            "options": poll["options"],
        },
        "voter": jid(told["voter"]),
        "selectedOptions": told["selected_options"],
        "selectedIndexes": told["selected_indexes"],
        "previousOptions": told["previous_options"],
        "source": told["source"],
        "timestamp": at,
    }


def _milliseconds(text: str) -> int:
    moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
    return int(moment.astimezone(UTC).timestamp() * 1000)
