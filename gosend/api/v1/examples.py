"""One example of every body that the native dialect takes; the documents and the tests use the same."""

from typing import Any

from drf_spectacular.utils import OpenApiExample

NUMBER = "555123456789"
TO = "5491140123456"
_WAMID = "wamid.HBgNNTQ5MTE0MDEyMzQ1NhUCABEYEjA0QkY2QTY3"
_LINK = "https://your-cdn.com/path/to/file"
_BODY = {"text": "¿Confirmás tu turno del 20/05?"}

_INTERACTIVE: dict[str, dict[str, Any]] = {
    "button": {
        "type": "button",
        "body": _BODY,
        "action": {
            "buttons": [
                {"type": "reply", "reply": {"id": "confirm_yes", "title": "Sí, confirmo"}},
                {"type": "reply", "reply": {"id": "reschedule", "title": "Reprogramar"}},
            ]
        },
    },
    "list": {
        "type": "list",
        "body": {"text": "Elegí un servicio:"},
        "action": {
            "button": "Ver servicios",
            "sections": [
                {
                    "title": "Consultas",
                    "rows": [{"id": "general", "title": "General", "description": "30 min"}],
                },
                {"title": "Estudios", "rows": [{"id": "lab", "title": "Laboratorio"}]},
            ],
        },
    },
    "cta_url": {
        "type": "cta_url",
        "body": {"text": "Tu factura está lista."},
        "action": {
            "name": "cta_url",
            "parameters": {"display_text": "Ver factura", "url": "https://example.com/invoices/1234"},
        },
    },
    "flow": {
        "type": "flow",
        "body": {"text": "Contanos cómo te fue."},
        "action": {
            "name": "flow",
            "parameters": {
                "flow_message_version": "3",
                "flow_id": "1234567890",
                "flow_cta": "Responder",
                "flow_token": "survey-1234",
            },
        },
    },
    "location_request": {
        "type": "location_request_message",
        "body": {"text": "¿Dónde te lo llevamos?"},
        "action": {"name": "send_location"},
    },
    "product": {
        "type": "product",
        "body": {"text": "Volvió a entrar."},
        "action": {"catalog_id": "194836987003835", "product_retailer_id": "sku-1"},
    },
    "product_list": {
        "type": "product_list",
        "header": {"type": "text", "text": "Para vos"},
        "body": {"text": "Lo más pedido."},
        "action": {
            "catalog_id": "194836987003835",
            "sections": [{"title": "Mates", "product_items": [{"product_retailer_id": "sku-1"}]}],
        },
    },
    "catalog": {
        "type": "catalog_message",
        "body": {"text": "Mirá todo lo que hay."},
        "action": {"name": "catalog_message", "parameters": {"thumbnail_product_retailer_id": "sku-1"}},
    },
}
_TEMPLATE = {
    "name": "appointment_reminder",
    "language": {"code": "es_AR"},
    "components": [
        {
            "type": "body",
            "parameters": [{"type": "text", "text": "Juan"}, {"type": "text", "text": "20/05"}],
        }
    ],
}
_CONTACT = {
    "name": {"formatted_name": "Juan Pérez", "first_name": "Juan", "last_name": "Pérez"},
    "phones": [{"phone": "+54 9 11 4012-3456", "type": "CELL", "wa_id": TO}],
}

# Name → type and content.
_CONTENTS: dict[str, tuple[str, Any]] = {
    "text": ("text", {"body": "Hola Juan, llegamos al lugar 👋"}),
    "template": ("template", _TEMPLATE),
    "image": ("image", {"link": f"{_LINK}.jpg", "caption": "Order #1234 receipt"}),
    "image_again": ("image", {"id": "934567890123456", "caption": "Same image, reused 100 times"}),
    "video": ("video", {"link": f"{_LINK}.mp4"}),
    "audio": ("audio", {"link": f"{_LINK}.ogg"}),
    "document": ("document", {"link": f"{_LINK}.pdf", "filename": "factura.pdf"}),
    "sticker": ("sticker", {"link": f"{_LINK}.webp"}),
    "location": ("location", {"latitude": -34.6037, "longitude": -58.3816, "name": "Obelisco"}),
    "contacts": ("contacts", [_CONTACT]),
    "reaction": ("reaction", {"message_id": _WAMID, "emoji": "👍"}),
    **{f"interactive_{name}": ("interactive", value) for name, value in _INTERACTIVE.items()},
}
MESSAGES: dict[str, dict[str, Any]] = {
    name: {"phone_number_id": NUMBER, "to": TO, "type": kind, kind: content}
    for name, (kind, content) in _CONTENTS.items()
} | {
    "answer": {
        "phone_number_id": NUMBER,
        "to": TO,
        "type": "text",
        "text": {"body": "Sí, mañana."},
        "context": {"message_id": _WAMID},
    }
}
BATCH = {"messages": [MESSAGES["text"], MESSAGES["template"]]}
TEMPLATE = {
    "name": "order_update",
    "language": "es_AR",
    "category": "UTILITY",
    "components": [
        {
            "type": "BODY",
            "text": "Hola {{1}}, tu pedido {{2}} está en camino.",
            "example": {"body_text": [["Juan", "1234"]]},
        },
        {"type": "BUTTONS", "buttons": [{"type": "QUICK_REPLY", "text": "Gracias"}]},
    ],
}
WEBHOOK = {
    "url": "https://example.com/whatsapp",
    "events": ["whatsapp.message.received", "whatsapp.message.delivered"],
    "phone_number_id": NUMBER,
    "type": "gosendapi_events",
}
WEBHOOK_CHANGE = {"events": ["*"], "enabled": True}


def of(name: str, value: Any) -> list[OpenApiExample]:
    """One example of a request's body, as drf-spectacular wants it."""
    return [OpenApiExample(name, value=value, request_only=True)]


def sends() -> list[OpenApiExample]:
    """One example for every type of message."""
    return [example for name, value in MESSAGES.items() for example in of(name, value)]
