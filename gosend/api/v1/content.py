"""The native dialect's message bodies, to and from whatsapp.content."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, get_args

from pydantic import BaseModel

from gosend.api import errors, schema
from gosend.lib.errors import DomainError
from gosend.whatsapp import content as contents
from messaging import send

# Meta takes as much; longer values would be cut on the way back.
_MAX_TRACKING = 512
_MAX_WAMID = 255
# Characters of a refused value that are told back.
_SHOWN = 100


class InvalidMessageType(DomainError):
    code = "invalid_message_type"


class InvalidContent(DomainError):
    code = "invalid_content"


@dataclass(frozen=True, slots=True)
class MessageIn:
    """A send as it was asked for, found to be well formed."""

    phone_number_id: str
    to: str
    content: contents.Content
    context_wamid: str | None
    tracking: str


def read(data: Mapping[str, Any]) -> MessageIn:
    """Check the body of a send. Fields that are not ours are passed by."""
    phone_number_id = _text(data, "phone_number_id")
    to = _recipient(data)
    kind = _text(data, "type")
    content = _content(kind, data)
    return MessageIn(
        phone_number_id=phone_number_id,
        to=to,
        content=content,
        context_wamid=_context(data.get("context"), content),
        tracking=_optional(data.get("biz_opaque_callback_data"), "biz_opaque_callback_data", _MAX_TRACKING),
    )


def schema_of() -> dict[str, Any]:
    """Describe the body of a send: one shape per type, told apart by `type`."""
    kinds = {model.type: model for model in get_args(contents.Content)}
    shapes = {
        kind: schema.register(f"{model.__name__}Message", _shape(kind, model))
        for kind, model in kinds.items()
    }
    return {
        "oneOf": list(shapes.values()),
        "discriminator": {
            "propertyName": "type",
            "mapping": {kind: shape["$ref"] for kind, shape in shapes.items()},
        },
    }


def _shape(kind: str, model: type[BaseModel]) -> dict[str, Any]:
    inner = model.model_json_schema(ref_template="#/components/schemas/{model}")
    for name, definition in inner.pop("$defs", {}).items():
        schema.register(name, definition)
    return {
        "type": "object",
        "title": f"{model.__name__}Message",
        "required": ["phone_number_id", "to", "type", kind],
        "properties": {
            "phone_number_id": {
                "type": "string",
                "minLength": 1,
                "description": "Meta's id of the sending number.",
            },
            "to": {
                "type": "string",
                "pattern": "^([0-9]{7,15}|[A-Z]{2}\\.(ENT\\.)?[A-Za-z0-9]{1,128}"
                "|[A-Za-z0-9+/_=-]{8,140}@g\\.us)$",
                "description": "Digits only, country code first; or a user id; or a group: Meta's id of it,"
                " then `@g.us`.",
            },
            "type": {"type": "string", "const": kind},
            kind: inner,
            "context": {
                "type": "object",
                "description": "The message that this one answers.",
                "properties": {"message_id": {"type": "string"}},
            },
            "biz_opaque_callback_data": {"type": "string", "maxLength": _MAX_TRACKING},
        },
    }


def _recipient(data: Mapping[str, Any]) -> str:
    to = _text(data, "to")
    send.require_recipient(to)
    return to


def _content(kind: str, data: Mapping[str, Any]) -> contents.Content:
    if kind not in contents.TYPES:
        raise InvalidMessageType(
            f"'{kind[:_SHOWN]}' is not a message type that can be sent",
            details={"field": "type", "value": kind[:_SHOWN], "allowed": list(contents.TYPES)},
        )
    if data.get(kind) is None:
        raise _missing(kind)
    try:
        return contents.parse(type=kind, value=data[kind])
    except contents.ContentInvalid as error:
        raise _refused(error.violations) from error


def _refused(violations: list[contents.Violation]) -> DomainError:
    written = [
        {"path": item.path, "message": item.message, "limit": item.limit, "value": _shown(item.value)}
        for item in violations
    ]
    absent = next((item.path for item in violations if item.missing), None)
    if absent is not None:
        return errors.MissingField(
            f"Validation failed: '{absent}' is required", details={"field": absent, "errors": written}
        )
    first = violations[0]
    return InvalidContent(
        f"Validation failed: '{first.path}': {first.message}",
        details={"field": first.path, "errors": written},
    )


def _context(value: Any, content: contents.Content) -> str | None:
    """Read `{"message_id": "wamid.…"}`: the message that this one answers."""
    if value is None:
        return None
    if not content.takes_context:
        raise _wrong("context", f"absent: a {content.type} answers no other message", value)
    if not isinstance(value, Mapping):
        raise _wrong("context", "an object with message_id", value)
    return _optional(value.get("message_id"), "context.message_id", _MAX_WAMID) or None


def _text(data: Mapping[str, Any], field: str) -> str:
    value = data.get(field)
    if value is None or value == "":
        raise _missing(field)
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)  # an id written as a JSON number means the same digits
    if not isinstance(value, str):
        raise _wrong(field, "a string", value)
    return value


def _optional(value: Any, field: str, limit: int) -> str:
    if value is None:
        return ""
    if not isinstance(value, str) or len(value) > limit:
        raise _wrong(field, f"a string of at most {limit} characters", value)
    return value


def _missing(field: str) -> errors.MissingField:
    return errors.MissingField(f"Validation failed: '{field}' is required", details={"field": field})


def _wrong(field: str, wanted: str, value: Any) -> errors.InvalidField:
    return errors.InvalidField(
        f"Validation failed: '{field}' must be {wanted}", details={"field": field, "value": _shown(value)}
    )


def _shown(value: Any) -> Any:
    if value is None or isinstance(value, (bool, int, float)):
        return value
    return str(value)[:_SHOWN]
