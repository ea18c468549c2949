"""This dialect's message bodies, to whatsapp.content."""

from collections.abc import Callable, Mapping
from typing import Any

from gosend.api import errors
from gosend.api.whatomate import fields, interactive
from gosend.lib.errors import DomainError
from gosend.whatsapp import content as contents

MEDIA = ("image", "video", "audio", "document", "sticker")


class InvalidMessageType(DomainError):
    code = "invalid_message_type"


class InvalidContent(DomainError):
    code = "invalid_content"


def read(data: Mapping[str, Any]) -> contents.Content:
    """Read a send to a contact: the printed words, those of Whatomate's server, or Meta's own."""
    kind = fields.required(data, "type")
    if kind == "text":
        return _text(data)
    if kind in ("interactive", "flow"):
        value = data.get("interactive")
        if kind == "flow":
            value = {**(value if isinstance(value, Mapping) else data), "type": "flow"}
        return _interactive(value)
    if kind in MEDIA and not isinstance(data.get(kind), Mapping):
        return media(kind, data)
    return _parsed(kind, data.get(kind), lambda path: path)


def media(kind: str, data: Mapping[str, Any], *, media_id: str = "") -> contents.Content:
    """A file by `media_url`, or by the id that Meta gave for it."""
    if kind not in MEDIA:
        raise InvalidMessageType(
            f"type must be one of {', '.join(MEDIA)}",
            details={"field": "type", "value": kind[: fields.SHOWN], "allowed": list(MEDIA)},
        )
    media_id = media_id or fields.text(data, "media_id")
    link = "" if media_id else fields.required(data, "media_url")
    value = {
        "id": media_id,
        "link": link,
        "caption": fields.text(data, "caption"),
        "filename": fields.text(data, "filename") if kind == "document" else "",
    }
    names = {f"{kind}.link": "media_url", f"{kind}.id": "media_id"}
    return _parsed(
        kind,
        {name: given for name, given in value.items() if given},
        lambda path: names.get(path, path.removeprefix(f"{kind}.")),
    )


def refused(violations: list[contents.Violation], rename: Callable[[str], str]) -> DomainError:
    """Say what breaks which limit of WhatsApp's, by the names of this dialect."""
    written = [
        {"path": rename(item.path), "message": item.message, "limit": item.limit, "value": _shown(item.value)}
        for item in violations
    ]
    first = written[0]
    message = f"{first['path']} {first['message']}"
    if violations[0].missing:
        return errors.MissingField(message, details={"field": first["path"], "errors": written})
    return InvalidContent(message, details={"field": first["path"], "errors": written})


def _text(data: Mapping[str, Any]) -> contents.Content:
    for name in ("text", "content"):
        value = data.get(name)
        if isinstance(value, str) and value:
            return _parsed("text", {"body": value}, lambda path, name=name: name)  # type: ignore[misc]
        if isinstance(value, Mapping):
            words = value.get("body", value.get("text"))
            preview = {"preview_url": value["preview_url"]} if "preview_url" in value else {}
            return _parsed(
                "text",
                ({} if words is None else {"body": words}) | preview,
                lambda path, name=name: path.replace("text", name, 1),  # type: ignore[misc]
            )
        if value:
            raise fields.wrong(name, "a string", value)
    raise errors.MissingField("text is required", details={"field": "text"})


def _interactive(value: Any) -> contents.Content:
    if value is None:
        raise errors.MissingField("interactive is required", details={"field": "interactive"})
    shape = interactive.to_meta(value)
    return _parsed("interactive", shape, lambda path: interactive.own_name(path, value))


def _parsed(kind: str, value: Any, rename: Callable[[str], str]) -> contents.Content:
    if kind not in contents.TYPES:
        raise InvalidMessageType(
            f"'{kind[: fields.SHOWN]}' is not a message type that can be sent",
            details={"field": "type", "value": kind[: fields.SHOWN], "allowed": list(contents.TYPES)},
        )
    try:
        return contents.parse(type=kind, value=value)
    except contents.ContentInvalid as error:
        raise refused(error.violations, rename) from error


def _shown(value: Any) -> Any:
    if value is None or isinstance(value, (bool, int, float)):
        return value
    return str(value)[: fields.SHOWN]
