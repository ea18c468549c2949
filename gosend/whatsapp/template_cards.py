"""The headers of templates, and the cards of a carousel."""

from collections.abc import Iterator

from gosend.whatsapp import template_buttons
from gosend.whatsapp import template_texts as texts
from gosend.whatsapp.template_texts import Json, Text
from gosend.whatsapp.violations import Violation, shown

MAX_HEADER_CHARACTERS = 60
MAX_CARD_BODY_CHARACTERS = 160
MIN_CARDS, MAX_CARDS = 2, 10
MAX_CARD_BUTTONS = 2
MEDIA_FORMATS = ("IMAGE", "VIDEO", "GIF", "DOCUMENT")
FORMATS = ("TEXT", *MEDIA_FORMATS, "LOCATION", "PRODUCT")
CARD_FORMATS = ("IMAGE", "VIDEO", "PRODUCT")
_CARD_PARTS = ("HEADER", "BODY", "BUTTONS")


def header(piece: Json, path: str, *, named: bool, formats: tuple[str, ...] = FORMATS) -> Iterator[Violation]:
    kind = format_of(piece)
    if not kind:
        yield Violation(f"{path}.format", "is required", missing=True)
    elif kind not in formats:
        yield Violation(
            f"{path}.format", f"must be one of {', '.join(formats)}", limit=list(formats), value=shown(kind)
        )
    elif kind == "TEXT":
        rule = Text(
            limit=MAX_HEADER_CHARACTERS, examples="header_text", max_variables=1, named=named, one_line=True
        )
        yield from texts.check(piece, path, rule)
    elif kind in MEDIA_FORMATS:
        yield from _sample(piece, path)


def carousel(piece: Json, path: str, *, named: bool) -> Iterator[Violation]:
    cards = piece.get("cards")
    path = f"{path}.cards"
    if not isinstance(cards, list) or not MIN_CARDS <= len(cards) <= MAX_CARDS:
        yield Violation(
            path,
            f"must have {MIN_CARDS} to {MAX_CARDS} cards",
            limit=[MIN_CARDS, MAX_CARDS],
            value=len(cards) if isinstance(cards, list) else shown(cards),
            missing=cards is None,
        )
        return
    shapes = []
    for index, card in enumerate(cards):
        yield from _card(card, f"{path}[{index}]", named=named)
        shapes.append(_shape(card))
    for index, shape in enumerate(shapes):
        if shape != shapes[0]:
            yield Violation(
                f"{path}[{index}]", "must have the same parts as the first card", value=" ".join(shape)
            )


def format_of(piece: Json) -> str:
    kind = piece.get("format")
    return kind.upper() if isinstance(kind, str) else ""


def _sample(piece: Json, path: str) -> Iterator[Violation]:
    """Meta wants to see a file of the kind, uploaded before."""
    example = piece.get("example")
    handles = example.get("header_handle") if isinstance(example, dict) else None
    path = f"{path}.example.header_handle"
    if handles is None:
        yield Violation(path, "is required: the handle of an uploaded sample", missing=True)
    elif not isinstance(handles, list) or not handles or not all(isinstance(h, str) and h for h in handles):
        yield Violation(path, "must be a list with one handle", limit=1, value=shown(handles))


def _card(card: object, path: str, *, named: bool) -> Iterator[Violation]:
    pieces = card.get("components") if isinstance(card, dict) else None
    if not isinstance(pieces, list):
        yield Violation(f"{path}.components", "is required", missing=pieces is None, value=shown(pieces))
        return
    kinds = [texts.kind_of(piece) for piece in pieces]
    if "HEADER" not in kinds:
        yield Violation(f"{path}.components", "must hold a HEADER", missing=True)
    for index, (kind, piece) in enumerate(zip(kinds, pieces, strict=True)):
        here = f"{path}.components[{index}]"
        if kind not in _CARD_PARTS:
            yield Violation(
                f"{here}.type",
                f"must be one of {', '.join(_CARD_PARTS)}",
                limit=list(_CARD_PARTS),
                value=kind,
            )
        elif kinds.index(kind) != index:
            yield Violation(f"{here}.type", "may be there only once", limit=1, value=kind)
        else:
            yield from _card_part(kind, piece, here, named=named)


def _card_part(kind: str, piece: Json, path: str, *, named: bool) -> Iterator[Violation]:
    if kind == "HEADER":
        yield from header(piece, path, named=named, formats=CARD_FORMATS)
    elif kind == "BODY":
        rule = Text(limit=MAX_CARD_BODY_CHARACTERS, examples="body_text", named=named, keeps_edges=True)
        yield from texts.check(piece, path, rule)
    else:
        yield from template_buttons.check(piece, path, most=MAX_CARD_BUTTONS)


def _shape(card: object) -> list[str]:
    """What every card of one carousel must have in common: its parts and the kinds of its buttons."""
    pieces = card.get("components") if isinstance(card, dict) else None
    shape = []
    for piece in pieces if isinstance(pieces, list) else []:
        kind = texts.kind_of(piece)
        if kind == "HEADER":
            kind = f"HEADER:{format_of(piece)}"
        elif kind == "BUTTONS":
            buttons = piece.get("buttons")
            kinds = [texts.kind_of(button) for button in buttons] if isinstance(buttons, list) else []
            kind = f"BUTTONS:{','.join(kinds)}"
        shape.append(kind)
    return sorted(shape)
