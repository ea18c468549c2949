"""A person's second factor: their authenticator app's secret and their recovery codes, both sealed."""

import secrets
import time
from base64 import b32encode
from urllib.parse import quote, urlencode

from django.conf import settings
from django.db import models
from django_otp.models import Device, ThrottlingMixin, TimestampMixin
from django_otp.oath import TOTP

from accounts.models.staff import User
from gosend.lib import encryption

_KEY_BYTES = 20
_STEP_SECONDS = 30
# Codes of so many steps before and after are taken, for clocks that differ.
_TOLERANCE = 1


class Authenticator(TimestampMixin, ThrottlingMixin, Device):  # type: ignore[misc]  # django-otp has no types
    """The device of django-otp's that holds neither the secret nor the recovery codes in readable form.

    `confirmed` once a first code was right. Each code is taken once; after a wrong one it takes no code
    for a while that doubles each time.
    """

    user = models.OneToOneField(User, on_delete=models.CASCADE, related_name="authenticator")
    sealed_key = models.TextField()
    sealed_codes = models.TextField(blank=True, help_text="The recovery codes that are left, one a line.")
    last_step = models.BigIntegerField(
        default=-1, help_text="Of the latest code taken; older ones are spent."
    )
    drift = models.SmallIntegerField(default=0, help_text="Steps by which the phone's clock differs.")

    def sealed_contexts(self) -> dict[str, str]:
        return {
            f"sealed_{what}": f"accounts.Authenticator.{what}:{self.user_id}" for what in ("key", "codes")
        }

    @property
    def bin_key(self) -> bytes:
        """The secret that the app shares."""
        return bytes.fromhex(self._open("sealed_key"))

    def make_key(self) -> None:
        self._seal("sealed_key", secrets.token_hex(_KEY_BYTES))

    @property
    def recovery_codes(self) -> list[str]:
        return self._open("sealed_codes").split() if self.sealed_codes else []

    @recovery_codes.setter
    def recovery_codes(self, codes: list[str]) -> None:
        self._seal("sealed_codes", "\n".join(codes))

    @property
    def config_url(self) -> str:
        """What the QR code says, github.com/google/google-authenticator/wiki/Key-Uri-Format."""
        issuer = settings.OTP_TOTP_ISSUER
        asked = {"secret": b32encode(self.bin_key).decode(), "issuer": issuer, "period": _STEP_SECONDS}
        return f"otpauth://totp/{quote(f'{issuer}:{self.user.get_username()}')}?{urlencode(asked)}"

    def verify_token(self, token: str) -> bool:
        """Whether a code is right, or is one of the recovery codes; either is spent by it."""
        if not self.verify_is_allowed()[0]:
            return False
        if not (self._is_now(token) or self._spend(token)):
            self.throttle_increment()
            return False
        self.throttle_reset(commit=False)
        self.set_last_used_timestamp(commit=False)
        self.save()
        return True

    def get_throttle_factor(self) -> int:
        """Seconds to wait after a first wrong code."""
        return 1

    def _is_now(self, token: str) -> bool:
        if not (token.isascii() and token.isdigit()):
            return False
        totp = TOTP(self.bin_key, step=_STEP_SECONDS, drift=self.drift)
        totp.time = time.time()
        if not totp.verify(int(token), _TOLERANCE, self.last_step + 1):
            return False
        self.last_step, self.drift = totp.t(), totp.drift
        return True

    def _spend(self, token: str) -> bool:
        codes = self.recovery_codes
        left = [one for one in codes if not secrets.compare_digest(one.encode(), token.encode())]
        if len(left) == len(codes):
            return False
        self.recovery_codes = left
        return True

    def _open(self, field: str) -> str:
        return encryption.open_sealed(getattr(self, field), context=self.sealed_contexts()[field])

    def _seal(self, field: str, plaintext: str) -> None:
        setattr(self, field, encryption.seal(plaintext, context=self.sealed_contexts()[field]))
