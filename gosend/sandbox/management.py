"""What Graph says of tokens, subscriptions and an account's numbers."""

import time
from typing import Any

from gosend.sandbox.refusals import Refusal, check_product
from gosend.sandbox.world import Line, World

APP_ID = "200000000000001"
# Tokens that start so are refused, to try what a dead token does.
DEAD_TOKENS = {"expired": 463, "invalid": 467}
# Tokens that start so work, but lack a permission, or end in three days.
_LIMITED, _ENDING = "limited", "ending"
# With a token that starts so a number waits to be registered.
_PENDING = "pending"
_PIN_DIGITS = 6
_DAYS_LEFT = 3
_SCOPES = ("whatsapp_business_management", "whatsapp_business_messaging")


def check_token(token: str) -> None:
    """Raise Refusal for a token that Graph would not take."""
    if not token:
        raise Refusal(190, "An access token is required", http_status=401)
    for start, subcode in DEAD_TOKENS.items():
        if token.lower().startswith(start):
            raise Refusal(190, f"The access token is {start}", http_status=401, subcode=subcode)


def debug_token(query: dict[str, str]) -> dict[str, Any]:
    """What a token may do, and until when; `expires_at` is 0 for one without an end."""
    token = query.get("input_token", "").lower()
    if not token:
        raise Refusal(100, "(#100) input_token is required")
    if token.startswith(tuple(DEAD_TOKENS)):
        return {"data": {"app_id": APP_ID, "is_valid": False, "scopes": [], "expires_at": 0}}
    scopes = [_SCOPES[0]] if token.startswith(_LIMITED) else list(_SCOPES)
    ends = int(time.time()) + _DAYS_LEFT * 86_400 if token.startswith(_ENDING) else 0
    granular = [{"scope": scope} for scope in scopes]
    return {
        "data": {
            "app_id": APP_ID,
            "type": "SYSTEM_USER",
            "application": "Sandbox",
            "expires_at": ends,
            "data_access_expires_at": 0,
            "is_valid": True,
            "scopes": scopes,
            "granular_scopes": granular,
        }
    }


def subscriptions(method: str, *, waba_id: str, world: World) -> dict[str, Any]:
    """Read, or make, the app's subscription to an account."""
    if method == "POST":
        world.subscribe(waba_id)
        return {"success": True}
    app = {"id": APP_ID, "name": "Sandbox", "link": "https://www.facebook.com/games/?app_id=" + APP_ID}
    return {"data": [{"whatsapp_business_api_data": app}] if world.is_subscribed(waba_id) else []}


def register(body: dict[str, Any], *, line: Line, world: World) -> dict[str, Any]:
    """Register a number. Its first PIN is kept, as Meta does, and asked for from then on."""
    check_product(body)
    pin = body.get("pin")
    if not isinstance(pin, str) or not (pin.isascii() and pin.isdigit() and len(pin) == _PIN_DIGITS):
        raise Refusal(100, "(#100) Param pin must be a string of 6 digits")
    if not world.register(line.phone_number_id, pin):
        raise Refusal(133005, "The two-step verification PIN is not the one that was set")
    return {"success": True}


def status_of(token: str, *, line: Line, world: World) -> str:
    is_waiting = token.lower().startswith(_PENDING) and not world.is_registered(line.phone_number_id)
    return "PENDING" if is_waiting else "CONNECTED"


def numbers(lines: tuple[Line, ...]) -> dict[str, Any]:
    rows = [
        {
            "id": line.phone_number_id,
            "display_phone_number": line.display_phone_number,
            "verified_name": "Sandbox",
            "quality_rating": "GREEN",
        }
        for line in lines
    ]
    return {"data": rows, "paging": {"cursors": {"before": "MA", "after": "MA"}}}
