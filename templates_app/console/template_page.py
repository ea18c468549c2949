"""Templates: how they look, how Meta judged them, submit, sync and delete."""

from collections.abc import Mapping
from typing import Any

from django import forms
from django.http import HttpRequest

from accounts.acts import Act, ActForm, Acting, Done, ReasonForm
from accounts.console import TenantLogAdmin
from accounts.models import BusinessAccount
from templates_app import preview, submit, sync
from templates_app.models import StatusChange, Template

# Judgements of Meta's that a template's page shows, the newest ones.
_CHANGES_SHOWN = 30
_EXAMPLE = [{"type": "BODY", "text": "Hello {{1}}", "example": {"body_text": [["Ana"]]}}]


class _AccountForm(ActForm):
    business_account = forms.ModelChoiceField(BusinessAccount.objects.order_by("display_name"))


class _SubmitForm(_AccountForm):
    name = forms.CharField(max_length=512, help_text="Small letters, digits and underscores.")
    language = forms.CharField(max_length=16, initial="en_US")
    category = forms.ChoiceField(choices=Template.Category.choices, initial=Template.Category.UTILITY)
    components = forms.JSONField(
        initial=_EXAMPLE,
        widget=forms.Textarea(attrs={"rows": 10}),
        help_text="As Meta's message_templates takes them, with an example for every place.",
    )


def _submit(row: None, data: Mapping[str, Any]) -> Done:
    definition = {name: data[name] for name in ("name", "language", "category", "components")}
    template = submit.create(account=data["business_account"], definition=definition)
    return Done(f"Submitted; Meta says {template.status}.", subject=template)


def _sync(row: None, data: Mapping[str, Any]) -> Done:
    account = data["business_account"]
    counts = sync.sync(account=account)
    says = f"Meta has {counts.total}: {counts.created} new, {counts.updated} changed, {counts.deleted} gone."
    return Done(says, subject=account, details={"total": counts.total})


def _delete(row: Template, data: Mapping[str, Any]) -> Done:
    submit.delete(account=row.business_account, template=row)
    return Done("Deleted at Meta; the name cannot be used again for 30 days.")


class TemplateAdmin(Acting, TenantLogAdmin):  # type: ignore[misc]  # unfold narrows what Django wrote
    when_empty = "No template yet. Submit one with the button above, or sync those that Meta has."
    ordering = ["-id"]
    list_display = ["name", "language", "category", "status", "quality_score", "tenant"]
    list_select_related = ["tenant"]
    list_filter = ["status", "category"]
    search_fields = ["name"]
    acts = (
        Act(
            "submit", "Submit a template", "Meta reviews it, mostly within minutes.",
            "template.submitted", _submit, _SubmitForm, of_list=True, is_atomic=False,
        ),
        Act(
            "sync", "Sync with Meta", "Reads all templates of a business account.",
            "template.synced", _sync, _AccountForm, of_list=True, is_atomic=False,
        ),
        Act(
            "delete", "Delete at Meta", "Deletes this language of the template at Meta.",
            "template.deleted", _delete, ReasonForm, is_atomic=False,
            fits=lambda row: row.status != Template.Status.DELETED,
        ),
    )  # fmt: skip

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).select_related("tenant", "business_account")

    def panel(self, request: HttpRequest, row: Any) -> Mapping[str, Any]:
        places = preview.places(row)
        values = {name: request.GET.get(name, example)[:1024] for name, example in places.items()}
        return {
            "panel_template": "console/template_panel.html",
            "places": values,
            "preview": preview.draw(row, values),
            "changes": StatusChange.objects.filter(template=row).order_by("-id")[:_CHANGES_SHOWN],
        }
