"""The texts of a template, with the variables in them and the examples for each."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from gosend.whatsapp.violations import Violation, shown

Json = dict[str, Any]

_VARIABLE = re.compile(r"\{\{(.*?)\}\}", re.DOTALL)
_ADJACENT = re.compile(r"\}\}\s*\{\{")
_NAME = re.compile(r"[a-z0-9_]+")
_NUMBER = re.compile(r"[1-9][0-9]{0,3}")


@dataclass(frozen=True, slots=True)
class Text:
    """The rules of one text: `examples` names the key under `example` that gives its variables' values."""

    limit: int
    examples: str = ""
    max_variables: int | None = None
    named: bool = False
    # Whether a variable may stand neither first nor last.
    keeps_edges: bool = False
    one_line: bool = False


def kind_of(piece: object) -> str:
    """The type of a component or button; Meta takes any case."""
    kind = piece.get("type") if isinstance(piece, dict) else None
    return kind.upper() if isinstance(kind, str) else ""


def check(piece: Json, path: str, rule: Text) -> Iterator[Violation]:
    """Check `piece["text"]` and the examples beside it."""
    text = piece.get("text")
    yield from length(text, f"{path}.text", rule.limit)
    if not isinstance(text, str):
        return
    if rule.one_line and "\n" in text:
        yield Violation(f"{path}.text", "must be one line", value=shown(text))
    names = variables(text)
    yield from _count(text, names, f"{path}.text", rule)
    if rule.max_variables == 0:
        return
    yield from _edges(text, f"{path}.text", rule)
    broken = list(_spelling(names, f"{path}.text", rule))
    yield from broken
    if not broken:
        yield from _examples(piece, path, names, rule)


def length(value: object, path: str, limit: int) -> Iterator[Violation]:
    """Check that a text is there, and not too long."""
    if value is None:
        yield Violation(path, "is required", missing=True)
    elif not isinstance(value, str):
        yield Violation(path, "must be a string", value=shown(value))
    elif not value.strip():
        yield Violation(path, "must not be empty", limit=1, value=shown(value))
    elif len(value) > limit:
        yield Violation(path, f"must have at most {limit} characters", limit=limit, value=shown(value))


def variables(text: str) -> list[str]:
    """What stands between the double braces, in order, each once."""
    return list(dict.fromkeys(_VARIABLE.findall(text)))


def _count(text: str, names: list[str], path: str, rule: Text) -> Iterator[Violation]:
    limit = rule.max_variables
    if limit is not None and len(names) > limit:
        allowed = "no variables" if limit == 0 else f"at most {limit} variable"
        yield Violation(path, f"must have {allowed}", limit=limit, value=shown(text))


def _edges(text: str, path: str, rule: Text) -> Iterator[Violation]:
    bare = text.strip()
    if rule.keeps_edges and (bare.startswith("{{") or bare.endswith("}}")):
        yield Violation(path, "must neither begin nor end with a variable", value=shown(text))
    if _ADJACENT.search(text):
        yield Violation(path, "must have words between two variables", value=shown(text))


def _spelling(names: list[str], path: str, rule: Text) -> Iterator[Violation]:
    """Positional variables count from 1 without a gap; named ones are lower-case words."""
    pattern = _NAME if rule.named else _NUMBER
    wanted = "names such as {{first_name}}" if rule.named else "numbers such as {{1}}"
    for name in names:
        if not pattern.fullmatch(name) or (rule.named and name.isdigit()):
            yield Violation(path, f"must have {wanted} as variables", value=shown("{{" + name + "}}"))
            return
    if not rule.named and sorted(map(int, names)) != list(range(1, len(names) + 1)):
        yield Violation(
            path,
            "must number its variables from {{1}} on, without a gap",
            limit=len(names),
            value=shown(", ".join("{{" + name + "}}" for name in names)),
        )


def _examples(piece: Json, path: str, names: list[str], rule: Text) -> Iterator[Violation]:
    if not names:
        return
    example = piece.get("example")
    key = f"{rule.examples}_named_params" if rule.named else rule.examples
    given = example.get(key) if isinstance(example, dict) else None
    path = f"{path}.example.{key}"
    if given is None:
        yield Violation(path, "is required: an example for each variable", limit=len(names), missing=True)
    elif rule.named:
        yield from _named(given, path, names)
    else:
        yield from _positional(given, path, len(names))


def _positional(given: object, path: str, count: int) -> Iterator[Violation]:
    """`["a", "b"]`, or the same once more within a list."""
    row = given[0] if isinstance(given, list) and given and isinstance(given[0], list) else given
    row = [row] if isinstance(row, str) else row
    if not isinstance(row, list) or not all(isinstance(item, str) and item for item in row):
        yield Violation(path, "must be a list of texts", limit=count, value=shown(given))
    elif len(row) != count:
        yield Violation(
            path, f"must have {count} examples, one for each variable", limit=count, value=len(row)
        )


def _named(given: object, path: str, names: list[str]) -> Iterator[Violation]:
    rows = given if isinstance(given, list) else []
    known = {
        row.get("param_name")
        for row in rows
        if isinstance(row, dict) and isinstance(row.get("example"), str) and row["example"]
    }
    for name in names:
        if name not in known:
            yield Violation(path, f"must have an example for {name}", limit=len(names), value=shown(name))
