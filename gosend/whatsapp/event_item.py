"""What every piece of a callback has, and how its texts are read."""

from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One piece of a callback; `raw` is the piece as it came, an odd one under the key `value`."""

    waba_id: str
    field: str
    raw: Json


@dataclass(frozen=True, slots=True, kw_only=True)
class Unrecognised(Item):
    """Kept, not understood; `reason` says why."""

    reason: str


def unrecognised(waba_id: str, field: str, raw: object, reason: str) -> Unrecognised:
    kept = raw if isinstance(raw, dict) else {"value": raw}
    return Unrecognised(waba_id=waba_id, field=field, raw=kept, reason=reason)


def text_of(value: object) -> str:
    """Ids come as strings and as integers; anything else counts as absent."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value) if abs(value) < 10**40 else ""
    return value if isinstance(value, str) else ""
