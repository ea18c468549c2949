"""Answers for a business account's templates, and reviews them: the name decides what happens.

| Name holds | What happens |
|---|---|
| nothing of these | approved after 2 s |
| `_reject` | rejected after 2 s, as INVALID_FORMAT |
| `_pause` | approved after 2 s, paused 2 s later |
| `_pending` | never reviewed |
| `_lost` | taken, but the connection dies before the answer; approved after 2 s |

`TABLE` holds the same, for the documentation to be made from.
"""

import base64
import binascii
import time
from typing import Any

from gosend.sandbox.callbacks import Callback
from gosend.sandbox.refusals import Refusal
from gosend.sandbox.shelf import Held, Shelf
from gosend.whatsapp import template_rules, template_texts

TABLE = {
    "": "approved after 2 s",
    "_reject": "rejected after 2 s, as INVALID_FORMAT",
    "_pause": "approved after 2 s, paused 2 s later",
    "_pending": "never reviewed",
    "_lost": "taken, but the connection dies before the answer; approved after 2 s",
}
REVIEW_SECONDS = 2.0
PAUSE_SECONDS = 4.0
REASON = "INVALID_FORMAT"
DEFAULT_PER_PAGE, MAX_PER_PAGE = 25, 100

_EXISTS, _GONE, _TOO_DENSE = 2388024, 2593002, 2388293
_FILTERS = ("name", "language", "category", "status")


def status_of(held: Held, *, now: float) -> str:
    """What the review has come to."""
    age = now - held.created_at
    if "_pending" in held.name or age < REVIEW_SECONDS:
        return "PENDING"
    if "_reject" in held.name:
        return "REJECTED"
    return "PAUSED" if "_pause" in held.name and age >= PAUSE_SECONDS else "APPROVED"


def create(body: dict[str, Any], *, shelf: Shelf, waba_id: str) -> tuple[Held, tuple[Callback, ...]]:
    """Take a template for review; what the review will say comes with it."""
    for violation in template_rules.check(body):
        raise Refusal(100, f"{violation.path} {violation.message}")
    _refuse_dense(body)
    held = Held(
        name=body["name"],
        language=body["language"],
        category=template_rules.category_of(body),
        parameter_format="NAMED" if template_rules.is_named(body) else "POSITIONAL",
        components=body.get("components") or [],
    )
    if not shelf.put(held):
        raise Refusal(
            100, f"there is already {held.language} content for the template {held.name}", subcode=_EXISTS
        )
    return held, _reviews(held, waba_id)


def is_cut_off(held: Held) -> bool:
    return "_lost" in held.name


def listed(query: dict[str, str], *, shelf: Shelf, link: str) -> dict[str, Any]:
    """One page, oldest first. A cursor whose template is gone has expired, as at Meta."""
    now = time.time()
    rows = [_as_graph(held, now=now) for held in shelf.all()]
    start = _place_after(query.get("after", ""), rows)
    wanted = [
        row for row in rows[start:] if all(row[key] == query[key] for key in _FILTERS if query.get(key))
    ]
    limit = _limit(query.get("limit", ""))
    page = wanted[:limit]
    answer: dict[str, Any] = {"data": [_only(row, query.get("fields", "")) for row in page]}
    if page:
        before, after = _cursor(page[0]["id"]), _cursor(page[-1]["id"])
        answer["paging"] = {"cursors": {"before": before, "after": after}}
        if len(wanted) > limit:
            answer["paging"]["next"] = f"{link}?after={after}"
    return answer


def delete(query: dict[str, str], *, shelf: Shelf) -> None:
    """Delete one template by `hsm_id`, or all languages of a name."""
    name, template_id = query.get("name", ""), query.get("hsm_id", "")
    if not name:
        raise Refusal(100, "name is required")
    found = [held for held in shelf.all() if held.name == name and template_id in ("", held.template_id)]
    if not found:
        raise Refusal(100, "no such template", subcode=_GONE)
    for held in found:
        shelf.remove(held)


def status_update(held: Held, *, waba_id: str, event: str, reason: str = "NONE") -> dict[str, Any]:
    """The payload that tells of a review. Meta spells the language with a hyphen here."""
    value = {
        "event": event,
        "message_template_id": int(held.template_id),
        "message_template_name": held.name,
        "message_template_language": held.language.replace("_", "-"),
        "message_template_category": held.category,
        "reason": reason,
    }
    change = {"field": "message_template_status_update", "value": value}
    entry = {"id": waba_id, "time": int(time.time()), "changes": [change]}
    return {"object": "whatsapp_business_account", "entry": [entry]}


def _reviews(held: Held, waba_id: str) -> tuple[Callback, ...]:
    if "_pending" in held.name:
        return ()
    if "_reject" in held.name:
        told = status_update(held, waba_id=waba_id, event="REJECTED", reason=REASON)
        return (Callback(REVIEW_SECONDS, told),)
    approved = Callback(REVIEW_SECONDS, status_update(held, waba_id=waba_id, event="APPROVED"))
    if "_pause" not in held.name:
        return (approved,)
    return approved, Callback(PAUSE_SECONDS, status_update(held, waba_id=waba_id, event="PAUSED"))


def _refuse_dense(body: dict[str, Any]) -> None:
    """Refuse a body with more variables than words: a judgement of Meta's that our rules leave to it."""
    for piece in body.get("components") or []:
        text = piece.get("text") if template_texts.kind_of(piece) == "BODY" else None
        names = template_texts.variables(text) if isinstance(text, str) else []
        if names and len(str(text).split()) < 2 * len(names):
            raise Refusal(
                100, "the template has too many variables for the length of its text", subcode=_TOO_DENSE
            )


def _as_graph(held: Held, *, now: float) -> dict[str, Any]:
    status = status_of(held, now=now)
    return {
        "id": held.template_id,
        "name": held.name,
        "language": held.language,
        "category": held.category,
        "status": status,
        "components": held.components,
        "parameter_format": held.parameter_format,
        "rejected_reason": REASON if status == "REJECTED" else "NONE",
        "quality_score": {"score": "UNKNOWN"},
    }


def _only(row: dict[str, Any], fields: str) -> dict[str, Any]:
    asked = [name.strip() for name in fields.split(",") if name.strip()] or list(row)[:6]
    for name in asked:
        if name not in row:
            raise Refusal(100, f"no such field of a template: {name[:50]}")
    return {name: row[name] for name in dict.fromkeys([*asked, "id"])}


def _place_after(cursor: str, rows: list[dict[str, Any]]) -> int:
    if not cursor:
        return 0
    try:
        last = base64.urlsafe_b64decode(cursor.encode()).decode()
    except (binascii.Error, ValueError):
        last = ""
    for index, row in enumerate(rows):
        if row["id"] == last:
            return index + 1
    raise Refusal(131059, "the cursor has expired; start again without one")


def _cursor(template_id: str) -> str:
    return base64.urlsafe_b64encode(template_id.encode()).decode()


def _limit(text: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 6:
        return DEFAULT_PER_PAGE
    return min(max(int(text), 1), MAX_PER_PAGE)
