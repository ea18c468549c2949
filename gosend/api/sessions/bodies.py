"""What this dialect's requests look like in OpenAPI."""

from collections.abc import Mapping
from typing import Any

from drf_spectacular.utils import OpenApiResponse
from pydantic import BaseModel

from gosend.api import schema
from gosend.api.sessions import content, envelope, inline
from gosend.api.sessions.pages import DEFAULT_LIMIT, MAX_LIMIT
from gosend.whatsapp import content as contents
from messaging import polls

SESSION = schema.inside("session_id", "Meta's id of the number (`phone_number_id`).")
MESSAGE = schema.inside("message_id", "WhatsApp's id (`messageId`), or ours (`outboxId`).")
CHAT = schema.inside("chat_id", "The JID of the chat, in any spelling.")
ASYNC = schema.query(
    "async", "Answer as soon as the message is kept.", allowed=["true", "false", "1", "0", "yes", "no"]
)
PAGING = [
    schema.query(
        "limit",
        f"{DEFAULT_LIMIT} by default.",
        shape={"type": "integer", "minimum": 1, "maximum": MAX_LIMIT},
    ),
    schema.optional("cursor", "The nextCursor of the page before."),
]
_TO = {"type": "string", "minLength": 1, "description": "The JID of the chat, in any spelling."}
_TEXT = {"type": "string", "minLength": 1}
_IDS = {"type": "array", "items": {"type": "string"}, "maxItems": 256}


def answers(successes: Mapping[int, type[BaseModel] | None], *problems: int) -> dict[int, OpenApiResponse]:
    return schema.answers(dict(successes), *problems, shape=envelope.SessionProblem)


def an_object(required: list[str] | None = None, **properties: Any) -> dict[str, Any]:
    shape: dict[str, Any] = {"type": "object", "properties": properties}
    return shape | ({"required": required} if required else {})


def message() -> dict[str, Any]:
    """The body of a send: one shape per type, told apart by `type`."""
    shapes = {kind: _shape(kind, *_parts(kind)) for kind in content.TYPES}
    return {
        "oneOf": list(shapes.values()),
        "discriminator": {
            "propertyName": "type",
            "mapping": {kind: shape["$ref"] for kind, shape in shapes.items()},
        },
    }


def _parts(kind: str) -> tuple[list[str], dict[str, Any]]:
    match kind:
        case "text":
            mentions = {"mentions": {**_IDS, "description": "Not on the Cloud API: a warning says so."}}
            return ["text"], {"text": {**_TEXT, "maxLength": 4096}, "strict": {"type": "boolean"}, **mentions}
        case "poll":
            options = {
                "type": "array",
                "items": _TEXT,
                "minItems": polls.MIN_OPTIONS,
                "maxItems": polls.MAX_OPTIONS,
                "uniqueItems": True,
            }
            count = {"type": "integer", "minimum": 0, "maximum": polls.MAX_OPTIONS, "default": 1}
            return ["name", "options"], {"name": _TEXT, "options": options, "selectableCount": count}
        case "location":
            degrees = {"latitude": {"type": "number"}, "longitude": {"type": "number"}}
            names = {"name": {"type": "string"}, "address": {"type": "string"}}
            return ["latitude", "longitude"], {**degrees, **names}
        case "contact":
            card = an_object(name=_TEXT, phone=_TEXT, vcard=_TEXT)
            return ["contact"], {"contact": {"oneOf": [card, {"type": "string"}, {"type": "array"}]}}
        case "template":
            return ["template"], {
                "template": contents.Template.model_json_schema(ref_template="#/components/schemas/{model}")
            }
    file = an_object(
        data={"type": "string", "description": f"Base64 or a data: URI; {inline.MAX_BYTES} bytes decoded."},
        mimetype={"type": "string"},
        caption={"type": "string", "maxLength": 1024},
        filename={"type": "string"},
        url={"type": "string", "description": "Instead of data: an https link. Ours, beyond the gateway."},
        id={"type": "string", "description": "Instead of data: Meta's id of a file. Ours as well."},
    )
    return ["media"], {"media": file}


def _shape(kind: str, required: list[str], properties: dict[str, Any]) -> dict[str, Any]:
    for value in properties.values():
        for name, definition in value.pop("$defs", {}).items():
            schema.register(name, definition)
    own = {
        "type": {"type": "string", "const": kind},
        "to": _TO,
        "replyTo": {"type": "string", "maxLength": 255},
    }
    name = f"Session{kind.capitalize()}Message"
    return schema.register(
        name,
        {
            "type": "object",
            "title": name,
            "required": ["type", "to", *required],
            "properties": own | properties,
        },
    )
