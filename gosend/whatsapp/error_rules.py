"""The closed table of Graph error codes: what became of the request, and what to do.

Meta documents the codes at developers.facebook.com/docs/whatsapp/cloud-api/support/error-codes; the
class follows from whether Meta can have acted on the request. Codes of managing things other than
messages are in `error_rules_management`.
"""

from dataclasses import dataclass
from enum import Enum


class Outcome(Enum):
    """What became of a request that Graph did not confirm."""

    NOT_SENT = "not_sent"  # refused before it was looked at: the same request may be sent again
    FINAL = "final"  # refused for good
    UNKNOWN = "unknown"  # Meta may have acted on it


@dataclass(frozen=True, slots=True)
class Rule:
    """One row: `backoff_seconds` is how long to leave Meta alone before the same request."""

    code: int | None
    title: str
    outcome: Outcome
    cure: str
    needs_operator: bool = False
    backoff_seconds: float | None = None


Rows = dict[int, tuple[str, str]]

_MINUTE = 60
_HOUR = 3600

# Code -> title, cure, seconds to wait.
_NOT_SENT: dict[int, tuple[str, str, float]] = {
    4: ("App call limit", "Meta limits this app's calls for a while; it is tried again later.", _MINUTE),
    613: ("Call limit", "Too many calls of this kind; it is tried again later.", _MINUTE),
    80007: (
        "Account call limit",
        "The WhatsApp account has used up its calls for this hour; it is tried again later.",
        5 * _MINUTE,
    ),
    130429: (
        "Number's throughput reached",
        "The number sends faster than Meta allows; it is tried again in seconds.",
        1,
    ),
    131048: (
        "Held back as spam",
        "Customers blocked or reported this number, so Meta limits it; send less until its quality recovers.",
        _HOUR,
    ),
    131056: (
        "Too many messages to this person",
        "Meta takes one message in 6 seconds to the same person; it is tried again later.",
        4,
    ),
    131057: ("Number in maintenance", "Meta is upgrading the number; this takes about a minute.", _MINUTE),
    131208: ("Group call limit", "Too many group calls; it is tried again later.", _MINUTE),
    132069: ("Flow held back", "Meta limits this flow because its endpoint is unwell; repair it.", _HOUR),
    133015: ("Number just removed", "The number was removed a moment ago; 5 minutes must pass.", 5 * _MINUTE),
    134101: ("Template not ready", "Meta still prepares the template; about 10 minutes.", 10 * _MINUTE),
    139103: ("Block list busy", "Meta could not change the block list now; it is tried again.", _MINUTE),
}

_UNKNOWN: Rows = {
    1: (
        "Unexplained failure",
        "Meta gave no reason and may have taken it: wait for its report before you repeat it.",
    ),
    2: ("Meta is down", "Meta may have taken it all the same: wait for its report before you repeat it."),
    131000: (
        "Something went wrong at Meta",
        "Meta may have taken it all the same: wait for its report before you repeat it.",
    ),
    131016: (
        "Service unavailable",
        "Meta may have taken it all the same: wait for its report before you repeat it.",
    ),
    133004: (
        "Server unavailable",
        "Meta may have done it all the same: look at the number before you repeat it.",
    ),
}

# Nothing can be sent until somebody who runs the account does something.
_OPERATOR: Rows = {
    0: ("Token not accepted", "The access token has ended or was withdrawn: connect the account again."),
    3: ("Capability missing", "Meta has not given the app this capability: see the app's settings at Meta."),
    10: ("Permission denied", "The token lacks the permission, or the account may not do this: see both."),
    104: ("Token missing", "The request went out without a token: connect the account again."),
    190: ("Token not accepted", "The access token has ended or was withdrawn: connect the account again."),
    200: ("Permission missing", "Give the token the WhatsApp permissions, then connect the account again."),
    368: (
        "Blocked for policy",
        "Meta blocks the account for breaking its policies: see Business Support Home.",
    ),
    131005: ("Access denied", "Give the token the WhatsApp permissions, then connect the account again."),
    131031: ("Account locked", "Meta locked the account, or the PIN differs: see Business Support Home."),
    131037: ("Display name not approved", "Get the number's display name approved in WhatsApp Manager."),
    131042: ("Payment problem", "Add or repair the payment method of the WhatsApp account at Meta."),
    131044: ("Payment problem with calls", "Add or repair the payment method of the account at Meta."),
    131045: ("Number not registered", "Register the number with the Cloud API, then send again."),
    133010: ("Number not registered", "Register the number with the Cloud API, then send again."),
}

_FINAL: Rows = {
    33: ("No such object", "The id is wrong, or the object was deleted or is not this account's."),
    100: ("Invalid parameter", "Correct the parameter that the details name."),
    130403: ("Person blocked", "This number has blocked the person: unblock them before you write."),
    130472: (
        "Part of an experiment",
        "Meta keeps marketing from this person; wait until they write to you.",
    ),
    130497: ("Country not allowed", "Meta does not let this business write to people in that country."),
    131008: ("Parameter missing", "Add the parameter that the details name."),
    131009: ("Parameter value not valid", "Correct the parameter that the details name."),
    131014: ("Media address failed", "Meta could not fetch the file: check that its link is public."),
    131020: ("Group of one", "The group has no other member; invite somebody first."),
    131021: ("Sender is recipient", "Write to another number than the one you send from."),
    131026: (
        "Undeliverable",
        "The person may not be on WhatsApp, use an old version or not have taken its terms; ask them.",
    ),
    131030: ("Not on the test list", "Add the recipient to the test number's list at Meta."),
    131041: ("Group not known", "Check the group's id and that the number is still a member."),
    131047: (
        "24 hours have passed",
        "The person has not written for 24 hours: send an approved template.",
    ),
    131049: (
        "Kept back for the person's sake",
        "Meta limits marketing to each person: wait a day at least, since trying sooner makes it longer.",
    ),
    131050: ("Marketing refused", "The person has stopped your marketing: send them none."),
    131051: ("Type not supported", "Send one of the types that WhatsApp takes."),
    131052: ("Media not downloaded", "The customer's file could not be had; ask them to send it again."),
    131053: (
        "Media not uploaded",
        "Check the file's type and size, and that a link can be fetched by anybody.",
    ),
    131055: ("Wrong way for marketing", "Meta wants this template sent the other way for marketing."),
    131060: ("Message not available", "The customer's device could not show it; ask them to send it again."),
    131061: ("Wrong way for marketing", "This template goes out by Meta's marketing endpoint only."),
    131062: ("Phone number needed", "This message cannot go to a WhatsApp user id; use the phone number."),
    131063: (
        "Marketing switched off here",
        "The account allows marketing by Meta's marketing endpoint only.",
    ),
    131064: (
        "Templates in the wrong category",
        "Meta limits the account for misused categories: correct the templates and wait.",
    ),
    132000: ("Wrong number of parameters", "Send as many parameters as the template has places."),
    132001: ("Template not there", "Check name and language, and that Meta has approved the template."),
    132005: ("Template text too long", "Shorten the parameters: with them the text is over the limit."),
    132007: ("Template breaks policy", "Change what Meta's review names, and submit the template again."),
    132012: ("Parameter of the wrong kind", "Give each parameter the type and form that the template has."),
    132015: ("Template paused", "Meta paused the template for its quality: wait, or send another."),
    132016: ("Template disabled", "Meta switched the template off for good: make a new one."),
    132018: ("Template does not fit", "Check the components against the template as Meta has it."),
    132021: ("Template name taken", "Choose another template_name for the direct send."),
    132068: ("Flow blocked", "Meta blocked the flow: repair it in WhatsApp Manager."),
    134100: ("Not a marketing template", "Send this template as an ordinary message."),
    135000: ("Request not understood", "Meta could not say what is wrong: check every parameter."),
    137000: ("Person's identity changed", "Make sure who it is, then send with the new identity hash."),
}

# A group of its own in Meta's table; 131208, its call limit, is above.
_GROUPS = dict.fromkeys(
    (code for code in range(131201, 131216) if code != 131208),
    ("Group refused", "The details say what the group lacks: members, its size, or leave to use it."),
)


def final(rows: Rows, *, needs_operator: bool = False) -> dict[int, Rule]:
    """Rules that end the matter."""
    return {
        code: Rule(code, title, Outcome.FINAL, cure, needs_operator) for code, (title, cure) in rows.items()
    }


MESSAGES: dict[int, Rule] = {
    **{
        code: Rule(code, title, Outcome.NOT_SENT, cure, code == 131048, seconds)
        for code, (title, cure, seconds) in _NOT_SENT.items()
    },
    **{code: Rule(code, title, Outcome.UNKNOWN, cure) for code, (title, cure) in _UNKNOWN.items()},
    **final(dict.fromkeys(range(201, 300), _OPERATOR[200]), needs_operator=True),
    **final(_OPERATOR, needs_operator=True),
    **final(_GROUPS),
    **final(_FINAL),
}
