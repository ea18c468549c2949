"""What Meta asks of a new template, checked before Meta is.

The numbers are those of Meta's documentation of templates ("Template components" and the pages of the
single kinds). Where Meta judges without telling the rule (words per variable, content), it is left to it.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from gosend.whatsapp import template_buttons, template_cards
from gosend.whatsapp import template_texts as texts
from gosend.whatsapp.template_texts import Json, Text
from gosend.whatsapp.violations import Violation, shown, unstorable

CATEGORIES = ("AUTHENTICATION", "MARKETING", "UTILITY")
FORMATS = ("POSITIONAL", "NAMED")
MAX_NAME_CHARACTERS = 512
MAX_BODY_CHARACTERS = 1024
# Of a template with a limited-time offer.
MAX_OFFER_BODY_CHARACTERS = 600
MAX_OFFER_CHARACTERS = 16
MAX_FOOTER_CHARACTERS = 60
MAX_CODE_MINUTES = 90
# Seconds that Meta may try to deliver, by category; THIRTY_DAYS stands for the longest.
TTL_SECONDS = {"AUTHENTICATION": (30, 900), "UTILITY": (30, 43_200), "MARKETING": (43_200, 2_592_000)}
THIRTY_DAYS = -1

_NAME = re.compile(rf"[a-z0-9_]{{1,{MAX_NAME_CHARACTERS}}}")
_LANGUAGE = re.compile(r"[a-z]{2,3}(_[A-Z]{2,4})?")
# A component and the path at which it stands.
Found = tuple[Json, str]


def check(definition: Mapping[str, Any]) -> list[Violation]:
    """Return everything that is wrong with the body of a creation; empty when Meta may be asked."""
    odd = list(unstorable(dict(definition), path=""))
    if odd:
        return [Violation(item.path.lstrip("."), item.message, item.limit, item.value) for item in odd]
    return [*_head(definition), *_components(definition)]


def is_named(definition: Mapping[str, Any]) -> bool:
    return str(definition.get("parameter_format") or "").upper() == "NAMED"


def _head(definition: Mapping[str, Any]) -> Iterator[Violation]:
    yield from _matching(
        definition,
        "name",
        _NAME,
        f"must be 1 to {MAX_NAME_CHARACTERS} lower-case letters, digits and underscores",
    )
    yield from _matching(definition, "language", _LANGUAGE, "must be a code such as en or en_US")
    yield from _one_of(definition, "category", CATEGORIES)
    if definition.get("parameter_format") is not None:
        yield from _one_of(definition, "parameter_format", FORMATS)
    yield from _ttl(definition)


def _matching(
    definition: Mapping[str, Any], field: str, pattern: re.Pattern[str], message: str
) -> Iterator[Violation]:
    value = definition.get(field)
    if value is None:
        yield Violation(field, "is required", missing=True)
    elif not isinstance(value, str) or not pattern.fullmatch(value):
        yield Violation(field, message, limit=pattern.pattern, value=shown(value))


def _one_of(definition: Mapping[str, Any], field: str, allowed: tuple[str, ...]) -> Iterator[Violation]:
    value = definition.get(field)
    if value is None:
        yield Violation(field, "is required", missing=True)
    elif not isinstance(value, str) or value.upper() not in allowed:
        yield Violation(
            field, f"must be one of {', '.join(allowed)}", limit=list(allowed), value=shown(value)
        )


def _ttl(definition: Mapping[str, Any]) -> Iterator[Violation]:
    ttl = definition.get("message_send_ttl_seconds")
    bounds = TTL_SECONDS.get(category_of(definition))
    if ttl is None or bounds is None:
        return
    lowest, highest = bounds
    is_number = isinstance(ttl, int) and not isinstance(ttl, bool)
    if not is_number or not (ttl == THIRTY_DAYS or lowest <= ttl <= highest):
        yield Violation(
            "message_send_ttl_seconds",
            f"must be {lowest} to {highest} seconds for this category, or {THIRTY_DAYS} for 30 days",
            limit=[lowest, highest],
            value=shown(ttl),
        )


def category_of(definition: Mapping[str, Any]) -> str:
    return str(definition.get("category") or "").upper()


def _components(definition: Mapping[str, Any]) -> Iterator[Violation]:
    pieces = definition.get("components")
    if pieces is None:
        # A template out of Meta's library brings its own.
        if not definition.get("library_template_name"):
            yield Violation("components", "is required", missing=True)
        return
    if not isinstance(pieces, list) or not pieces:
        yield Violation("components", "must be an array with at least a BODY", value=shown(pieces))
        return
    found: dict[str, Found] = {}
    for index, piece in enumerate(pieces):
        yield from _collect(found, piece, f"components[{index}]")
    if "BODY" not in found and "CALL_PERMISSION_REQUEST" not in found:
        yield Violation("components", "must hold a BODY", missing=True)
    if category_of(definition) == "AUTHENTICATION":
        yield from _authentication(found)
    else:
        yield from _usual(found, named=is_named(definition))


def _collect(found: dict[str, Found], piece: object, path: str) -> Iterator[Violation]:
    """Put a component under its type; each may be there once."""
    kind = texts.kind_of(piece)
    if not isinstance(piece, dict):
        yield Violation(path, "must be an object", value=shown(piece))
    elif not kind:
        yield Violation(f"{path}.type", "is required", missing=True)
    elif kind not in _TYPES:
        yield Violation(f"{path}.type", "is no type of component", limit=list(_TYPES), value=shown(kind))
    elif kind in found:
        yield Violation(f"{path}.type", "may be there only once", limit=1, value=kind)
    else:
        found[kind] = piece, path


def _authentication(found: Mapping[str, Found]) -> Iterator[Violation]:
    """A template for codes: its words are Meta's, and its one button copies or fills in the code."""
    for kind, (piece, path) in found.items():
        if kind == "BUTTONS":
            yield from template_buttons.check(piece, path, is_authentication=True)
        elif kind in _CODE_CHECKS:
            yield from _CODE_CHECKS[kind](piece, path)
        else:
            yield Violation(f"{path}.type", "is not part of an AUTHENTICATION template", value=kind)
    if "BUTTONS" not in found:
        yield Violation("components", "must hold BUTTONS with one OTP button", missing=True)


def _usual(found: Mapping[str, Found], *, named: bool) -> Iterator[Violation]:
    has_offer = "LIMITED_TIME_OFFER" in found
    for kind, (piece, path) in found.items():
        yield from _component(kind, piece, path, has_offer=has_offer, named=named)


def _component(kind: str, piece: Json, path: str, *, has_offer: bool, named: bool) -> Iterator[Violation]:
    match kind:
        case "HEADER":
            yield from template_cards.header(piece, path, named=named)
        case "BODY":
            yield from _body(piece, path, has_offer, named)
        case "FOOTER":
            yield from _footer(piece, path, has_offer)
        case "BUTTONS":
            yield from template_buttons.check(piece, path, has_offer=has_offer)
        case "CAROUSEL":
            yield from template_cards.carousel(piece, path, named=named)
        case "LIMITED_TIME_OFFER":
            yield from _offer(piece, path)


def _body(piece: Json, path: str, has_offer: bool, named: bool) -> Iterator[Violation]:
    limit = MAX_OFFER_BODY_CHARACTERS if has_offer else MAX_BODY_CHARACTERS
    rule = Text(limit=limit, examples="body_text", named=named, keeps_edges=True)
    yield from texts.check(piece, path, rule)


def _code_body(piece: Json, path: str) -> Iterator[Violation]:
    """Meta writes the text itself."""
    if piece.get("text") is not None:
        yield Violation(
            f"{path}.text", "is Meta's own in an AUTHENTICATION template", value=shown(piece["text"])
        )
    advice = piece.get("add_security_recommendation")
    if advice is not None and not isinstance(advice, bool):
        yield Violation(f"{path}.add_security_recommendation", "must be true or false", value=shown(advice))


def _footer(piece: Json, path: str, has_offer: bool) -> Iterator[Violation]:
    if has_offer:
        yield Violation(f"{path}.type", "cannot stand beside a LIMITED_TIME_OFFER", value="FOOTER")
    yield from texts.check(piece, path, Text(limit=MAX_FOOTER_CHARACTERS, max_variables=0))


def _code_footer(piece: Json, path: str) -> Iterator[Violation]:
    minutes = piece.get("code_expiration_minutes")
    if minutes is None:
        return
    if not isinstance(minutes, int) or isinstance(minutes, bool) or not 1 <= minutes <= MAX_CODE_MINUTES:
        yield Violation(
            f"{path}.code_expiration_minutes",
            f"must be 1 to {MAX_CODE_MINUTES} minutes",
            limit=MAX_CODE_MINUTES,
            value=shown(minutes),
        )


def _offer(piece: Json, path: str) -> Iterator[Violation]:
    offer = piece.get("limited_time_offer")
    path = f"{path}.limited_time_offer"
    if not isinstance(offer, dict):
        yield Violation(path, "is required", missing=offer is None, value=shown(offer))
        return
    yield from texts.check(offer, path, Text(limit=MAX_OFFER_CHARACTERS, max_variables=0))
    expires = offer.get("has_expiration")
    if expires is not None and not isinstance(expires, bool):
        yield Violation(f"{path}.has_expiration", "must be true or false", value=shown(expires))


_TYPES = (
    "BODY",
    "BUTTONS",
    "CALL_PERMISSION_REQUEST",
    "CAROUSEL",
    "FOOTER",
    "HEADER",
    "LIMITED_TIME_OFFER",
)
_CODE_CHECKS: Mapping[str, Callable[[Json, str], Iterator[Violation]]] = {
    "BODY": _code_body,
    "FOOTER": _code_footer,
}
