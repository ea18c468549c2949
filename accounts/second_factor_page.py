"""The gate behind the password, and the pages where staff enrol a second factor and give its code."""

from collections.abc import Callable
from typing import Any
from urllib.parse import quote

from django import forms
from django.conf import settings
from django.contrib import admin
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.safestring import mark_safe
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters

from accounts import second_factor
from accounts.console import note, user_of

_CONSOLE = "/console/"
# What may be seen with a password alone.
_OPEN = ("login/", "logout/", "jsi18n/", "second-factor/")


class SecondFactorMiddleware:
    """Stops at the door of the whole console, so that no page can be forgotten. After OTPMiddleware."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        path = request.path_info
        if not settings.CONSOLE_SECOND_FACTOR or not path.startswith(_CONSOLE):
            return self.get_response(request)
        if path.removeprefix(_CONSOLE).startswith(_OPEN) or not request.user.is_authenticated:
            return self.get_response(request)
        if second_factor.is_verified(request):
            return self.get_response(request)
        wanted = quote(request.get_full_path(), safe="/")
        return HttpResponseRedirect(f"{reverse('second-factor')}?next={wanted}")


class _CodeForm(forms.Form):
    code = forms.CharField(
        max_length=32,
        widget=forms.TextInput(attrs={"autocomplete": "one-time-code", "autofocus": ""}),
    )

    def clean_code(self) -> str:
        return "".join(str(self.cleaned_data["code"]).split()).lower()


@never_cache
@login_required
@sensitive_post_parameters()
def second_factor_page(request: HttpRequest) -> HttpResponse:
    """Enrol where there is no device yet; otherwise ask for a code."""
    user = user_of(request)
    form = _CodeForm(request.POST or None)
    is_enrolled = second_factor.is_enrolled(user)
    is_sent = request.method == "POST" and form.is_valid()
    context: dict[str, Any] = {"form": form, "next": _next(request), "is_enrolled": is_enrolled}
    if is_enrolled:
        if is_sent and second_factor.verify(request=request, user=user, code=form.cleaned_data["code"]):
            note(request, "user.second_factor_given", subject=user)
            return HttpResponseRedirect(_next(request))
    else:
        device = second_factor.begin(request=request, user=user)
        if device is None:
            return HttpResponseRedirect(request.get_full_path())
        if is_sent:
            codes = second_factor.confirm(request=request, device=device, code=form.cleaned_data["code"])
            if codes is not None:
                note(request, "user.second_factor_enrolled", subject=user)
                note(request, "secret.shown", subject=user)
                return _page(request, {**context, "codes": codes})
        # The SVG is our own, made of a URL that Django escaped; nothing typed by anybody is in its markup.
        context |= {"qr": mark_safe(second_factor.qr_code(device.config_url)), "url": device.config_url}  # noqa: S308
    if is_sent:
        note(request, "user.second_factor_failed", subject=user)
        form.add_error("code", "This code is not the right one now. Wait for the next one and try again.")
    return _page(request, context)


def _page(request: HttpRequest, context: dict[str, Any]) -> TemplateResponse:
    whole = {**admin.site.each_context(request), "title": "Second factor", **context}
    return TemplateResponse(request, "console/second_factor.html", whole)


def _next(request: HttpRequest) -> str:
    wanted = request.POST.get("next") or request.GET.get("next") or ""
    is_ours = url_has_allowed_host_and_scheme(wanted, allowed_hosts=None)
    return wanted if is_ours and wanted.startswith(_CONSOLE) else _CONSOLE
