"""The parameters of this dialect, put where a template has its places."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from gosend.api import errors
from gosend.api.whatomate import content, fields
from gosend.lib.errors import DomainError
from gosend.whatsapp import content as contents
from templates_app import parameters
from templates_app.models import Template

_FILES = frozenset({"IMAGE", "VIDEO", "DOCUMENT"})


class ParametersMissing(DomainError):
    code = "missing_template_parameters"


@dataclass(frozen=True, slots=True)
class Words:
    """What a client fills a template with."""

    body: Mapping[str, str] = field(default_factory=dict)
    header: Mapping[str, str] = field(default_factory=dict)
    buttons: Mapping[str, str] = field(default_factory=dict)
    # The header's file: an id of Meta's or an address, and the name that a document is shown under.
    media_id: str = ""
    media_url: str = ""
    filename: str = ""


def read(data: Mapping[str, Any], *, media_id: str = "") -> Words:
    return Words(
        body=fields.mapping(data, "template_params"),
        header=fields.mapping(data, "header_params"),
        buttons=fields.mapping(data, "button_params"),
        media_id=media_id or fields.text(data, "header_media_id"),
        media_url=fields.text(data, "header_media_url"),
        filename=fields.text(data, "header_media_filename"),
    )


def fill(template: Template, words: Words) -> contents.Content:
    """Build the send; raises ParametersMissing, and InvalidField for words that have no place."""
    known = [part for part in template.components if isinstance(part, dict)]
    of_body = _places(known, "BODY", template)
    of_header = _places(known, "HEADER", template)
    _require_places(words, [*of_body, *of_header])
    components = [
        *_header(known, of_header, words),
        *_body(of_body, words.body),
        *_buttons(known, words, is_code=template.category == Template.Category.AUTHENTICATION),
    ]
    value = {"name": template.name, "language": {"code": template.language}}
    try:
        return contents.parse(
            type="template", value=value | ({"components": components} if components else {})
        )
    except contents.ContentInvalid as error:
        raise content.refused(error.violations, lambda path: path) from error


def header_kind(template: Template) -> str:
    """`IMAGE`, `VIDEO` or `DOCUMENT` where the header is a file; else nothing."""
    header: dict[str, Any] = next((part for part in template.components if _kind(part) == "HEADER"), {})
    kind = str(header.get("format") or "").upper()
    return kind if kind in _FILES else ""


def no_file_header(field: str) -> errors.InvalidField:
    return errors.InvalidField(
        f"{field} has no place in the template: its header is no image, video or document",
        details={"field": field},
    )


def _kind(part: Any) -> str:
    return str(part.get("type", "")).upper() if isinstance(part, dict) else ""


def _places(known: Sequence[dict[str, Any]], kind: str, template: Template) -> list[str]:
    part = next((part for part in known if _kind(part) == kind), {})
    if kind == "HEADER" and str(part.get("format") or "TEXT").upper() != "TEXT":
        return []
    text = part.get("text")
    if not isinstance(text, str):
        # Meta writes the text of a code itself.
        is_code = kind == "BODY" and template.category == Template.Category.AUTHENTICATION
        return ["1"] if is_code else []
    return parameters.places(text)


def _require_places(words: Words, names: Sequence[str]) -> None:
    """Words that the template has no place for would be left out without a sound."""
    known = {*names, *map(str, range(1, len(names) + 1))}
    for where, given in (("template_params", words.body), ("header_params", words.header)):
        for name in given:
            if name not in known:
                raise errors.InvalidField(
                    f"{where}.{name[: fields.SHOWN]} has no place in the template",
                    details={"field": where, "value": name[: fields.SHOWN], "allowed": list(names)},
                )


def _filled(names: Sequence[str], *given: Mapping[str, str]) -> list[str]:
    """Each place by its name, else by its number; the first mapping that fills it counts."""
    values = [
        next((words[key] for words in given for key in (name, str(number)) if words.get(key)), "")
        for number, name in enumerate(names, 1)
    ]
    if missing := [name for name, value in zip(names, values, strict=True) if not value]:
        raise _missing("template", missing, names)
    return values


def _missing(what: str, missing: Sequence[str], expected: Sequence[str]) -> ParametersMissing:
    return ParametersMissing(
        f"Missing {what} parameters: {', '.join(missing)}. Expected parameters: [{', '.join(expected)}]",
        details={"missing": list(missing), "expected": list(expected)},
    )


def _texts(names: Sequence[str], values: Sequence[str]) -> list[dict[str, str]]:
    return [
        {"type": "text", "text": value} | ({} if name.isdigit() else {"parameter_name": name})
        for name, value in zip(names, values, strict=True)
    ]


def _body(names: Sequence[str], given: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    if names:
        yield {"type": "body", "parameters": _texts(names, _filled(names, given))}


def _header(known: Sequence[dict[str, Any]], names: Sequence[str], words: Words) -> Iterator[dict[str, Any]]:
    part = next((part for part in known if _kind(part) == "HEADER"), {})
    kind = str(part.get("format") or "").upper()
    if kind in _FILES:
        if not words.media_id and not words.media_url:
            raise errors.MissingField(
                f"The template has a header of type {kind}: header_media_url or header_media_id is required",
                details={"field": "header_media_url"},
            )
        file = {"id": words.media_id} if words.media_id else {"link": words.media_url}
        if kind == "DOCUMENT" and words.filename:
            file["filename"] = words.filename
        yield {"type": "header", "parameters": [{"type": kind.lower(), kind.lower(): file}]}
        return
    if words.media_id or words.media_url:
        raise no_file_header("header_media_id" if words.media_id else "header_media_url")
    if names:
        yield {
            "type": "header",
            "parameters": _texts(names, _filled(names, words.header, words.body)),
        }


def _buttons(known: Sequence[dict[str, Any]], words: Words, *, is_code: bool) -> Iterator[dict[str, Any]]:
    part = next((part for part in known if _kind(part) == "BUTTONS"), {})
    buttons = [one for one in part.get("buttons") or [] if isinstance(one, dict)]
    for name in words.buttons:
        if not (name.isascii() and name.isdigit() and int(name) < len(buttons)):
            raise errors.InvalidField(
                f"button_params.{name[: fields.SHOWN]} names no button of the template",
                details={"field": "button_params", "value": name[: fields.SHOWN]},
            )
    given = {int(name): value for name, value in words.buttons.items()}
    needed = [str(index) for index, one in enumerate(buttons) if _needs_word(one)]
    if is_code and needed and words.body.get("1"):
        given.setdefault(int(needed[0]), words.body["1"])  # the code stands in the button, too
    if missing := [name for name in needed if not given.get(int(name))]:
        raise _missing("button", missing, needed)
    for index, one in enumerate(buttons):
        if value := given.get(index):
            yield _button(one, index, value)


def _needs_word(button: Mapping[str, Any]) -> bool:
    kind = _kind(button)
    return kind in ("OTP", "COPY_CODE") or (kind == "URL" and "{{" in str(button.get("url", "")))


def _button(button: Mapping[str, Any], index: int, value: str) -> dict[str, Any]:
    kind = _kind(button)
    sub_type, parameter = {
        "COPY_CODE": ("copy_code", {"type": "coupon_code", "coupon_code": value}),
        "QUICK_REPLY": ("quick_reply", {"type": "payload", "payload": value}),
        "FLOW": ("flow", {"type": "action", "action": {"flow_token": value}}),
    }.get(kind, ("url", {"type": "text", "text": value}))
    return {"type": "button", "sub_type": sub_type, "index": str(index), "parameters": [parameter]}
