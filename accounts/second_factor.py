"""A second factor for staff: a code from an authenticator app, and codes for when the phone is lost."""

import io
import secrets
from typing import Any

import segno
from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.models import Session
from django.db import transaction
from django.http import HttpRequest
from django.utils import timezone
from django_otp import DEVICE_ID_SESSION_KEY
from django_otp import login as mark_verified

from accounts.models import Authenticator, User

RECOVERY_CODES = 10
_CODE_BYTES = 6  # 48 bits each: guessing is throttled besides
_PENDING = "second_factor_pending"


def is_enrolled(user: User) -> bool:
    return bool(Authenticator.objects.filter(user=user, confirmed=True).exists())


@transaction.atomic
def begin(*, request: HttpRequest, user: User) -> Authenticator | None:
    """The authenticator that this session may confirm; None where one was confirmed meanwhile.

    Another session's is dropped: whoever once had the password, and looked, knows nothing of the secret
    that is taken into use.
    """
    User.objects.select_for_update().get(pk=user.pk)
    if is_enrolled(user):
        return None
    pending = Authenticator.objects.filter(user=user)
    held: Authenticator | None = pending.filter(pk=request.session.get(_PENDING)).first()
    if held is None:
        pending.delete()
        held = Authenticator(user=user, confirmed=False, name="app")
        held.make_key()
        held.save()
        request.session[_PENDING] = held.pk
    return held


@transaction.atomic
def confirm(*, request: HttpRequest, device: Authenticator, code: str) -> list[str] | None:
    """Take an authenticator into use; return its recovery codes, shown this once. None for a wrong code."""
    User.objects.select_for_update().get(pk=device.user_id)
    held = Authenticator.objects.select_for_update().filter(pk=device.pk).first()
    if held is None or held.confirmed or not held.verify_token(code):
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
    """Forget a person's second factor, and end their sessions: enrolling anew begins with the password."""
    Authenticator.objects.filter(user=user).delete()
    for session in Session.objects.filter(expire_date__gt=timezone.now()).iterator():
        if session.get_decoded().get(SESSION_KEY) == str(user.pk):
            session.delete()


def is_verified(request: HttpRequest) -> bool:
    user: Any = request.user
    return bool(DEVICE_ID_SESSION_KEY in request.session and user.is_verified())


def qr_code(url: str) -> str:
    """An SVG made here: the secret goes to no other server."""
    out = io.BytesIO()
    segno.make(url, error="m").save(out, kind="svg", scale=5, border=4, light="#fff", xmldecl=False)
    return out.getvalue().decode()
