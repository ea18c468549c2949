"""Whether what a send fills in fits the places that our copy of a template has."""

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from gosend.lib.errors import DomainError
from gosend.whatsapp.templates import Component, Parameter
from gosend.whatsapp.templates import Template as Sent
from templates_app import buttons
from templates_app.mismatch import Mismatch
from templates_app.models import Template

# What the components hang on in the message.
_ROOT = "template.components"
_FILES = frozenset({"image", "video", "gif", "document", "location"})
_NOT_IN_TEXT = _FILES | {"payload", "coupon_code", "action", "limited_time_offer", "product"}
_PLACE = re.compile(r"\{\{\s*([^{}\s]+)\s*\}\}")

# A component of the template as Meta returns it.
_Known = dict[str, Any]


class TemplateParamMismatch(DomainError):
    code = "template_param_mismatch"


def require_fit(template: Template, *, sent: Sent) -> None:
    """Compare a send with the template's components; a copy without any is not compared."""
    known = _objects(template.components)
    if not known:
        return
    is_code = template.category == Template.Category.AUTHENTICATION
    found = list(_mismatches(known, sent.components or [], _ROOT, is_code=is_code))
    if not found:
        return
    first = found[0]
    raise TemplateParamMismatch(
        f"The parameters do not fit the template {template.name!r}: '{first.path}' {first.message}",
        details={
            "field": first.path,
            "expected": first.expected,
            "given": first.given,
            "errors": [one.as_dict() for one in found],
        },
    )


def places(text: str) -> list[str]:
    """The names, or numbers, of the places in a text, each once."""
    return list(dict.fromkeys(_PLACE.findall(text)))


def _mismatches(
    known: Sequence[_Known], sent: Sequence[Component], path: str, *, is_code: bool
) -> Iterator[Mismatch]:
    """Compare the components of a template, or of one card."""
    by_type = {str(component.get("type", "")).lower(): component for component in known}
    located = [(f"{path}[{index}]", component) for index, component in enumerate(sent)]
    for kind, compare in _KINDS.items():
        given = [pair for pair in located if pair[1].type.lower() == kind]
        if len(given) > 1:
            yield Mismatch(given[1][0], f"is a second {kind}", expected=1, given=len(given))
            continue
        if given or kind in by_type:
            at, component = given[0] if given else (f"{path}[{kind}]", Component(type=kind))
            yield from compare(by_type.get(kind, {}), component, at, is_code)
    pressed = [pair for pair in located if pair[1].type.lower() == "button"]
    yield from buttons.mismatches(_objects(by_type.get("buttons", {}).get("buttons")), pressed, path)


def _header(known: _Known, component: Component, at: str, is_code: bool) -> Iterator[Mismatch]:
    kind = str(known.get("format") or "text").lower()
    if kind in _FILES:
        yield from _exactly(kind, component.parameters or [], at)
    elif kind == "text":
        yield from _texts(_text(known) or "", component.parameters or [], at)


def _body(known: _Known, component: Component, at: str, is_code: bool) -> Iterator[Mismatch]:
    text = _text(known)
    if text is None and known:
        # Meta writes the text of a code itself; of any other we then know nothing.
        text = "{{1}}" if is_code else None
    if text is not None or not known:
        yield from _texts(text or "", component.parameters or [], at)


def _texts(text: str, parameters: Sequence[Parameter], at: str) -> Iterator[Mismatch]:
    wanted = places(text)
    if any(not name.isdigit() for name in wanted):
        names = [parameter.parameter_name or "" for parameter in parameters]
        if sorted(names) != sorted(wanted):
            yield Mismatch(
                f"{at}.parameters", "must name each place by parameter_name", expected=wanted, given=names
            )
    elif len(parameters) != len(wanted):
        yield Mismatch(
            f"{at}.parameters",
            "must be as many as the template has places",
            expected=len(wanted),
            given=len(parameters),
        )
    else:
        yield from _unnamed(parameters, at)
    for index, parameter in enumerate(parameters):
        if parameter.type.lower() in _NOT_IN_TEXT:
            yield Mismatch(
                f"{at}.parameters[{index}].type",
                "does not belong in a text",
                expected=["text", "currency", "date_time"],
                given=parameter.type,
            )


def _unnamed(parameters: Sequence[Parameter], at: str) -> Iterator[Mismatch]:
    for index, parameter in enumerate(parameters):
        if parameter.parameter_name is not None:
            yield Mismatch(
                f"{at}.parameters[{index}].parameter_name",
                "is not possible: the template's places are numbered",
                expected=None,
                given=parameter.parameter_name,
            )


def _offer(known: _Known, component: Component, at: str, is_code: bool) -> Iterator[Mismatch]:
    offer = known.get("limited_time_offer")
    if not known:
        yield Mismatch(at, "is not part of the template", expected=None, given="limited_time_offer")
    elif isinstance(offer, dict) and offer.get("has_expiration") is True:
        yield from _exactly("limited_time_offer", component.parameters or [], at)


def _carousel(known: _Known, component: Component, at: str, is_code: bool) -> Iterator[Mismatch]:
    cards = component.cards or []
    wanted = _objects(known.get("cards"))
    if len(cards) != len(wanted):
        yield Mismatch(
            f"{at}.cards",
            "must be as many as the template has cards",
            expected=len(wanted),
            given=len(cards),
        )
        return
    for position, card in enumerate(cards):
        index = position if card.card_index is None else card.card_index
        if not 0 <= index < len(wanted):
            yield Mismatch(
                f"{at}.cards[{position}].card_index",
                "is not a card of the template",
                expected=list(range(len(wanted))),
                given=index,
            )
            continue
        inner = _objects(wanted[index].get("components"))
        path = f"{at}.cards[{position}].components"
        yield from _mismatches(inner, card.components or [], path, is_code=is_code)


def _exactly(kind: str, parameters: Sequence[Parameter], at: str) -> Iterator[Mismatch]:
    given = [parameter.type.lower() for parameter in parameters]
    if given != [kind]:
        yield Mismatch(
            f"{at}.parameters", f"must be one parameter of type {kind}", expected=[kind], given=given
        )


def _text(known: _Known) -> str | None:
    text = known.get("text")
    return text if isinstance(text, str) else None


def _objects(value: object) -> list[_Known]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


_KINDS: dict[str, Callable[[_Known, Component, str, bool], Iterator[Mismatch]]] = {
    "header": _header,
    "body": _body,
    "limited_time_offer": _offer,
    "carousel": _carousel,
}
