"""The words of a message, for lists and events; knows the types that only arrive, too."""

from typing import Any

# Types whose object has a line of text of its own, and under which keys to look for it, best first.
_KEYS: dict[str, tuple[str, ...]] = {
    "text": ("body",),
    "image": ("caption",),
    "video": ("caption",),
    "document": ("caption", "filename"),
    "button": ("text", "payload"),
    "reaction": ("emoji",),
    "location": ("name", "address"),
    "order": ("text",),
    "system": ("body",),
    "template": ("name",),
}
_INTERACTIVE_REPLIES = ("button_reply", "list_reply")


def text_of(content_body: dict[str, Any]) -> str:
    """The words of a body in Graph's form; empty when it has none. Never raises."""
    if not isinstance(content_body, dict):
        return ""
    kind = content_body.get("type")
    value = content_body.get(kind) if isinstance(kind, str) else None
    match kind, value:
        case "interactive", dict():
            return _interactive(value)
        case "contacts", list():
            return ", ".join(
                filter(None, (_text(_dict(card).get("name"), "formatted_name") for card in value))
            )
        case str(), dict():
            return next(filter(None, (_text(value, key) for key in _KEYS.get(kind, ()))), "")
    return ""


def _interactive(value: dict[str, Any]) -> str:
    """What was chosen, or else what was asked."""
    chosen = (_text(value.get(reply), "title") for reply in _INTERACTIVE_REPLIES)
    asked = (_text(value.get("nfm_reply"), "body"), _text(value.get("body"), "text"))
    return next(filter(None, (*chosen, *asked)), "")


def _dict(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: object, key: str) -> str:
    found = _dict(value).get(key)
    return found if isinstance(found, str) else ""
