"""Endpoints and their deliveries, to look at."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from unfold.admin import ModelAdmin

from webhooks_app.models import Attempt, Delivery, Event, WebhookEndpoint


class _ReadOnly(ModelAdmin):  # type: ignore[misc]
    show_full_result_count = False
    ordering = ("-id",)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(WebhookEndpoint)
class WebhookEndpointAdmin(_ReadOnly):
    list_display = ("id", "tenant", "phone_number", "url", "type", "is_enabled", "failing_since")
    list_filter = ("is_enabled", "type")
    list_select_related = ("tenant", "phone_number")
    search_fields = ("url",)
    exclude = ("sealed_secret", "sealed_previous_secret")


@admin.register(Event)
class EventAdmin(_ReadOnly):
    list_display = ("id", "tenant", "type", "occurred_at")
    list_filter = ("type",)
    list_select_related = ("tenant",)
    # The body is a customer's conversation: it is not for everyone who may look after deliveries.
    exclude = ("body",)


@admin.register(Delivery)
class DeliveryAdmin(_ReadOnly):
    list_display = ("delivery_id", "endpoint", "event", "status", "attempt_count", "next_attempt_at")
    list_filter = ("status", "ended_reason")
    list_select_related = ("endpoint", "event")
    search_fields = ("delivery_id",)
    exclude = ("claim_token",)


@admin.register(Attempt)
class AttemptAdmin(_ReadOnly):
    list_display = ("id", "delivery", "number", "response_status", "error", "duration_ms", "started_at")
    list_select_related = ("delivery",)
    search_fields = ("delivery__delivery_id",)
