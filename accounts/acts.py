"""Pages on which a person does one thing: what it does, a form, what came of it, and an audit row."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse

from accounts import access
from accounts.console import note, path_of, user_of
from accounts.models import User
from gosend.lib.console import RecordAdmin
from gosend.lib.errors import DomainError

if TYPE_CHECKING:
    _Page = RecordAdmin
else:
    _Page = object


class ActForm(forms.Form):
    """Offers, and accepts, only rows of tenants that the person may see."""

    def __init__(self, *args: Any, user: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for one in self.fields.values():
            if isinstance(one, forms.ModelChoiceField) and one.queryset is not None:
                way = path_of(one.queryset.model)
                if way is not None:
                    one.queryset = access.narrow(one.queryset, user=user, path=way)


class ReasonForm(ActForm):
    reason = forms.CharField(
        max_length=500, label="Reason", help_text="Kept in the audit trail: a ticket, or who asked for it."
    )


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at; `state` is ok, warning, failed, skipped or info."""

    name: str
    says: str
    state: str = "info"
    cure: str = ""


@dataclass(frozen=True, slots=True)
class Done:
    """What came of it. A secret or findings are shown on a page of their own, all else as a message.

    `recorded_as` is what the audit trail calls it where that is not the name of the act.
    """

    says: str
    secret: str = ""
    findings: Sequence[Finding] = ()
    details: Mapping[str, Any] = field(default_factory=dict)
    subject: Any = None
    goes_to: str = ""
    recorded_as: str = ""


@dataclass(frozen=True, slots=True)
class Act:
    """`do` gets the row (None for an act of the whole list) and what the form holds.

    With `is_atomic` the audit row commits with the act; what asks Meta or a receiver does not hold a
    transaction open meanwhile.
    """

    name: str
    label: str
    says: str
    recorded_as: str
    do: Callable[[Any, Mapping[str, Any]], Done]
    form: type[ActForm] = ActForm
    fits: Callable[[Any], bool] = lambda row: True
    of_list: bool = False
    is_atomic: bool = True


class Acting(_Page):
    """The buttons above a row's page and above the list, and the pages behind them."""

    acts: ClassVar[tuple[Act, ...]] = ()
    change_form_outer_before_template: Any = "console/above_row.html"  # unfold wrote None there
    list_before_template: Any = "console/above_list.html"

    def get_urls(self) -> list[URLPattern]:
        guard = self.admin_site.admin_view
        own = [
            path(
                f"act/{act.name}/" if act.of_list else f"<path:object_id>/act/{act.name}/",
                guard(partial(self.act_view, act=act)),
                name=self._url_name(act),
            )
            for act in self.acts
        ]
        return [*own, *super().get_urls()]

    def may_act(self, request: HttpRequest, row: Any = None) -> bool:
        return request.user.has_perm(f"{self.opts.app_label}.change_{self.opts.model_name}")

    def panel(self, request: HttpRequest, row: Any) -> Mapping[str, Any]:
        """What the page shows above the row's fields: `panel_template` and what that needs."""
        return {}

    def act_context(self, request: HttpRequest, row: Any) -> dict[str, Any]:
        """The buttons that `console/above_list.html` draws; None as the row is for the list."""
        return {"act_buttons": self._buttons(row) if self.may_act(request, row) else []}

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        row = self.get_object(request, object_id)
        more: dict[str, Any] = dict(extra_context or {})
        if row is not None and self.has_view_permission(request, row):
            more |= self.act_context(request, row) | dict(self.panel(request, row))
        return super().change_view(request, object_id, form_url, more)

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> TemplateResponse:
        context = {**(extra_context or {}), **self.act_context(request, None)}
        return super().changelist_view(request, context)

    def act_view(self, request: HttpRequest, *, act: Act, object_id: str = "") -> HttpResponse:
        row = None if act.of_list else self.get_object(request, object_id)
        if not self.may_act(request, row):
            raise PermissionDenied
        if not act.of_list and (row is None or not act.fits(row)):
            raise Http404
        form = act.form(request.POST if request.method == "POST" else None, user=user_of(request))
        if request.method == "POST" and (not form.fields or form.is_valid()):
            done = self._do(request, act, row, form)
            if done is not None and (done.secret or done.findings):
                return self.page(request, act.label, row=row, done=done)
            if done is not None:
                messages.success(request, done.says)
                return HttpResponseRedirect(done.goes_to or self._home(row))
        return self.page(request, act.label, row=row, act=act, form=form)

    def page(self, request: HttpRequest, title: str, *, row: Any = None, **more: Any) -> TemplateResponse:
        context = {**self.admin_site.each_context(request), "opts": self.opts, "title": title}
        return TemplateResponse(
            request, "console/act.html", {**context, "row": row, "back": self._home(row), **more}
        )

    def _do(self, request: HttpRequest, act: Act, row: Any, form: ActForm) -> Done | None:
        data = form.cleaned_data if form.fields else {}
        try:
            if act.is_atomic:
                with transaction.atomic():
                    return self._recorded(request, act, row, data)
            return self._recorded(request, act, row, data)
        except DomainError as error:
            form.is_valid()
            form.add_error(None, str(error))
            return None

    def _recorded(self, request: HttpRequest, act: Act, row: Any, data: Mapping[str, Any]) -> Done:
        done = act.do(row, data)
        subject = done.subject if done.subject is not None else row
        action = done.recorded_as or act.recorded_as
        note(request, action, subject=subject, reason=data.get("reason", ""), **done.details)
        if done.secret:
            note(request, "secret.shown", subject=subject)
        return done

    def _buttons(self, row: Any) -> list[dict[str, str]]:
        wanted = [act for act in self.acts if act.of_list == (row is None) and (row is None or act.fits(row))]
        args = [] if row is None else [row.pk]
        return [
            {"label": act.label, "url": reverse(f"admin:{self._url_name(act)}", args=args)} for act in wanted
        ]

    def _url_name(self, act: Act) -> str:
        return f"{self.opts.app_label}_{self.opts.model_name}_act_{act.name}"

    def _home(self, row: Any) -> str:
        names = f"admin:{self.opts.app_label}_{self.opts.model_name}"
        return reverse(f"{names}_changelist") if row is None else reverse(f"{names}_change", args=[row.pk])
