"""What statuses and prices mean, for people who have not read Meta's documentation."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Meaning:
    """`tone` chooses the colour, which never stands alone; `sign` is drawn before the word."""

    word: str
    tone: str
    sign: str
    text: str


_STATUSES: dict[str, Meaning] = {
    "queued": Meaning("Queued", "wait", "◷", "Accepted and kept; it has not been handed to Meta yet."),
    "sending": Meaning("Sending", "wait", "↗", "It is being handed to Meta at this moment."),
    "sent": Meaning(
        "Sent", "go", "✓", "Meta has taken it. The customer's phone has not confirmed it yet; it may be off."
    ),
    "delivered": Meaning("Delivered", "good", "✓✓", "It is on the customer's phone."),
    "read": Meaning("Read", "good", "✓✓", "The customer opened it, with read receipts on."),
    "failed": Meaning("Failed", "bad", "✕", "It did not reach the customer, and is not tried again."),
    "unknown": Meaning(
        "Unknown",
        "doubt",
        "?",
        "Meta was asked and its answer was lost, so it may have gone out. It is not sent again, because the"
        " customer could get it twice. Meta's report settles it; without one it becomes unconfirmed after"
        " a quarter of an hour.",
    ),
    "unconfirmed": Meaning(
        "Unconfirmed",
        "doubt",
        "?",
        "The answer was lost and no report of Meta's came within the time. It may have reached the customer:"
        " ask before it is sent again. A late report still settles it.",
    ),
    "received": Meaning("Received", "good", "↙", "The customer wrote it; it arrived here."),
    "accepted": Meaning("Accepted", "go", "✓", "Meta took the request and examines it."),
    "held_for_quality_assessment": Meaning(
        "Held", "wait", "◷", "Meta holds it back while it assesses the template's quality."
    ),
    "played": Meaning("Played", "good", "✓✓", "The customer listened to it."),
    "deleted": Meaning("Deleted", "wait", "✕", "The customer deleted what they had written."),
    "warning": Meaning("Warning", "doubt", "!", "Meta noticed something, and took the message all the same."),
}
_DELIVERIES: dict[str, Meaning] = {
    "pending": Meaning("Pending", "wait", "◷", "It is owed to the endpoint and was not tried yet."),
    "retrying": Meaning("Retrying", "doubt", "↻", "An attempt failed; another one follows."),
    "delivered": Meaning("Delivered", "good", "✓", "The endpoint answered with a 2xx."),
    "failed": Meaning("Failed", "bad", "✕", "Given up; it can be replayed once the endpoint works again."),
}
_CATEGORIES = {
    "marketing": "marketing",
    "marketing_lite": "marketing",
    "utility": "utility",
    "authentication": "authentication",
    "authentication_international": "authentication (international)",
    "service": "service",
    "referral_conversion": "answer to an advertisement",
}


def status(name: str) -> Meaning:
    """A status of ours or of Meta's; one that we do not know says so."""
    return _STATUSES.get(name) or Meaning(
        name.replace("_", " ").capitalize(), "wait", "•", "Meta's own word; it changes nothing here."
    )


def delivery(name: str) -> Meaning:
    return _DELIVERIES.get(name) or Meaning(name.capitalize(), "wait", "•", "")


def price(pricing: Any) -> str:
    """What Meta says of the price, in a sentence; empty when it said nothing."""
    if not isinstance(pricing, dict) or not pricing:
        return ""
    kind = str(pricing.get("category") or "")
    charged = "Meta charges for it" if pricing.get("billable") else "free of charge"
    free = {"free_customer_service": " (inside the 24-hour window)", "free_entry_point": " (from an ad)"}
    why = free.get(str(pricing.get("type") or ""), "")
    return f"{charged}{why}" + (f", as {_CATEGORIES.get(kind, kind)}" if kind else "")
