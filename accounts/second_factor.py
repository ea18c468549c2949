"""A second factor for staff: a code from an authenticator app, and codes for when the phone is lost."""

import io
import secrets
from typing import Any

import segno
from django.db import transaction
from django.http import HttpRequest
from django_otp import DEVICE_ID_SESSION_KEY
from django_otp import login as mark_verified

from accounts.models import Authenticator, User

RECOVERY_CODES = 10
_CODE_BYTES = 6  # 48 bits each: guessing is throttled besides


def is_enrolled(user: User) -> bool:
    return bool(Authenticator.objects.filter(user=user, confirmed=True).exists())


def begin(user: User) -> Authenticator:
    """The authenticator that waits to be confirmed, the same one until it is."""
    fresh = Authenticator(user=user, confirmed=False, name="app")
    fresh.make_key()
    # Two tabs at once show the same QR code.
    Authenticator.objects.bulk_create([fresh], ignore_conflicts=True)
    kept: Authenticator = Authenticator.objects.get(user=user)
    return kept


@transaction.atomic
def confirm(*, request: HttpRequest, device: Authenticator, code: str) -> list[str] | None:
    """Take an authenticator into use; return its recovery codes, shown this once. None for a wrong code."""
    held = Authenticator.objects.select_for_update().get(pk=device.pk)
    if held.confirmed or not held.verify_token(code):
        return None
    codes = [secrets.token_hex(_CODE_BYTES) for _ in range(RECOVERY_CODES)]
    held.confirmed, held.recovery_codes = True, codes
    held.save()
    mark_verified(request, held)
    return codes


@transaction.atomic
def verify(*, request: HttpRequest, user: User, code: str) -> bool:
    """Let a signed-in person through by a code. After every wrong one the next must wait longer."""
    held = Authenticator.objects.select_for_update().filter(user=user, confirmed=True).first()
    if held is None or not held.verify_token(code):
        return False
    mark_verified(request, held)
    return True


def reset(user: User) -> None:
    """Forget a person's second factor: they enrol anew, and sessions that the old one opened are closed."""
    Authenticator.objects.filter(user=user).delete()


def is_verified(request: HttpRequest) -> bool:
    user: Any = request.user
    return bool(DEVICE_ID_SESSION_KEY in request.session and user.is_verified())


def qr_code(url: str) -> str:
    """An SVG made here: the secret goes to no other server."""
    out = io.BytesIO()
    segno.make(url, error="m").save(out, kind="svg", scale=5, border=4, light="#fff", xmldecl=False)
    return out.getvalue().decode()
