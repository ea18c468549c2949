"""The console's pages for staff, customers and accounts. Numbers: webhooks_app/admin.py."""

from collections.abc import Mapping
from functools import cache
from typing import Any

from django import forms
from django.apps import apps
from django.contrib import admin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group
from django.http import HttpRequest
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from accounts import access, numbers, second_factor
from accounts.acts import Act, Acting, Done, ReasonForm
from accounts.console import TenantLogAdmin, TenantRecordAdmin, user_of
from accounts.health_page import OF_ACCOUNT
from accounts.key_page import ApiKeyAdmin
from accounts.models import (
    ApiKey,
    AuditEvent,
    BusinessAccount,
    Customer,
    Grant,
    Member,
    MetaApp,
    Tenant,
    User,
)
from accounts.tenant_page import TenantAdmin

# Records that a search of the trail finds by each of its meanings.
_FOUND_MAX = 200


@cache
def _nouns() -> dict[str, str]:
    """What the first part of an action stands for."""
    return {str(model._meta.model_name): str(model._meta.verbose_name) for model in apps.get_models()}


admin.site.unregister(Group)


class _Secret(forms.CharField):
    """A secret to type in: never shown again, and left alone when empty."""

    def __init__(self, label: str) -> None:
        super().__init__(
            label=label,
            required=False,
            strip=True,
            widget=forms.PasswordInput(render_value=False),
            help_text="Kept encrypted and never shown. Leave it empty to keep the present one.",
        )


class _MetaAppForm(forms.ModelForm):  # type: ignore[type-arg]  # not generic at run time
    new_secret = _Secret("App secret")
    new_verify_token = _Secret("Verify token")

    class Meta:
        model = MetaApp
        fields = ["tenant", "name", "app_id"]

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        if self.instance.pk is None:
            for field in ("new_secret", "new_verify_token"):
                if not data.get(field):
                    self.add_error(field, "Needed for a new app")
        return data


class _AccountForm(forms.ModelForm):  # type: ignore[type-arg]  # not generic at run time
    new_access_token = _Secret("Access token")

    class Meta:
        model = BusinessAccount
        fields = [
            "tenant",
            "customer",
            "waba_id",
            "business_id",
            "display_name",
            "status",
            "external_reference",
            "token_expires_at",
        ]


def _reset(row: User, data: Mapping[str, Any]) -> Done:
    second_factor.reset(row)
    return Done("Reset: they sign in again, and set up a second factor.")


@admin.register(User)
class UserAdmin(Acting, DjangoUserAdmin, TenantRecordAdmin):  # type: ignore[misc, type-arg]  # two bases
    tenant_path = ""
    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm
    ordering = ["username"]
    fieldsets = (*(DjangoUserAdmin.fieldsets or ()), ("Tenants", {"fields": ["sees_all_tenants"]}))
    acts = (
        Act(
            "reset", "Reset the second factor", "The person enrols anew; their open sessions end.",
            "user.second_factor_reset", _reset, ReasonForm,
        ),
    )  # fmt: skip

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).filter(pk__in=access.people_of(user_of(request)))

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        """Nobody gives themselves, or others, more than they have."""
        user = user_of(request)
        if user.is_superuser:
            return []
        wider = [] if access.sees_all(user) else ["groups", "is_staff", "sees_all_tenants"]
        return ["is_superuser", "user_permissions", *wider]

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        is_above = obj is not None and access.outranks(obj, user=user_of(request))
        return super().has_change_permission(request, obj) and not is_above

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False  # the trail names them: take is_active away instead

    def may_act(self, request: HttpRequest, row: Any = None) -> bool:
        return self.has_change_permission(request, row)


admin.site.register(Tenant, TenantAdmin)
admin.site.register(ApiKey, ApiKeyAdmin)


@admin.register(Member)
class MemberAdmin(TenantRecordAdmin):
    when_empty = "Nobody yet. Add the people of a tenant, so that it is known whom to ask."
    fieldsets = [
        (
            None,
            {
                "fields": ["user", "tenant", "role"],
                "description": "Whom to ask about a tenant, as what. It opens nothing: grants and groups do.",
            },
        )
    ]
    ordering = ["-id"]
    list_display = ["user", "tenant", "role"]
    list_select_related = ["user", "tenant"]
    autocomplete_fields = ["user", "tenant"]


@admin.register(Customer)
class CustomerAdmin(TenantRecordAdmin):
    """Suspended, not deleted: its numbers and their messages hang on it."""

    ordering = ["-id"]
    list_display = ["name", "tenant", "status", "is_default"]
    list_select_related = ["tenant"]
    search_fields = ["name", "external_id"]
    autocomplete_fields = ["tenant"]

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False  # with it would go every message of its numbers: suspend it


@admin.register(MetaApp)
class MetaAppAdmin(TenantRecordAdmin):
    when_empty = (
        "No app of Meta's yet. Add the app whose secret signs your callbacks: unsigned ones are refused."
    )
    form = _MetaAppForm
    ordering = ["-id"]
    list_display = ["name", "app_id", "tenant"]
    list_select_related = ["tenant"]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        return ["app_id", "tenant"] if obj else []  # the sealed values are bound to both

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        """An app without a tenant speaks for everybody's numbers: only who sees all may add one."""
        form = super().get_form(request, obj, change=change, **kwargs)
        if "tenant" in form.base_fields and not access.sees_all(user_of(request)):
            form.base_fields["tenant"].required = True
        return form

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        if secret := form.cleaned_data["new_secret"]:
            obj.secret = secret
        if token := form.cleaned_data["new_verify_token"]:
            obj.verify_token = token
        super().save_model(request, obj, form, change)


@admin.register(BusinessAccount)
class BusinessAccountAdmin(Acting, TenantRecordAdmin):  # type: ignore[misc]  # unfold narrows what Django wrote
    when_empty = "No account yet. Connect a number under Phone numbers: its account comes with it."
    form = _AccountForm
    acts = OF_ACCOUNT
    ordering = ["-id"]
    list_display = [
        "display_name",
        "waba_id",
        "tenant",
        "status",
        "messaging_limit",
        "is_sandbox",
        "token_expires_at",
    ]
    list_select_related = ["tenant"]
    list_filter = ["status", "is_sandbox"]
    search_fields = ["waba_id__exact", "display_name"]
    autocomplete_fields = ["tenant", "customer"]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        return ["waba_id", "tenant"] if obj else []  # the sealed token is bound to both

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        if token := form.cleaned_data["new_access_token"]:
            obj.access_token = token
        super().save_model(request, obj, form, change)
        if token:
            numbers.token_replaced(obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False  # with it would go every message of its numbers: suspend it


@admin.register(Grant)
class GrantAdmin(TenantRecordAdmin):
    when_empty = "No grant yet. Add one for each person and tenant, for who does not see all tenants."
    ordering = ["-id"]
    list_display = ["user", "tenant", "created_at"]
    list_select_related = ["user", "tenant"]
    autocomplete_fields = ["user", "tenant"]


@admin.register(AuditEvent)
class AuditEventAdmin(TenantLogAdmin):
    when_empty = "Nothing is on record yet. Every change, export and revealed number will be."
    ordering = ["-id"]
    list_display = ["at", "actor", "what", "subject", "reason", "request_id"]
    search_fields = ["actor__exact", "subject_id__exact", "request_id__exact"]
    search_help_text = (
        f"A person's name, a record's id or a request id, whole; the newest {_FOUND_MAX} of each"
    )

    @admin.display(description="action")
    def what(self, event: AuditEvent) -> str:
        """What was done, in words: "phone number: connection refused"."""
        noun, _, verb = event.action.partition(".")
        return f"{_nouns().get(noun, noun)}: {verb.replace('_', ' ')}"

    def get_search_results(self, request: HttpRequest, queryset: Any, search_term: str) -> Any:
        """Each meaning is one probe of an index; together they would be a walk through the whole trail."""
        term = search_term.strip()
        if not term:
            return queryset, False
        probes = (queryset.filter(**{field: term}) for field in self.search_fields)
        found = [
            pk for rows in probes for pk in rows.order_by("-pk").values_list("pk", flat=True)[:_FOUND_MAX]
        ]
        return queryset.filter(pk__in=found), False
