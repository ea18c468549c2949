"""Something to tap on, in this dialect's flat words, as Meta has it."""

import re
from collections.abc import Mapping
from typing import Any

from gosend.api.whatomate import fields
from gosend.whatsapp.interactive_lists import MAX_REPLY_BUTTONS

# What Whatomate's server says where a client says nothing.
_LIST_BUTTON = "Select an option"
_LIST_TITLE = "Options"
_FLOW_BUTTON = "Open"
_FLOW_SCREEN = "FIRST_SCREEN"
_FLOW_VERSION = "3"

# Where Meta's field lies → what the client calls it.
_OWN_NAMES = (
    (re.compile(r"action\.buttons\[(\d+)\]\.reply\b"), r"buttons[\1]"),
    (re.compile(r"action\.sections\[0\]\.rows\b"), "buttons"),
    (re.compile(r"action\.(?:parameters\.)?(?:button|display_text|flow_cta)\b(?!s)"), "button_text"),
    (re.compile(r"action\.parameters\.flow_action_payload\.screen\b"), "first_screen"),
    (re.compile(r"action\.(?:parameters\.)?"), ""),
    (re.compile(r"\b(body|footer|header)\.text\b"), r"\1"),
)


def to_meta(value: Any) -> dict[str, Any]:
    """Meta's shape of what a client asks for; what has Meta's shape already keeps it."""
    if not isinstance(value, Mapping):
        raise fields.wrong("interactive", "an object", value)
    kind = str(value.get("type") or "button")
    if isinstance(value.get("action"), Mapping):
        action: Any = value["action"]
    elif kind in _ACTIONS:
        kind, action = _ACTIONS[kind](value)
        action = _given(action)
    else:
        raise fields.wrong("interactive.type", f"one of {', '.join(_ACTIONS)}, or have an action", kind)
    parts = {"header": _header(value.get("header")), "body": _words(value.get("body"))}
    parts |= {"footer": _words(value.get("footer")), "action": action}
    return {"type": kind} | _given(parts)


def own_name(path: str, value: Any) -> str:
    """Where a client finds what is wrong with what it sent."""
    if isinstance(value, Mapping) and isinstance(value.get("action"), Mapping):
        return path
    for pattern, name in _OWN_NAMES:
        path = pattern.sub(name, path)
    return path


def from_meta(value: Mapping[str, Any]) -> dict[str, Any]:
    """The flat words again, beside Meta's action."""
    action = value.get("action")
    action = action if isinstance(action, Mapping) else {}
    written: dict[str, Any] = {"type": value.get("type")}
    for part in ("header", "body", "footer"):
        if isinstance(value.get(part), Mapping):
            written[part] = value[part].get("text") or value[part]
    buttons = action.get("buttons")
    if isinstance(buttons, list):
        written["buttons"] = [one.get("reply", one) for one in buttons if isinstance(one, Mapping)]
    parameters = action.get("parameters")
    if isinstance(parameters, Mapping):
        written |= {name: parameters[name] for name in ("url", "flow_id") if name in parameters}
    return written | {"action": action}


def _header(header: Any) -> Any:
    return {"type": "text", "text": header} if isinstance(header, str) and header else header or None


def _words(words: Any) -> Any:
    return {"text": words} if isinstance(words, str) else words


def _buttons(value: Mapping[str, Any]) -> tuple[str, Any]:
    """Up to three are buttons; up to ten are the rows of a list, as at Whatomate."""
    given = value.get("buttons")
    if isinstance(given, list) and len(given) > MAX_REPLY_BUTTONS:
        return _list(value)
    if isinstance(given, list):
        given = [one if _is_metas(one) else {"type": "reply", "reply": one} for one in given]
    return "button", {"buttons": given}


def _is_metas(button: Any) -> bool:
    return isinstance(button, Mapping) and "reply" in button


def _list(value: Mapping[str, Any]) -> tuple[str, Any]:
    sections = value.get("sections")
    rows = value.get("rows", value.get("buttons"))
    if sections is None and rows is not None:
        sections = [{"title": _LIST_TITLE, "rows": rows}]
    return "list", {"button": value.get("button_text") or _LIST_BUTTON, "sections": sections}


def _url(value: Mapping[str, Any]) -> tuple[str, Any]:
    label = value.get("display_text") or value.get("button_text")
    parameters = _given({"display_text": label, "url": value.get("url")})
    return "cta_url", {"name": "cta_url", "parameters": parameters}


def _flow(value: Mapping[str, Any]) -> tuple[str, Any]:
    parameters = {
        "flow_message_version": _FLOW_VERSION,
        "flow_id": fields.text(value, "flow_id") or None,
        "flow_cta": value.get("button_text") or value.get("display_text") or _FLOW_BUTTON,
        "flow_token": value.get("flow_token"),
        "flow_action": "navigate",
        "flow_action_payload": {"screen": value.get("first_screen") or _FLOW_SCREEN},
    }
    return "flow", {"name": "flow", "parameters": _given(parameters)}


def _call(value: Mapping[str, Any]) -> tuple[str, Any]:
    label = value.get("display_text") or value.get("button_text")
    parameters = _given({"display_text": label, "ttl_minutes": value.get("ttl_minutes")})
    return "voice_call", {"name": "voice_call", "parameters": parameters}


def _given(parts: Mapping[str, Any]) -> dict[str, Any]:
    return {name: part for name, part in parts.items() if part is not None}


_ACTIONS = {"button": _buttons, "list": _list, "cta_url": _url, "flow": _flow, "voice_call": _call}
