"""Tenants: plan limits, what they used today, suspend and resume."""

from collections.abc import Mapping
from datetime import UTC, datetime, time
from typing import Any

from django.conf import settings
from django.contrib import admin
from django.db.models import OuterRef, QuerySet, Subquery, Sum
from django.http import HttpRequest

from accounts import access, tenants
from accounts.acts import Act, Acting, Done, ReasonForm
from accounts.console import TenantRecordAdmin, user_of
from accounts.health_page import CHECK_TENANT
from accounts.models import ApiKey, AuditEvent, Grant, KeyDay, Tenant

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

    when_empty = "No tenant yet. Add one: it gets a sandbox number, so that its first key can send at once."
    tenant_path = "pk"
    ordering = ["-id"]
    list_display = ["name", "plan", "standing", "messages_today", "limits", "created_at"]
    list_filter = ["status", "plan"]
    search_fields = ["name", "external_id"]
    exclude = ["sealed_webhook_secret"]
    readonly_fields = ["status"]
    acts = (
        CHECK_TENANT,
        Act(
            "suspend", "Suspend", "All its sends are refused with the code tenant_suspended.",
            "tenant.suspended", _suspend, ReasonForm, fits=lambda row: row.status == Tenant.Status.ACTIVE,
        ),
        Act(
            "resume", "Resume", "It may send again from now on.",
            "tenant.resumed", _resume, ReasonForm, fits=lambda row: row.status == Tenant.Status.SUSPENDED,
        ),
    )  # fmt: skip

    @admin.display(description="Status", ordering="status")
    def standing(self, row: Tenant) -> str:
        return f"{'✓' if row.status == Tenant.Status.ACTIVE else '✗'} {row.status}"

    @admin.display(description="Messages today (UTC)")
    def messages_today(self, row: Tenant) -> int:
        return int(getattr(row, "today", None) or 0)

    @admin.display(description="Limits of a live key")
    def limits(self, row: Tenant) -> str:
        a_second = row.requests_per_second or settings.API_RATE_LIMITS[row.plan]
        return f"{a_second:,} a second, {row.requests_per_day or settings.API_DAILY_LIMITS[row.plan]:,} a day"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        figures: Any = Tenant._meta.get_field("hourly_figures").related_model
        mine = figures._default_manager.filter(tenant=OuterRef("pk"), measure="status", hour__gte=_midnight())
        total = mine.values("tenant").annotate(total=Sum("count")).values("total")
        rows: QuerySet[Any] = super().get_queryset(request)
        counted: QuerySet[Any] = rows.annotate(today=Subquery(total))
        return counted

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        if not change:  # so that its first test key has a number to send from
            tenants.furnish(obj)
            tenants.add_sandbox(tenant=obj)
            if not access.sees_all(user_of(request)):  # or its maker would never see it again
                Grant.objects.create(user=user_of(request), tenant=obj)

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
    figures = tenant.hourly_figures.filter(measure="status", hour__gte=_midnight())
    rows = figures.values_list("key").annotate(total=Sum("count")).order_by("-total")
    return [(str(key), int(total)) for key, total in rows[:20]]


def _midnight() -> datetime:
    return datetime.combine(datetime.now(UTC).date(), time.min, tzinfo=UTC)


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
