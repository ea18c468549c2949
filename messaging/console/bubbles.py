"""What a message says, as WhatsApp would show it: always text to escape, never markup."""

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from django.db.models import Model, Q

from gosend.whatsapp import summary
from messaging.console.masking import Veil
from messaging.models import Message
from templates_app.models import Template

_PLACE = re.compile(r"\{\{\s*([^{}\s]+)\s*\}\}")
_MEDIA = ("image", "video", "audio", "document", "sticker")
Key = tuple[int, str, str]


@dataclass(slots=True)
class Bubble:
    """`note` says what is not text, such as "image, by link"; `buttons` are drawn under it."""

    header: str = ""
    text: str = ""
    footer: str = ""
    note: str = ""
    buttons: list[str] = field(default_factory=list)


def templates_of(messages: Collection[Message]) -> dict[Key, Template]:
    """The templates that these messages use, in one statement."""
    wanted = Q(pk__in=[])
    for message in messages:
        if key := _key(message):
            wanted |= Q(business_account_id=key[0], name=key[1], language=key[2])
    found = Template.objects.filter(wanted, tenant_id__in={message.tenant_id for message in messages})
    rows = found[: max(1, len(messages))]
    return {(row.business_account_id, row.name, row.language): row for row in rows}


def draw(message: Message, templates: Mapping[Key, Template], *, veil: Veil, record: Model) -> Bubble:
    """Render a message loaded with its content and number, for a page about `record`; never raises."""
    body = body_of(message)
    value = body.get(message.type)
    if message.type == "template" and isinstance(value, dict):
        key = _key(message)
        return _template(value, templates.get(key) if key else None)
    if message.type == "interactive" and isinstance(value, dict):
        return _interactive(body, value)
    if message.type in _MEDIA and isinstance(value, dict):
        caption, filename = _text(value, "caption"), _text(value, "filename")
        return Bubble(text=caption, note=f"{message.type}: {filename}" if filename else message.type)
    if message.type == "reaction" and isinstance(value, dict):
        return Bubble(
            text=_text(value, "emoji"), note="reacted" if value.get("emoji") else "took a reaction back"
        )
    if message.type == "location" and isinstance(value, dict):
        where = f"{value.get('latitude')}, {value.get('longitude')}"
        return Bubble(text=summary.text_of(body), note=f"location: {where}")
    words = summary.text_of(body)
    if not body:
        return Bubble(note=f"{message.type}: what it said is not kept")
    if message.type == "system":  # WhatsApp's own words: that somebody's number changed, from and to
        words = veil.within(words, record=record)
    return Bubble(text=words, note="" if message.type == "text" else message.type)


def body_of(message: Message) -> dict[str, Any]:
    content = getattr(message, "content", None)
    return content.body if content is not None and isinstance(content.body, dict) else {}


def _key(message: Message) -> Key | None:
    sent = body_of(message).get("template") if message.type == "template" else None
    if not isinstance(sent, dict):
        return None
    language = sent.get("language")
    code = language.get("code") if isinstance(language, dict) else language
    return message.phone_number.business_account_id, str(sent.get("name", "")), str(code or "")


def _template(sent: dict[str, Any], template: Template | None) -> Bubble:
    name = _text(sent, "name")
    given = {kind: list(parameters) for kind, parameters in _parameters(sent)}
    if template is None:
        filled = "; ".join(_words(one) for one in given.get("body", []))
        return Bubble(text=filled, note=f"template {name}: our copy of it is gone, these were its parameters")
    bubble = Bubble(note=f"template {name} ({template.language})")
    for component in _dicts(template.components):
        kind = str(component.get("type", "")).lower()
        text = _fill(_text(component, "text"), given.get(kind, []))
        if kind == "header":
            bubble.header = text or str(component.get("format", "")).lower()
        elif kind == "body":
            bubble.text = text
        elif kind == "footer":
            bubble.footer = text
        elif kind == "buttons":
            bubble.buttons = [_text(button, "text") for button in _dicts(component.get("buttons"))]
    return bubble


def _parameters(sent: dict[str, Any]) -> Iterable[tuple[str, list[dict[str, Any]]]]:
    for component in _dicts(sent.get("components")):
        yield str(component.get("type", "")).lower(), _dicts(component.get("parameters"))


def _fill(text: str, parameters: list[dict[str, Any]]) -> str:
    named = {str(one["parameter_name"]): one for one in parameters if one.get("parameter_name")}
    numbered = {str(place): one for place, one in enumerate(parameters, 1)}
    known = named or numbered

    def value(match: re.Match[str]) -> str:
        one = known.get(match[1])
        return _words(one) if one is not None else match[0]

    return _PLACE.sub(value, text)


def _words(parameter: dict[str, Any]) -> str:
    for key in ("text", "payload", "coupon_code"):
        if isinstance(parameter.get(key), str):
            return str(parameter[key])
    for key in ("currency", "date_time"):
        if isinstance(parameter.get(key), dict):
            return _text(parameter[key], "fallback_value")
    return f"({parameter.get('type', '?')})"


def _interactive(body: dict[str, Any], value: dict[str, Any]) -> Bubble:
    bubble = Bubble(text=summary.text_of(body), footer=_text(_dict(value.get("footer")), "text"))
    bubble.header = _text(_dict(value.get("header")), "text")
    action = _dict(value.get("action"))
    bubble.buttons = [_text(_dict(one.get("reply")), "title") for one in _dicts(action.get("buttons"))]
    rows = [row for section in _dicts(action.get("sections")) for row in _dicts(section.get("rows"))]
    bubble.buttons += [_text(row, "title") for row in rows]
    bubble.buttons = [words for words in bubble.buttons if words]
    bubble.note = str(value.get("type") or "interactive").replace("_", " ")
    return bubble


def _dict(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _dicts(value: object) -> list[dict[str, Any]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _text(value: dict[str, Any], key: str) -> str:
    found = value.get(key)
    return found if isinstance(found, str) else ""
