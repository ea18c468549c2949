"""The bodies that this dialect takes, for its document: their shapes, and an example of each."""

from typing import Any

from drf_spectacular.utils import OpenApiExample

# Where a field may be left out, null leaves it out as well.
_TEXT: dict[str, Any] = {"type": ["string", "null"]}
_LINK = {"type": ["string", "null"], "format": "uri"}
_CAPTION = {"type": ["string", "null"], "maxLength": 1024}
_WORD = {"type": ["string", "number"], "minLength": 1, "maxLength": 60}
_WORDS: dict[str, Any] = {
    "anyOf": [
        {"type": ["object", "null"], "additionalProperties": _WORD},
        {"type": "array", "items": _WORD},
    ]
}
_ACCOUNT = {**_TEXT, "description": "Which account sends: its name, or Meta's phone_number_id."}
_ID = "8c1f4a52-0000-8001-8000-000000000000"

_BUTTON = {
    "type": "object",
    "required": ["id", "title"],
    "properties": {
        "id": {"type": "string", "minLength": 1, "maxLength": 200},
        "title": {"type": "string", "minLength": 1, "maxLength": 20},
    },
}
_INTERACTIVE: dict[str, Any] = {
    "type": "object",
    "required": ["type", "body"],
    "properties": {
        "type": {"type": "string", "enum": ["button", "list", "cta_url", "flow", "voice_call"]},
        "header": {"type": "string", "minLength": 1, "maxLength": 60},
        "body": {"type": "string", "minLength": 1, "maxLength": 1024},
        "footer": {"type": "string", "minLength": 1, "maxLength": 60},
        "buttons": {"type": "array", "items": _BUTTON, "minItems": 1, "maxItems": 10},
        "sections": {"type": "array", "items": {"type": "object"}},
        "button_text": {"type": "string", "minLength": 1, "maxLength": 20},
        "url": {"type": "string", "format": "uri"},
        "flow_id": _TEXT,
        "flow_token": _TEXT,
        "first_screen": _TEXT,
        "ttl_minutes": {"type": "integer"},
    },
}

MESSAGE: dict[str, Any] = {
    "type": "object",
    "required": ["type"],
    "properties": {
        "type": {"type": "string", "description": "text, interactive, flow, image, location …"},
        "text": {
            "description": "The words; or Meta's object with body and preview_url.",
            "anyOf": [
                {"type": "string", "minLength": 1, "maxLength": 4096},
                {"type": "object", "properties": {"body": _TEXT, "preview_url": {"type": "boolean"}}},
            ],
        },
        "content": {"type": "object", "properties": {"body": _TEXT}, "description": "Instead of `text`."},
        "interactive": _INTERACTIVE,
        "media_url": {**_LINK, "description": "For image, video, audio, document."},
        "caption": _CAPTION,
        "reply_to_message_id": {**_TEXT, "description": "The message that this one answers."},
        "whatsapp_account": _ACCOUNT,
    },
}
REACTION: dict[str, Any] = {
    "type": "object",
    "required": ["emoji"],
    "properties": {"emoji": {"type": "string", "maxLength": 20, "description": "Empty takes it back."}},
}
TEMPLATE: dict[str, Any] = {
    "type": "object",
    "properties": {
        "contact_id": {**_TEXT, "description": "This or `phone_number`."},
        "phone_number": {**_TEXT, "description": "In any spelling; a new one becomes a contact."},
        "template_name": {**_TEXT, "description": "This or `template_id`."},
        "template_id": _TEXT,
        "language": {**_TEXT, "description": "Needed where it is approved in several."},
        "template_params": {**_WORDS, "description": "By the names of the body's places, or from `1`."},
        "header_params": {**_WORDS, "description": "The same for a header of text."},
        "button_params": {**_WORDS, "description": "By the button's index, from `0`."},
        "header_media_url": _LINK,
        "header_media_id": _TEXT,
        "header_media_filename": _TEXT,
        "account_name": _ACCOUNT,
    },
}
_JSON = {"type": "string", "description": "An object, as JSON."}
TEMPLATE_FORM: dict[str, Any] = {
    "type": "object",
    "properties": {
        **TEMPLATE["properties"],
        "template_params": _JSON,
        "header_params": _JSON,
        "button_params": _JSON,
        "header_file": {"type": "string", "format": "binary"},
    },
}
_KIND = {"type": ["string", "null"], "enum": ["image", "video", "audio", "document", "sticker", None]}
_GIVEN = {"type": "string", "minLength": 1}
MEDIA: dict[str, Any] = {
    "type": "object",
    "required": ["contact_id", "media_url"],
    "properties": {
        "contact_id": _GIVEN,
        "type": {**_KIND, "description": "`image`, unless it says otherwise."},
        "media_url": {"type": "string", "format": "uri"},
        "caption": _CAPTION,
        "filename": _TEXT,
        "whatsapp_account": _ACCOUNT,
    },
}
MEDIA_FORM: dict[str, Any] = {
    "type": "object",
    "required": ["contact_id", "file"],
    "properties": {
        **{name: shape for name, shape in MEDIA["properties"].items() if name != "media_url"},
        "file": {"type": "string", "format": "binary"},
    },
}
_ABOUT = {
    "profile_name": {"type": ["string", "null"], "maxLength": 500},
    "tags": {
        "type": ["array", "null"],
        "items": {"type": "string", "minLength": 1, "maxLength": 100},
        "maxItems": 50,
    },
    "metadata": {"type": ["object", "null"]},
}
CONTACT: dict[str, Any] = {
    "type": "object",
    "required": ["phone_number"],
    "properties": {"phone_number": _GIVEN, **_ABOUT, "whatsapp_account": _ACCOUNT},
}
CONTACT_CHANGE: dict[str, Any] = {"type": "object", "properties": _ABOUT}

_EXAMPLES: dict[str, dict[str, dict[str, Any]]] = {
    "message": {
        "Text": {"type": "text", "text": "Hello! How can I help you today?"},
        "Buttons": {
            "type": "interactive",
            "interactive": {
                "type": "button",
                "body": "How would you like to proceed?",
                "buttons": [{"id": "yes", "title": "Yes"}, {"id": "no", "title": "No"}],
            },
        },
        "Link": {
            "type": "interactive",
            "interactive": {
                "type": "cta_url",
                "body": "Click below to view your order details",
                "button_text": "View Order",
                "url": "https://example.com/orders/12345",
            },
        },
    },
    "reaction": {"Reaction": {"emoji": "👍"}},
    "template": {
        "By phone number": {"phone_number": "919876543210", "template_name": "hello_world"},
        "With parameters": {
            "phone_number": "919876543210",
            "template_name": "order_confirmation",
            "template_params": {"name": "John", "order_id": "12345"},
        },
    },
    "media": {
        "Image": {
            "contact_id": _ID,
            "type": "image",
            "media_url": "https://example.com/image.jpg",
            "caption": "Check out this product!",
        }
    },
    "contact": {"Contact": {"phone_number": "919876543210", "profile_name": "John", "tags": ["vip"]}},
    "contact_change": {"Tags": {"tags": ["vip", "billing"]}},
}


def examples(name: str) -> list[OpenApiExample]:
    """The examples of a body."""
    return [
        OpenApiExample(title, value=value, request_only=True, media_type="application/json")
        for title, value in _EXAMPLES[name].items()
    ]
