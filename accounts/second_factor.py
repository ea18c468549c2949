"""A second factor for staff: a code from an authenticator app, and codes for when the phone is lost."""

import io
import secrets
from typing import Any

import segno
from django.db import transaction
from django.http import HttpRequest
from django_otp import DEVICE_ID_SESSION_KEY, devices_for_user
from django_otp import login as mark_verified
from django_otp.models import Device
from django_otp.plugins.otp_static.models import StaticDevice
from django_otp.plugins.otp_totp.models import TOTPDevice

from accounts.models import User

RECOVERY_CODES = 10
_CODE_BYTES = 6  # 48 bits each: guessing is throttled besides


def is_enrolled(user: User) -> bool:
    return bool(TOTPDevice.objects.filter(user=user, confirmed=True).exists())


def begin(user: User) -> TOTPDevice:
    """The device that waits to be confirmed, the same one until it is."""
    device, _ = TOTPDevice.objects.get_or_create(user=user, confirmed=False, defaults={"name": "app"})
    return device


@transaction.atomic
def confirm(*, request: HttpRequest, device: TOTPDevice, code: str) -> list[str] | None:
    """Take a device into use; return its recovery codes, shown this once. None for a wrong code."""
    held = TOTPDevice.objects.select_for_update().get(pk=device.pk)
    if held.confirmed or not held.verify_token(code):
        return None
    held.confirmed = True
    held.save()
    StaticDevice.objects.filter(user_id=held.user_id).delete()
    spare = StaticDevice.objects.create(user_id=held.user_id, name="recovery")
    codes = [secrets.token_hex(_CODE_BYTES) for _ in range(RECOVERY_CODES)]
    for one in codes:
        spare.token_set.create(token=one)
    mark_verified(request, held)
    return codes


@transaction.atomic
def verify(*, request: HttpRequest, user: User, code: str) -> Device | None:
    """Let a signed-in person through by a code. Each device waits longer after every wrong one."""
    for device in devices_for_user(user, for_verify=True):
        is_allowed, _ = device.verify_is_allowed()
        if is_allowed and device.verify_token(code):
            mark_verified(request, device)
            return device
    return None


def reset(user: User) -> None:
    """Forget a person's devices: they enrol anew, and sessions that the old ones opened are closed."""
    TOTPDevice.objects.filter(user=user).delete()
    StaticDevice.objects.filter(user=user).delete()


def is_verified(request: HttpRequest) -> bool:
    user: Any = request.user
    return bool(DEVICE_ID_SESSION_KEY in request.session and user.is_verified())


def qr_code(url: str) -> str:
    """An SVG made here: the secret goes to no other server."""
    out = io.BytesIO()
    segno.make(url, error="m").save(out, kind="svg", scale=5, border=4, light="#fff", xmldecl=False)
    return out.getvalue().decode()
