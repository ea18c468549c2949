"""Magic numbers: the recipient decides what happens.

The last four digits of the recipient count, with any country code; of a business-scoped user id too.

| Ends in | What happens |
|---|---|
| anything else | accepted, then sent (0.2 s), delivered (1 s), read (3 s) |
| 0001 | accepted, then failed 131026: undeliverable |
| 0002 | accepted, then failed 131047: the 24-hour window is closed |
| 0003 | accepted, then failed 131049: Meta chose not to deliver |
| 0004 | accepted, then failed 131050: the customer stopped marketing messages |
| 0005 | refused once with HTTP 400 and 130429 (again after ten minutes), then as usual |
| 0006 | accepted, but the connection dies before the answer; the statuses come as usual |
| 0007 | sent, delivered, and 2 s later the customer answers |
| 0008 | read, then delivered, then sent, each of them twice |
| 0009 | as usual, but the answer says that the account has used 90 % of its calls, so we slow down |

`TABLE` holds the same, for the documentation to be made from.
"""

import time
from dataclasses import dataclass
from typing import Any

from gosend.sandbox import callbacks
from gosend.sandbox.callbacks import Callback, Person
from gosend.sandbox.world import Line

REPLY_TEXT = "Thanks, got it! (a pretend customer)"


@dataclass(frozen=True, slots=True)
class Step:
    """A status: when it arrives, and when it says it happened (seconds after the request)."""

    status: str
    arrives: float
    happens: float


@dataclass(frozen=True, slots=True)
class Failure:
    """Why the message is reported as failed."""

    code: int
    title: str
    details: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What becomes of a message to a recipient that ends in `suffix`."""

    suffix: str
    effect: str
    steps: tuple[Step, ...]
    failure: Failure | None = None
    is_throttled_once: bool = False
    is_cut_off: bool = False
    reply_after_seconds: float | None = None
    used_percent: int = 0


SENT, DELIVERED, READ = Step("sent", 0.2, 0.2), Step("delivered", 1, 1), Step("read", 3, 3)
FAILED = Step("failed", 0.2, 0.2)
# All of it has happened at once; only the news of it takes its time.
DISORDER = tuple(
    Step(status, arrives, 0)
    for status, arrives in (("read", 0.2), ("delivered", 1.0), ("sent", 3.0))
    for _ in range(2)
)

USUAL = Outcome(suffix="", effect="accepted, sent, delivered, read", steps=(SENT, DELIVERED, READ))
TABLE = (
    Outcome(
        suffix="0001",
        effect="failed 131026: undeliverable",
        steps=(FAILED,),
        failure=Failure(131026, "Message undeliverable", "The number is not on WhatsApp (sandbox)."),
    ),
    Outcome(
        suffix="0002",
        effect="failed 131047: the 24-hour window is closed",
        steps=(FAILED,),
        failure=Failure(
            131047, "Re-engagement message", "The customer last wrote over 24 hours ago (sandbox)."
        ),
    ),
    Outcome(
        suffix="0003",
        effect="failed 131049: Meta chose not to deliver",
        steps=(FAILED,),
        failure=Failure(131049, "Not delivered", "Kept back for a healthy ecosystem (sandbox)."),
    ),
    Outcome(
        suffix="0004",
        effect="failed 131050: the customer stopped marketing messages",
        steps=(FAILED,),
        failure=Failure(131050, "Marketing stopped", "The customer wants no marketing messages (sandbox)."),
    ),
    Outcome(
        suffix="0005",
        effect="refused once with HTTP 400 and 130429, then as usual",
        steps=USUAL.steps,
        is_throttled_once=True,
    ),
    Outcome(
        suffix="0006",
        effect="accepted, but the connection dies before the answer; the statuses come as usual",
        steps=USUAL.steps,
        is_cut_off=True,
    ),
    Outcome(
        suffix="0007",
        effect="sent, delivered, and 2 s later the customer answers",
        steps=(SENT, DELIVERED),
        reply_after_seconds=3,
    ),
    Outcome(
        suffix="0008",
        effect="read, then delivered, then sent, each of them twice",
        steps=DISORDER,
    ),
    Outcome(
        suffix="0009",
        effect="as usual, but the answer says that the account has used 90 % of its calls, so we slow down",
        steps=USUAL.steps,
        used_percent=90,
    ),
)
_BY_SUFFIX = {outcome.suffix: outcome for outcome in TABLE}

# Meta reports no more than this about a reaction.
_REACTION_STEPS = frozenset({"sent", "failed"})
_FREE = {"billable": False, "pricing_model": "PMP", "type": "free_customer_service", "category": "service"}
_PAID = {"billable": True, "pricing_model": "PMP", "type": "regular", "category": "utility"}


def of(recipient: str) -> Outcome:
    """Look up what happens to a message to these digits, or to this user id."""
    return _BY_SUFFIX.get(recipient[-4:], USUAL)


def reports(
    outcome: Outcome, *, line: Line, to: Person, wamid: str, message_type: str, opaque: str | None
) -> tuple[Callback, ...]:
    """Everything Meta would tell us later about an accepted message."""
    now = time.time()
    pricing = _PAID if message_type == "template" else _FREE
    told = [
        Callback(
            step.arrives,
            callbacks.status(
                line=line,
                to=to,
                wamid=wamid,
                status=step.status,
                timestamp=now + step.happens,
                opaque=opaque,
                pricing=pricing if step.status in {"sent", "delivered"} else None,
                error=_error(outcome.failure) if outcome.failure else None,
            ),
        )
        for step in outcome.steps
        if message_type != "reaction" or step.status in _REACTION_STEPS
    ]
    if outcome.reply_after_seconds is not None:
        told.append(_reply(outcome.reply_after_seconds, line=line, sender=to, wamid=wamid, now=now))
    return tuple(told)


def _reply(after: float, *, line: Line, sender: Person, wamid: str, now: float) -> Callback:
    payload = callbacks.inbound_message(
        line=line,
        sender=sender,
        type="text",
        content={"body": REPLY_TEXT},
        context_wamid=wamid,
        timestamp=now + after,
    )
    return Callback(after, payload)


def _error(failure: Failure) -> dict[str, Any]:
    return {
        "code": failure.code,
        "title": failure.title,
        "message": failure.title,
        "error_data": {"details": failure.details},
        "href": "https://developers.facebook.com/docs/whatsapp/cloud-api/support/error-codes/",
    }
