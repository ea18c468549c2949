"""Whether a send is to be answered before Meta is: `?async=true`, or `Prefer: respond-async` (RFC 7240)."""

from rest_framework.request import Request

from gosend.api import errors

_YES = frozenset({"1", "true", "yes"})
_NO = frozenset({"0", "false", "no"})


def asked(request: Request, *, default: bool = False) -> bool:
    """What the query says, or else the default. Raises InvalidField for another word."""
    text = request.query_params.get("async", "").lower()
    if text and text not in _YES | _NO:
        raise errors.InvalidField("async is true or false", details={"field": "async", "value": text[:100]})
    return text in _YES if text else default


def preferred(request: Request) -> bool:
    """What the header says; preferences are separated by commas, and may have parameters."""
    preferences = request.headers.get("Prefer", "").lower().replace(";", ",").split(",")
    return "respond-async" in (part.strip() for part in preferences)
