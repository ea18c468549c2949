"""Every error in one list, ours and Meta's: docs/errors.md and the page are made from it."""

from collections.abc import Iterable
from dataclasses import dataclass

from gosend.api import errors
from gosend.lib import catalog
from gosend.whatsapp import errors as graph

# Worth the very same request once more, later.
_REPEATABLE = frozenset({429, 500, 502, 503, 504})
_OUTCOMES = {
    graph.Outcome.NOT_SENT: "not sent; tried again",
    graph.Outcome.FINAL: "refused for good",
    graph.Outcome.UNKNOWN: "may have been sent; never repeated blindly",
}
_INTRODUCTION = """\
# Errors

Made from `gosend/lib/catalog.py` and `gosend/whatsapp/error_rules*.py` by `manage.py errors`; do not edit.
A running installation serves the same at `/docs/errors`, which is where `doc_url` points.

Every error is one JSON object:

```json
{
  "statusCode": 400,
  "message": "to must be digits only, country code first",
  "error": "Bad Request",
  "code": "INVALID_PHONE_NUMBER",
  "details": {"field": "to"},
  "request_id": "…",
  "doc_url": "…/docs/errors#invalid_phone_number"
}
```

`code` is stable and made to be compared; `message` is for people and may change. `details` is there when
there is more to say. With 429 comes `retry_after_seconds`, the same as the header `Retry-After`. Repeat a
429 and a 5xx after a pause, with the same `Idempotency-Key`; another 4xx only where its cure says so.
"""
_OF_META = """
## Meta's errors

What Meta says is passed on: in `details.meta` of a `META_ERROR`, in `error` of a failed message, and in the
webhook `whatsapp.message.failed`, each with Meta's `code`, `title`, `message`, `details` and `fbtrace_id`,
and with the cure below. Codes that are not listed count as refused for good.

| Code | Title | What became of it | Cure |
|---|---|---|---|
"""


@dataclass(frozen=True, slots=True)
class MetaRow:
    """One of Meta's codes in plain words."""

    anchor: str
    code: int
    title: str
    outcome: str
    cure: str


def of_ours() -> list[catalog.Entry]:
    return list(catalog.CATALOG.values())


def of_meta() -> list[MetaRow]:
    return [
        MetaRow(f"meta-{code}", code, rule.title, _outcome(rule), rule.cure)
        for code, rule in sorted(graph.RULES.items())
    ]


def as_markdown() -> str:
    """Write docs/errors.md."""
    ours = "".join(_section(status, entries) for status, entries in _by_status())
    rows = "".join(
        _row(f'<a id="{row.anchor}"></a>{row.code}', row.title, row.outcome, row.cure) for row in of_meta()
    )
    return _INTRODUCTION + ours + _OF_META + rows


def _section(status: int, entries: Iterable[catalog.Entry]) -> str:
    advice = ": repeat later" if status in _REPEATABLE else ""
    head = f"\n## {status} {errors.phrase(status)}{advice}\n\n| Code | Cause | Cure |\n|---|---|---|\n"
    rows = (
        _row(f'<a id="{entry.code}"></a>`{entry.code.upper()}`', entry.cause, entry.cure) for entry in entries
    )
    return head + "".join(rows)


def _by_status() -> list[tuple[int, list[catalog.Entry]]]:
    statuses = sorted({entry.status for entry in of_ours()})
    return [(status, [entry for entry in of_ours() if entry.status == status]) for status in statuses]


def _outcome(rule: graph.Rule) -> str:
    text = _OUTCOMES[rule.outcome]
    return f"{text}; the operator must act" if rule.needs_operator else text


def _row(*cells: str) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |\n"
