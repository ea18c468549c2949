"""A vCard as a client sends it, read into WhatsApp's contact object."""

import re
from typing import Any

from gosend.lib import phone

_FOLD = re.compile(r"\r?\n[ \t]")
_TYPE = re.compile(r"TYPE=([A-Za-z]+)", re.IGNORECASE)
_WAID = re.compile(r"WAID=([0-9]+)", re.IGNORECASE)
_ESCAPED = re.compile(r"\\(.)")
_SPLIT = re.compile(r"(?<!\\);")
_NAME_PARTS = ("last_name", "first_name", "middle_name", "prefix", "suffix")
_ADDRESS_PARTS = {2: "street", 3: "city", 4: "state", 5: "zip", 6: "country"}


def card(*, name: str, number: str) -> dict[str, Any]:
    """The card of `{name, phone}`; a number that may be on WhatsApp can be written to from the card."""
    first, _, last = name.partition(" ")
    names = {"formatted_name": name, "first_name": first, **({"last_name": last} if last else {})}
    return {"name": names, "phones": [_phone(number, "CELL", "")]}


def read(text: str) -> list[dict[str, Any]]:
    """Read every card of a text; one without a name or FN has an empty name, which is refused later."""
    cards: list[dict[str, Any]] = []
    for line in _FOLD.sub("", text).splitlines():
        head, _, value = line.partition(":")
        name, _, parameters = head.partition(";")
        name = name.rpartition(".")[2].strip().upper()
        if name == "BEGIN" and value.strip().upper() == "VCARD":
            cards.append({})
        elif cards and value.strip():
            _take(cards[-1], name, parameters, value.strip())
    return [_finished(one) for one in cards]


def _take(card: dict[str, Any], name: str, parameters: str, value: str) -> None:
    kind = _TYPE.search(parameters)
    typed = {"type": kind[1].upper()} if kind else {}
    parts = [_plain(part) for part in _SPLIT.split(value)]
    match name:
        case "FN":
            card.setdefault("name", {})["formatted_name"] = _plain(value)
        case "N":
            pairs = zip(_NAME_PARTS, parts, strict=False)
            card.setdefault("name", {}).update({key: part for key, part in pairs if part})
        case "TEL":
            waid = _WAID.search(parameters)
            number = _plain(value).removeprefix("tel:")
            card.setdefault("phones", []).append(
                _phone(number, typed.get("type", ""), waid[1] if waid else "")
            )
        case "EMAIL":
            card.setdefault("emails", []).append({"email": _plain(value), **typed})
        case "URL":
            card.setdefault("urls", []).append({"url": _plain(value), **typed})
        case "ADR":
            found = {key: parts[at] for at, key in _ADDRESS_PARTS.items() if at < len(parts) and parts[at]}
            card.setdefault("addresses", []).append({**found, **typed})
        case _:
            _take_rest(card, name, parts)


def _take_rest(card: dict[str, Any], name: str, parts: list[str]) -> None:
    match name:
        case "ORG":
            organization = card.setdefault("org", {})
            organization["company"] = parts[0]
            if len(parts) > 1 and parts[1]:
                organization["department"] = parts[1]
        case "TITLE":
            card.setdefault("org", {})["title"] = parts[0]
        case "BDAY" if len(digits := parts[0].replace("-", "")[:8]) == 8:
            card["birthday"] = f"{digits[:4]}-{digits[4:6]}-{digits[6:]}"


def _phone(number: str, kind: str, waid: str) -> dict[str, str]:
    digits = waid or re.sub(r"[^0-9]", "", number)
    written = {"phone": number}
    if kind:
        written["type"] = kind
    if phone.is_e164_digits(digits) and (waid or number.strip().startswith("+") or digits == number):
        written["wa_id"] = digits
    return written


def _finished(card: dict[str, Any]) -> dict[str, Any]:
    """Meta wants formatted_name and one more part of the name."""
    names = card.setdefault("name", {})
    parts = [names[key] for key in ("prefix", "first_name", "middle_name", "last_name") if key in names]
    names.setdefault("formatted_name", " ".join(parts))
    if not parts and names["formatted_name"]:
        names["first_name"] = names["formatted_name"]
    return card


def _plain(value: str) -> str:
    return _ESCAPED.sub(lambda found: "\n" if found[1] in "nN" else found[1], value).strip()
