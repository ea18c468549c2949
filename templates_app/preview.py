"""Draw a template as WhatsApp would show it, its places filled in."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from templates_app.models import Template

_PLACE = re.compile(r"\{\{\s*([^{}\s]+)\s*\}\}")


@dataclass(frozen=True, slots=True)
class Preview:
    """Plain texts: whoever shows them escapes them. `media` names a header that is a file."""

    media: str
    header: str
    body: str
    footer: str
    buttons: list[str]


def places(template: Template) -> dict[str, str]:
    """The places of header and body with the examples that were submitted; `header.1` and `body.1`."""
    found: dict[str, str] = {}
    for kind in ("HEADER", "BODY"):
        component = _component(template, kind)
        examples = _examples(component)
        for place in dict.fromkeys(_PLACE.findall(_text(component.get("text")))):
            found[f"{kind.lower()}.{place}"] = examples.get(place, "")
    return found


def draw(template: Template, values: Mapping[str, str]) -> Preview:
    """Places without a value stay as they are written, so that what is missing can be seen."""
    header, body = _component(template, "HEADER"), _component(template, "BODY")
    buttons = _component(template, "BUTTONS").get("buttons")
    kind = _text(header.get("format")).upper()
    return Preview(
        media=kind.lower() if kind not in ("", "TEXT") else "",
        header=_filled(header, "header", values),
        body=_filled(body, "body", values),
        footer=_text(_component(template, "FOOTER").get("text")),
        buttons=[
            _text(one.get("text"))
            for one in (buttons if isinstance(buttons, list) else [])
            if isinstance(one, dict)
        ],
    )


def _filled(component: Mapping[str, Any], kind: str, values: Mapping[str, str]) -> str:
    def value(match: re.Match[str]) -> str:
        return values.get(f"{kind}.{match[1]}") or match[0]

    return _PLACE.sub(value, _text(component.get("text")))


def _component(template: Template, kind: str) -> dict[str, Any]:
    rows = template.components if isinstance(template.components, list) else []
    named = (row for row in rows if isinstance(row, dict) and _text(row.get("type")).upper() == kind)
    return next(named, {})


def _examples(component: Mapping[str, Any]) -> dict[str, str]:
    """Meta keeps them in three ways: a list, a list within a list, and by name."""
    example = component.get("example")
    found: dict[str, str] = {}
    for key, rows in example.items() if isinstance(example, dict) else ():
        flat = rows[0] if isinstance(rows, list) and rows and isinstance(rows[0], list) else rows
        if not isinstance(flat, list) or not key.startswith(("body_text", "header_text")):
            continue
        for position, row in enumerate(flat, start=1):
            if isinstance(row, dict):
                found[_text(row.get("param_name"))] = _text(row.get("example"))
            else:
                found[str(position)] = _text(row)
    return found


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
