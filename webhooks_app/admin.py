"""Endpoints and their deliveries, to look at; and numbers, whose coming and going projects are told."""

from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest

from accounts.console import TenantLogAdmin, TenantRecordAdmin
from accounts.models import PhoneNumber
from webhooks_app import numbers
from webhooks_app.models import Attempt, Delivery, Event, Replay, WebhookEndpoint


@admin.register(PhoneNumber)
class PhoneNumberAdmin(TenantRecordAdmin):
    """A number is connected here, and disconnected; deleting it would delete its messages."""

    list_display = ["display_phone_number", "tenant", "status", "quality_rating", "throughput_tier"]
    list_select_related = ["tenant"]
    list_filter = ["status", "quality_rating", "is_sandbox"]
    search_fields = ["phone_number_id__exact", "display_phone_number_normalized__exact"]
    autocomplete_fields = ["tenant", "business_account"]
    readonly_fields = ["is_sandbox"]
    actions = ["disconnect"]

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        numbers.keep(number=obj)

    @admin.action(description="Disconnect the chosen numbers", permissions=["change"])
    def disconnect(self, request: HttpRequest, queryset: QuerySet[PhoneNumber]) -> None:
        for number in queryset.select_related("business_account"):
            numbers.disconnect(number=number)
        messages.success(request, "Disconnected; they neither send nor count as connected any more.")


@admin.register(WebhookEndpoint)
class WebhookEndpointAdmin(TenantLogAdmin):
    ordering = ("-id",)
    list_display = ("id", "tenant", "phone_number", "url", "type", "is_enabled", "failing_since")
    list_filter = ("is_enabled", "type")
    list_select_related = ("tenant", "phone_number")
    search_fields = ("url",)
    exclude = ("sealed_secret", "sealed_previous_secret")


@admin.register(Event)
class EventAdmin(TenantLogAdmin):
    ordering = ("-id",)
    list_display = ("id", "tenant", "type", "occurred_at")
    list_filter = ("type",)
    list_select_related = ("tenant",)
    # The body is a customer's conversation: it is not for everyone who may look after deliveries.
    exclude = ("body",)


@admin.register(Delivery)
class DeliveryAdmin(TenantLogAdmin):
    ordering = ("-id",)
    list_display = ("delivery_id", "endpoint", "event", "status", "attempt_count", "next_attempt_at")
    list_filter = ("status", "ended_reason")
    list_select_related = ("endpoint", "event")
    search_fields = ("delivery_id",)
    exclude = ("claim_token",)


@admin.register(Attempt)
class AttemptAdmin(TenantLogAdmin):
    tenant_path = "delivery__tenant_id"
    ordering = ("-id",)
    list_display = ("id", "delivery", "number", "response_status", "error", "duration_ms", "started_at")
    list_select_related = ("delivery",)
    search_fields = ("delivery__delivery_id",)


@admin.register(Replay)
class ReplayAdmin(TenantLogAdmin):
    ordering = ("-id",)
    list_display = ("id", "endpoint", "wanted", "total", "replayed_count", "delivered_count", "finished_at")
    list_select_related = ("endpoint",)
