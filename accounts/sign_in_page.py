"""The console's form to sign in, throttled, and the page of one's own password: all of it on record."""

from typing import Any

from django import forms
from django.conf import settings
from django.contrib import admin
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from unfold.forms import AuthenticationForm

from accounts import audit, sign_in
from accounts.console import note, user_of
from accounts.models import User
from gosend.lib.addresses import caller_of


class SignInForm(AuthenticationForm):
    """Says the same whether the account is unknown or the password wrong."""

    def clean(self) -> dict[str, Any]:
        username = str(self.cleaned_data.get("username") or "")[:150]
        address = caller_of(self.request.META, proxies=settings.TRUSTED_PROXIES) if self.request else ""
        known = User.objects.filter(username=username).first()
        try:
            sign_in.begin(username=username, address=address)
        except sign_in.TooManyAttempts as over:
            if over.is_first:
                audit.record("user.sign_in_throttled", actor=None, subject=known, address=address or None)
            minutes = int(sign_in.WINDOW.total_seconds() // 60)
            raise forms.ValidationError(
                f"Too many attempts to sign in from your address. Wait {minutes} minutes, then try again."
            ) from over
        try:
            data: dict[str, Any] = super().clean()
        except forms.ValidationError:
            audit.record("user.sign_in_failed", actor=None, subject=known, address=address or None)
            raise
        sign_in.succeeded(username=username, address=address)
        audit.record("user.signed_in", actor=known, subject=known, address=address or None)
        return data


@transaction.atomic
def password_change(request: HttpRequest) -> HttpResponse:
    """The console's page for one's own password, and the row that it leaves."""
    answer: HttpResponse = admin.site.admin_view(admin.site.password_change, cacheable=True)(request)
    if answer.get("Location") == reverse("admin:password_change_done"):
        note(request, "user.password_changed", subject=user_of(request))
    return answer
