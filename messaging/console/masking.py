"""Customers' numbers stay masked for who only reads, until revealed for a reason that is written down."""

import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.contrib import messages
from django.db.models import Model
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import URLPattern, path, reverse
from django.views.decorators.http import require_POST

from accounts import roles
from accounts.acts import ReasonForm
from accounts.console import note, user_of
from gosend.lib import logs, phone

if TYPE_CHECKING:
    from accounts.console import TenantLogAdmin as _Page
else:
    _Page = object

# Seconds for which a revealed record stays revealed, in the session of who revealed it.
REVEALED_SECONDS = 15 * 60
REASON_CHARACTERS_MIN = 5
_SESSION_KEY = "revealed"


@dataclass(frozen=True, slots=True)
class Veil:
    """What the signed-in person may see of the numbers of customers."""

    is_lifted: bool
    revealed: frozenset[str]

    def hides(self, record: Model) -> bool:
        return not self.is_lifted and _mark(record) not in self.revealed

    def number(self, text: str, *, record: Model) -> str:
        """A number, or user id, as it may be shown on a page about `record`."""
        return phone.mask(text) if text and self.hides(record) else text

    def within(self, text: str, numbers: Iterable[str] = (), *, record: Model) -> str:
        """A longer text in which these numbers, or others, or a wamid may stand.

        A wamid holds the customer's number in base64.
        """
        if not self.hides(record):
            return text
        for number in filter(None, numbers):
            text = text.replace(number, phone.mask(number))
        return logs.redact(text)


def veil(request: HttpRequest) -> Veil:
    """Operators see numbers; others those that they revealed within the last quarter of an hour."""
    now = time.time()
    held: dict[str, float] = request.session.get(_SESSION_KEY, {})
    return Veil(
        is_lifted=roles.has_role(user_of(request), roles.OPERATOR),
        revealed=frozenset(mark for mark, until in held.items() if until > now),
    )


class Revealing(_Page):
    """Adds `<id>/reveal/` to an admin: takes a reason, writes it down, shows the number for a while."""

    def get_urls(self) -> list[URLPattern]:
        name = f"{self.opts.app_label}_{self.opts.model_name}_reveal"
        view = self.admin_site.admin_view(require_POST(self.reveal))
        return [path("<int:record_id>/reveal/", view, name=name), *super().get_urls()]

    def no_such(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Send back who asks for what is not there, or not theirs to see."""
        messages.warning(request, f"There is no {self.opts.verbose_name} {object_id[:40]} that you may see.")
        return redirect("admin:index")

    def reveal(self, request: HttpRequest, record_id: int) -> HttpResponse:
        record = self.get_object(request, str(record_id))
        if record is None or not self.has_view_permission(request, record):
            return redirect("admin:index")
        form = ReasonForm(request.POST, user=user_of(request))
        reason = str(form.cleaned_data["reason"]) if form.is_valid() else ""
        if len(reason) < REASON_CHARACTERS_MIN:
            messages.error(request, "Say in a few words why you need the number, such as a ticket's number.")
        else:
            note(request, f"{self.opts.model_name}.revealed", subject=record, reason=reason)
            _remember(request, record)
        page = f"admin:{self.opts.app_label}_{self.opts.model_name}_change"
        return redirect(reverse(page, args=[record.pk]))


def _remember(request: HttpRequest, record: Any) -> None:
    now = time.time()
    held = {mark: until for mark, until in request.session.get(_SESSION_KEY, {}).items() if until > now}
    request.session[_SESSION_KEY] = {**held, _mark(record): now + REVEALED_SECONDS}


def _mark(record: Model) -> str:
    return f"{record._meta.model_name}:{record.pk}"
