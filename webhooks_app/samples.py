"""What each event looks like: shown in docs/webhooks.md, and posted by a test with a chosen event."""

from collections.abc import Mapping
from typing import Any

from accounts.models import PhoneNumber
from webhooks_app import events

_CONVERSATION = {"id": "285391728640001", "status": "active"}
_OURS = {
    "id": "285391728640002",
    "direction": "outbound",
    "status": "delivered",
    "origin": "cloud_api",
    "has_media": False,
    "content": "Hola Juan, tu pedido está en camino",
}
_OF_A_CUSTOMER = {"customer_id": "285391728640005", "display_name": "Acme", "connection_type": "dedicated"}
_WAMID = "wamid.HBgNNTQ5MTE0MDEyMzQ1NhUCABEYEjA0QkY2QTY3"
_PRICING = {"billable": True, "pricing_model": "PMP", "type": "regular", "category": "utility"}


def _status(status: str, **ours: Any) -> dict[str, Any]:
    """What an outbound message's event holds, whatever became of it."""
    return {
        "message": {
            "id": _WAMID,
            "timestamp": "1779107700",
            "type": "text",
            "to": "5491140123456",
            "text": {"body": _OURS["content"]},
            "gosendapi": {**_OURS, "status": status, **ours},
        },
        "is_new_conversation": False,
        "conversation": _CONVERSATION,
    }


def _conversation(status: str) -> dict[str, Any]:
    return {"conversation": {**_CONVERSATION, "status": status}}


def _template(status: str, reason: str = "") -> dict[str, Any]:
    return {
        "template": {
            "id": "285391728640003",
            "waba_id": "102290129340398",
            "name": "order_update",
            "language": "es_AR",
            "status": status,
            "rejection_reason": reason,
        }
    }


def _phone_number(**more: Any) -> dict[str, Any]:
    return {
        "phone_number": {
            "id": "285391728640004",
            "waba_id": "102290129340398",
            "phone_number_id": "106540352242922",
            "display_phone_number": "+54 9 11 4012-3456",
            **more,
        }
    }


# What stands beside the envelope's own fields, for every type of the catalogue and for `webhook.test`.
SAMPLES: Mapping[str, Mapping[str, Any]] = {
    "message.received": {
        "message": {
            "from": "5491140123456",
            "id": _WAMID,
            "timestamp": "1779107700",
            "type": "text",
            "text": {"body": "¿Cuándo llega mi pedido?"},
            "gosendapi": {
                **_OURS,
                "direction": "inbound",
                "status": "received",
                "content": "¿Cuándo llega mi pedido?",
            },
        },
        "conversation": _CONVERSATION,
        "is_new_conversation": False,
    },
    "message.sent": _status("sent"),
    "message.delivered": _status("delivered", pricing=_PRICING),
    "message.read": _status("read", pricing=_PRICING),
    "message.failed": _status(
        "failed",
        error={
            "code": 131026,
            "title": "Message undeliverable",
            "message": "Message undeliverable",
            "details": "Message Undeliverable.",
            "fbtrace_id": "",
            "cure": "The recipient may not be on WhatsApp. Check the number, or reach them another way.",
        },
    ),
    "message.unconfirmed": _status("unconfirmed"),
    "poll.vote": {
        "poll": {
            "id": "285391728640009",
            "message_id": "285391728640002",
            "wa_message_id": _WAMID,
            "name": "Lunch?",
            "options": ["Pizza", "Sushi", "Salad"],
        },
        "voter": "5491140123456",
        "selected_options": ["Sushi"],
        "selected_indexes": [1],
        "previous_options": ["Pizza"],
        "source": "button",
    },
    "conversation.created": _conversation("active"),
    "conversation.inactive": {
        **_conversation("inactive"),
        "inactivity": {"minutes": 30},
        "since_message": {
            "id": "285391728640002",
            "whatsapp_message_id": _WAMID,
            "direction": "outbound",
            "created_at": "2026-05-18T12:05:00Z",
        },
    },
    "conversation.ended": {
        "conversation": {**_CONVERSATION, "status": "ended", "ended_reason": "expired"},
        "reason": "expired",
    },
    "phone_number.created": _phone_number(status="active", **_OF_A_CUSTOMER),
    "phone_number.deleted": _phone_number(status="disconnected", **_OF_A_CUSTOMER),
    "phone_number.quality": _phone_number(
        quality_rating="YELLOW",
        previous_quality_rating="GREEN",
        throughput_tier="standard",
        messaging_limit="TIER_10K",
        meta_event="FLAGGED",
    ),
    "template.approved": _template("APPROVED"),
    "template.rejected": _template("REJECTED", "INVALID_FORMAT"),
    "template.paused": _template("PAUSED"),
    "account.alert": {
        "alert": {
            "type": "webhook_failing",
            "webhook_id": "42",
            "reason": "Every attempt has failed for 50 % of the time after which it may be disabled.",
            "percent": 50,
            "failing_since": "2026-05-16T00:35:00Z",
            "disabled_from": "2026-05-21T00:35:00Z",
        }
    },
    "webhook.test": {"is_test": True, "webhook": {"id": "42"}},
}


def meta_callback(number: PhoneNumber) -> dict[str, Any]:
    """A callback as Meta posts it, for an endpoint of type meta_raw."""
    metadata = {
        "display_phone_number": number.display_phone_number_normalized,
        "phone_number_id": number.phone_number_id,
    }
    message = {
        "from": "5491140123456",
        "id": _WAMID,
        "timestamp": "1779107700",
        "type": "text",
        "text": {"body": "¿Cuándo llega mi pedido?"},
    }
    value = {
        "messaging_product": "whatsapp",
        "metadata": metadata,
        "contacts": [{"profile": {"name": "Juan"}, "wa_id": "5491140123456"}],
        "messages": [message],
    }
    change = {"field": "messages", "value": value}
    entry = {"id": number.business_account.waba_id, "changes": [change]}
    return {"object": "whatsapp_business_account", "entry": [entry]}


def body(type: str) -> dict[str, Any]:
    """A whole sample as a receiver sees it, envelope included."""
    is_of_a_number = events.CATALOG.get(type) is events.Scope.PHONE or type.startswith("phone_number.")
    return {
        "event": events.wire_name(type),
        "delivery_id": "019e3b0c-7f2a-7c41-9d55-0b6a5c1f2e33",
        "occurred_at": "2026-05-18T12:35:00Z",
        "tenant_id": "42",
        "phone_number_id": "106540352242922" if is_of_a_number else None,
        **SAMPLES[type],
    }
