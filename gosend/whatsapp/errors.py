"""Graph error codes: throttled, worth another try, final."""

import json
from typing import Any, NamedTuple

from gosend.lib import http, storable
from gosend.whatsapp.error_rules import MESSAGES, Outcome, Rule
from gosend.whatsapp.error_rules_management import MANAGEMENT, TOKEN
from gosend.whatsapp.wire import GraphResponse

__all__ = [
    "RULES",
    "NO_USAGE",
    "GraphError",
    "Outcome",
    "Rule",
    "Usage",
    "explain",
    "from_failed",
    "from_response",
    "from_status",
    "object_in",
    "usage_of",
]

RULES: dict[int, Rule] = {**MESSAGES, **MANAGEMENT}

# Codes that Meta documents with HTTP 500; elsewhere a 5xx says that it may have acted.
_FINAL_THOUGH_500 = frozenset({3, 131045, 133000, 134102})
_TOKEN_CODES = frozenset({0, 190})
_PARAMETER_CODE = 100
_SECONDS_IN_MINUTE = 60.0

_UNLISTED = Rule(None, "Refused by Meta", Outcome.FINAL, "Correct what the details name, then send again.")
_THROTTLED = Rule(None, "Too many requests", Outcome.NOT_SENT, "It is tried again later.", False, 5)
_UNREADABLE = Rule(
    None,
    "Unreadable answer from Meta",
    Outcome.UNKNOWN,
    "Meta may have taken it all the same: wait for its report before you repeat it.",
)
_NOT_REACHED = Rule(None, "Meta not reached", Outcome.NOT_SENT, "It did not go out; it is tried again.")
_NO_ANSWER = Rule(
    None,
    "No answer from Meta",
    Outcome.UNKNOWN,
    "Meta may have taken it all the same: wait for its report before you repeat it.",
)
# What no second try can mend: the request itself cannot be written.
_NEVER = frozenset({"bad_url", "bad_header"})
_CANNOT_ASK = Rule(
    None,
    "The request to Meta cannot be written",
    Outcome.FINAL,
    "Check the account's access token and META_GRAPH_URL: one of them holds a character that cannot be sent.",
    needs_operator=True,
)


class GraphError(Exception):
    """Meta did not do what was asked, or did not say so; `outcome` tells which.

    What is read from an answer holds nothing that a database cannot keep: its verdict must not be lost for
    a NUL in its words.
    """

    def __init__(
        self,
        rule: Rule,
        *,
        code: int | None = None,
        subcode: int | None = None,
        title: str = "",
        message: str = "",
        details: str = "",
        fbtrace_id: str = "",
        http_status: int | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message or rule.title)
        self.outcome = rule.outcome
        self.cure = rule.cure
        self.needs_operator = rule.needs_operator
        self.retry_after = rule.backoff_seconds if retry_after is None else retry_after
        self.code = code
        self.subcode = subcode
        self.title = title or rule.title
        self.message = message or rule.title
        self.details = details
        self.fbtrace_id = fbtrace_id
        self.http_status = http_status

    def as_dict(self) -> dict[str, Any]:
        """The error as it is stored with a message and told to its tenant."""
        return {
            "code": self.code,
            "title": self.title,
            "message": self.message,
            "details": self.details,
            "fbtrace_id": self.fbtrace_id,
            "cure": self.cure,
        }


def explain(*, code: int | None, subcode: int | None = None) -> Rule:
    """Return the rule of a code; a code that is not in the table is a refusal for good."""
    if code in _TOKEN_CODES and subcode in TOKEN:
        return TOKEN[subcode]
    if code == _PARAMETER_CODE and subcode in MANAGEMENT:
        return MANAGEMENT[subcode]
    return _UNLISTED if code is None else RULES.get(code, _UNLISTED)


def from_response(response: GraphResponse) -> GraphError:
    """Read an answer that is not the success it should be."""
    error = _error_object(response.body)
    code, subcode = _integer(error.get("code")), _integer(error.get("error_subcode"))
    rule = _rule_of(response.status, code, subcode)
    return GraphError(
        rule,
        code=code,
        subcode=subcode,
        title=_text(error.get("error_user_title")),
        message=_text(error.get("message")) or (f"HTTP {response.status}, unreadable" if not error else ""),
        details=_details(error),
        fbtrace_id=_text(error.get("fbtrace_id")) or _text(response.headers.get("x-fb-trace-id")),
        http_status=response.status,
        retry_after=_retry_after(response, rule),
    )


def from_failed(failed: http.Failed) -> GraphError:
    """Read a request that got no answer at all."""
    rule = _NOT_REACHED if failed.outcome is http.Outcome.NOT_SENT else _NO_ANSWER
    if failed.reason in _NEVER:
        rule = _CANNOT_ASK
    return GraphError(rule, message=f"{rule.title}: {failed.reason}", details=failed.reason)


def from_status(errors_item: object) -> dict[str, Any]:
    """Read one item of `errors[]` in a webhook into the shape of `GraphError.as_dict`."""
    item = errors_item if isinstance(errors_item, dict) else {}
    code = _integer(item.get("code"))
    rule = explain(code=code)
    error = GraphError(
        rule,
        code=code,
        title=_text(item.get("title")),
        message=_text(item.get("message")) or _text(item.get("title")),
        details=_details(item),
        fbtrace_id=_text(item.get("fbtrace_id")),
    )
    return error.as_dict()


def _rule_of(status: int, code: int | None, subcode: int | None) -> Rule:
    if code is None:
        return _rule_of_status(status)
    rule = explain(code=code, subcode=subcode)
    if status >= 500 and rule.outcome is Outcome.FINAL and code not in _FINAL_THOUGH_500:
        return _UNREADABLE
    return _THROTTLED if rule is _UNLISTED and status == 429 else rule


def _rule_of_status(status: int) -> Rule:
    """Without an error in Graph's form, most likely something before Meta answered."""
    if status == 429:
        return _THROTTLED
    return _UNLISTED if 400 <= status < 500 and status != 408 else _UNREADABLE


def _retry_after(response: GraphResponse, rule: Rule) -> float | None:
    """Seconds to wait: the longest of what the headers and the table say; None when it is no throttle."""
    if rule.outcome is not Outcome.NOT_SENT:
        return None
    told = _seconds(response.headers.get("retry-after", ""))
    return max(rule.backoff_seconds or 0.0, told, usage_of(response).regain_seconds)


class Usage(NamedTuple):
    """What an account has used of the calls that Meta grants it, in percent; when it gets them back."""

    percent: float = 0.0
    regain_seconds: float = 0.0


NO_USAGE = Usage()


def usage_of(response: GraphResponse) -> Usage:
    """Read `X-Business-Use-Case-Usage`, the highest of each figure; nothing where Meta does not say.

    `{"<id>": [{"call_count": percent, "total_time": …, "estimated_time_to_regain_access": minutes}]}`.
    """
    header = response.headers.get("x-business-use-case-usage")
    if not header:
        return NO_USAGE
    found = [use for uses in object_in(header).values() if isinstance(uses, list) for use in uses]
    uses = [use for use in found if isinstance(use, dict)]
    percent = max((_seconds(use.get(name)) for use in uses for name in _SHARES), default=0.0)
    regain = max((_seconds(use.get("estimated_time_to_regain_access")) for use in uses), default=0.0)
    return Usage(percent, regain * _SECONDS_IN_MINUTE)


_SHARES = ("call_count", "total_cputime", "total_time")


def _error_object(body: bytes) -> dict[str, Any]:
    error = object_in(body).get("error")
    return error if isinstance(error, dict) else {}


def object_in(text: str | bytes) -> dict[str, Any]:
    """The JSON object in an answer; empty when it is none. One bad byte is no reason to lose the rest."""
    try:
        value = json.loads(text.decode(errors="replace") if isinstance(text, bytes) else text)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _details(error: dict[str, Any]) -> str:
    data = error.get("error_data")
    if isinstance(data, dict):
        data = data.get("details")
    return _text(data) or _text(error.get("error_user_msg"))


def _text(value: object) -> str:
    return storable.text(value) if isinstance(value, str) else ""


def _integer(value: object) -> int | None:
    """Codes are numbers, now and then written as strings; what no database would keep is none."""
    if isinstance(value, bool):
        return None
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 12:
        return int(value)
    return value if isinstance(value, int) and storable.fits(value) else None


def _seconds(value: object) -> float:
    """A duration in a header, 0 when it is not one; never more than a day."""
    try:
        number = float(value) if isinstance(value, str | int | float) else 0.0
    except (ValueError, OverflowError):
        return 0.0
    return min(number, 86_400.0) if number > 0 else 0.0
