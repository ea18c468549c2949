"""Tenants: plan limits, what they used today, suspend and resume."""

from collections.abc import Mapping
from datetime import UTC, datetime, time
from typing import Any

from django.conf import settings
from django.db.models import Sum
from django.http import HttpRequest

from accounts import tenants
from accounts.acts import Act, Acting, Done, ReasonForm
from accounts.console import TenantRecordAdmin
from accounts.models import ApiKey, AuditEvent, KeyDay, Tenant

# Keys whose use of the day a tenant's page shows.
_KEYS_SHOWN = 20


def _suspend(row: Tenant, data: Mapping[str, Any]) -> Done:
    Tenant.objects.filter(pk=row.pk).update(status=Tenant.Status.SUSPENDED)
    return Done("Suspended: its sends are refused until it is resumed; what arrives is still taken in.")


def _resume(row: Tenant, data: Mapping[str, Any]) -> Done:
    Tenant.objects.filter(pk=row.pk).update(status=Tenant.Status.ACTIVE)
    return Done("Resumed: it may send again.")


class TenantAdmin(Acting, TenantRecordAdmin):  # type: ignore[misc]  # unfold narrows what Django wrote
    """A tenant is suspended, never deleted here: with it would go every message it ever sent."""

    tenant_path = "pk"
    ordering = ["-id"]
    list_display = ["name", "plan", "status", "created_at"]
    list_filter = ["status", "plan"]
    search_fields = ["name", "external_id"]
    exclude = ["sealed_webhook_secret"]
    readonly_fields = ["status"]
    acts = (
        Act(
            "suspend", "Suspend", "All its sends are refused with the code tenant_suspended.",
            "tenant.suspended", _suspend, ReasonForm, fits=lambda row: row.status == Tenant.Status.ACTIVE,
        ),
        Act(
            "resume", "Resume", "It may send again from now on.",
            "tenant.resumed", _resume, ReasonForm, fits=lambda row: row.status == Tenant.Status.SUSPENDED,
        ),
    )  # fmt: skip

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        if not change:  # so that its first test key has a number to send from
            tenants.furnish(obj)
            tenants.add_sandbox(tenant=obj)

    def panel(self, request: HttpRequest, row: Any) -> Mapping[str, Any]:
        told = AuditEvent.objects.filter(
            subject_type="accounts.Tenant", subject_id=str(row.pk), action="tenant.suspended"
        )
        return {
            "panel_template": "console/tenant_panel.html",
            "suspension": told.order_by("-id").first() if row.status == Tenant.Status.SUSPENDED else None,
            "today": _messages_today(row),
            "keys": _quota_today(row),
        }


def _messages_today(tenant: Tenant) -> list[tuple[str, int]]:
    """Messages by status since midnight UTC, from the hourly figures and never from the large table."""
    midnight = datetime.combine(datetime.now(UTC).date(), time.min, tzinfo=UTC)
    figures = tenant.hourly_figures.filter(measure="status", hour__gte=midnight)
    rows = figures.values_list("key").annotate(total=Sum("count")).order_by("-total")
    return [(str(key), int(total)) for key, total in rows[:20]]


def _quota_today(tenant: Tenant) -> list[dict[str, Any]]:
    """What each key has drawn of its day; a process may hold some that it has not used yet."""
    today = datetime.now(UTC).date()
    days = KeyDay.objects.filter(api_key__tenant=tenant, day=today).select_related("api_key")
    return [
        {"key": day.api_key, "drawn": day.drawn, "limit": _limit(tenant, day.api_key)}
        for day in days.order_by("-drawn")[:_KEYS_SHOWN]
    ]


def _limit(tenant: Tenant, key: ApiKey) -> int:
    if key.environment == ApiKey.Environment.TEST:
        return settings.API_DAILY_LIMITS["sandbox"]
    return tenant.requests_per_day or settings.API_DAILY_LIMITS[tenant.plan]
