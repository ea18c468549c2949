"""What is wrong with a message: where, by which limit, and with which value."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails, PydanticCustomError

# Characters of an offending value that are shown.
SHOWN_VALUE_CHARACTERS = 100
# Deeper than any message of Meta's, and far from what JSON readers and databases choke on.
MAX_DEPTH = 32
_BEYOND = 2**63
_HALF_PAIR = re.compile("[\ud800-\udfff]")
# Kind of the errors that `broken` makes.
_OURS = "broken_rule"


@dataclass(frozen=True, slots=True)
class Violation:
    """`path` is as one would write it in JavaScript: `template.components[0].parameters[1].text`."""

    path: str
    message: str
    limit: object | None = None
    value: object | None = None
    missing: bool = False


class ContentInvalid(Exception):
    """The message breaks a limit that Meta documents."""

    def __init__(self, violations: list[Violation]) -> None:
        super().__init__("; ".join(f"{violation.path} {violation.message}" for violation in violations))
        self.violations = violations


def broken(
    message: str, *, field: str = "", limit: object = None, value: object = None, missing: bool = False
) -> PydanticCustomError:
    """An error to raise in a validator; `field` names the field when the validator sees a whole object."""
    context = {"says": message, "field": field, "limit": limit, "value": value, "missing": missing}
    return PydanticCustomError(_OURS, "{says}", context)


def from_pydantic(error: ValidationError, *, root: str) -> list[Violation]:
    """Put pydantic's findings in our words."""
    return [_violation(root, detail) for detail in error.errors(include_url=False)]


def unstorable(value: object, *, path: str, depth: int = 0) -> Iterator[Violation]:
    """Find what JSON can spell but no database or peer takes.

    NUL, half characters, NaN, endless nesting, and numbers that PostgreSQL would hand back as integers
    longer than JSON's writers take.
    """
    if isinstance(value, dict | list):
        yield from _unstorable_within(value, path=path, depth=depth)
    elif isinstance(value, str):
        if "\x00" in value:
            yield Violation(path, "must not contain the character U+0000", value=shown(value))
        if _HALF_PAIR.search(value):
            yield Violation(path, "must not contain half a surrogate pair", value=shown(value))
    elif isinstance(value, float | int) and not -_BEYOND < value < _BEYOND:
        yield Violation(path, "must be a number of at most 64 bits", limit=_BEYOND - 1, value=str(value))


def shown(value: object) -> object:
    """A value short enough, and plain enough, to be told to whoever sent it."""
    if value is None or isinstance(value, bool | int | float):
        return value
    text = value if isinstance(value, str) else repr(value)
    text = text.encode("utf-8", "replace").decode().replace("\x00", "\N{SYMBOL FOR NULL}")
    return text if len(text) <= SHOWN_VALUE_CHARACTERS else text[: SHOWN_VALUE_CHARACTERS - 1] + "…"


def _unstorable_within(
    value: dict[str, object] | list[object], *, path: str, depth: int
) -> Iterator[Violation]:
    if depth >= MAX_DEPTH:
        yield Violation(path, "is nested too deeply", limit=MAX_DEPTH)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from unstorable(item, path=f"{path}[{index}]", depth=depth + 1)
    else:
        for key, item in value.items():
            yield from unstorable(key, path=path)
            yield from unstorable(item, path=f"{path}.{shown(key)}", depth=depth + 1)


def _violation(root: str, detail: ErrorDetails) -> Violation:
    context: Mapping[str, Any] = detail.get("ctx", {})
    path = root + "".join(_step(step) for step in detail["loc"])
    kind = detail["type"]
    if kind == _OURS:
        return Violation(
            path=f"{path}.{context['field']}" if context["field"] else path,
            message=context["says"],
            limit=context["limit"],
            value=shown(context["value"]),
            missing=context["missing"],
        )
    if kind == "missing":
        return Violation(path, "is required", missing=True)
    message, limit = _worded(kind, context)
    return Violation(path, message or _lowered(detail["msg"]), limit=limit, value=shown(detail["input"]))


def _step(step: int | str) -> str:
    """One step of a path; a word in angle brackets only says which shape was tried."""
    if isinstance(step, int):
        return f"[{step}]"
    return "" if step.startswith("<") else f".{step}"


def _worded(kind: str, context: Mapping[str, Any]) -> tuple[str, object]:
    unit = "characters" if kind.startswith("string") else "items"
    match kind:
        case "string_too_long" | "too_long":
            limit = context["max_length"]
            return f"must have at most {limit} {unit}", limit
        case "string_too_short" | "too_short":
            limit = context["min_length"]
            return "must not be empty" if limit == 1 else f"must have at least {limit} {unit}", limit
        case "string_pattern_mismatch":
            return f"must match {context['pattern']}", context["pattern"]
        case "string_type":
            return "must be a string", None
        case "model_type" | "dict_type" | "model_attributes_type":
            return "must be an object", None
        case "list_type":
            return "must be an array", None
    return "", None


def _lowered(message: str) -> str:
    """Pydantic's "Input should be …" as the end of a sentence that starts with the path."""
    return message.replace("Input should be", "must be", 1)
