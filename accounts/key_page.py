"""API keys: made here and shown once; afterwards they can only be replaced or revoked."""

from collections.abc import Mapping
from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse

from accounts import keys
from accounts.acts import Act, Acting, Done, ReasonForm
from accounts.console import TenantRecordAdmin, note
from accounts.models import ApiKey


def _revoke(row: ApiKey, data: Mapping[str, Any]) -> Done:
    keys.revoke(key=row)
    return Done("Revoked; it is refused from now on.")


def _rotate(row: ApiKey, data: Mapping[str, Any]) -> Done:
    fresh, plaintext = keys.rotate(key=row)
    details = {"replaced_by": fresh.pk}
    return Done(
        "The new key has the same rights; the old one is refused from now on.", plaintext, (), details
    )


def _is_live(row: ApiKey) -> bool:
    return row.revoked_at is None


class ApiKeyAdmin(Acting, TenantRecordAdmin):  # type: ignore[misc]  # unfold narrows what Django wrote
    when_empty = "No key yet. Add one for a tenant; it is shown once. Test keys send to the sandbox only."
    ordering = ["-id"]
    list_display = [
        "label", "tenant", "dialect", "environment", "prefix", "last_four", "last_used_at", "expires_at",
        "revoked_at",
    ]  # fmt: skip
    list_select_related = ["tenant"]
    list_filter = ["environment", "dialect"]
    search_fields = ["label", "prefix__exact", "last_four__exact"]
    autocomplete_fields = ["tenant"]
    fields = ["tenant", "label", "dialect", "environment", "scopes", "expires_at", "allowed_networks"]
    actions = ["revoke"]
    acts = (
        Act("rotate", "Replace", "Makes a key with the same rights; this one stops at once.",
            "apikey.rotated", _rotate, ReasonForm, fits=_is_live),
        Act("revoke", "Revoke", "It is refused from the next request on, for good.",
            "apikey.revoked", _revoke, ReasonForm, fits=_is_live),
    )  # fmt: skip

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, str | list[str]]:
        return {**super().get_changeform_initial_data(request), "scopes": ",".join(keys.SCOPES)}

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        key, plaintext = keys.mint(
            tenant=obj.tenant,
            label=obj.label,
            environment=obj.environment,
            dialect=obj.dialect,
            scopes=obj.scopes,
            expires_at=obj.expires_at,
            allowed_networks=obj.allowed_networks,
        )
        obj.pk = key.pk
        obj.prefix, obj.last_four = key.prefix, key.last_four
        obj.plaintext = plaintext

    def response_add(self, request: HttpRequest, obj: Any, post_url_continue: Any = None) -> HttpResponse:
        """The only page that ever shows the key."""
        note(request, "secret.shown", subject=obj)
        # Without the row, whose name looks like half a key.
        done = Done(f"The key {obj.label}, shown this once:", obj.plaintext)
        return self.page(request, "The new key", done=done)

    @admin.action(description="Revoke the chosen keys", permissions=["add"])
    def revoke(self, request: HttpRequest, queryset: QuerySet[ApiKey]) -> None:
        for key in queryset:
            keys.revoke(key=key)
            note(request, "apikey.revoked", subject=key)
        messages.success(request, "Revoked; they are refused from now on.")
