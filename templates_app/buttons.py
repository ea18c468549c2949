"""Whether the buttons that a send fills in are those of the template."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from gosend.whatsapp.templates import Component
from templates_app.mismatch import Mismatch


@dataclass(frozen=True, slots=True)
class _Rule:
    """What a send may fill in for one type of button; nothing, without a sub_type."""

    sub_type: str = ""
    parameters: tuple[str, ...] = ()
    is_required: bool = False


_FIXED_URL = _Rule("url")
_OPEN_URL = _Rule("url", ("text", "payload"), is_required=True)
# Types that are not here are for Meta to check.
_RULES = {
    "quick_reply": _Rule("quick_reply", ("payload",)),
    "phone_number": _Rule(),
    "otp": _OPEN_URL,
    "copy_code": _Rule("copy_code", ("coupon_code",), is_required=True),
    "flow": _Rule("flow", ("action",)),
    "catalog": _Rule("catalog", ("action",)),
    "mpm": _Rule("mpm", ("action",), is_required=True),
}


def mismatches(
    known: Sequence[dict[str, Any]], sent: Sequence[tuple[str, Component]], path: str
) -> Iterator[Mismatch]:
    """Compare; each component that was sent comes with its path."""
    filled = set()
    for at, component in sent:
        index = int(component.index or 0)
        if index >= len(known):
            yield Mismatch(f"{at}.index", "is not a button of the template", list(range(len(known))), index)
        elif index in filled:
            yield Mismatch(f"{at}.index", "names a button that was filled in before", None, index)
        elif rule := _rule_of(known[index]):
            yield from _unfit(rule, component, at)
        filled.add(index)
    for index, button in enumerate(known):
        rule = _rule_of(button)
        if rule is not None and rule.is_required and index not in filled:
            yield Mismatch(
                path,
                f"must fill in button {index}, which is a {rule.sub_type} button",
                {"type": "button", "sub_type": rule.sub_type, "index": index},
                None,
            )


def _unfit(rule: _Rule, component: Component, at: str) -> Iterator[Mismatch]:
    if (component.sub_type or "").lower() != rule.sub_type:
        yield Mismatch(
            f"{at}.sub_type", "is not what the button is", rule.sub_type or None, component.sub_type
        )
        return
    given = [parameter.type.lower() for parameter in component.parameters or []]
    most = 1 if rule.parameters else 0
    if len(given) > most or (rule.is_required and not given):
        yield Mismatch(f"{at}.parameters", f"must be {most}", most, len(given))
    elif given and given[0] not in rule.parameters:
        yield Mismatch(
            f"{at}.parameters[0].type", "is not what the button takes", rule.parameters[0], given[0]
        )


def _rule_of(button: dict[str, Any]) -> _Rule | None:
    kind = str(button.get("type", "")).lower()
    if kind == "url":
        return _OPEN_URL if "{{" in str(button.get("url", "")) else _FIXED_URL
    return _RULES.get(kind)
