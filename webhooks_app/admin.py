"""Endpoints and their deliveries, to look at."""

from django.contrib import admin

from accounts.console import TenantLogAdmin
from webhooks_app.models import Attempt, Delivery, Event, Replay, WebhookEndpoint


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
