"""Endpoints and their deliveries; and numbers, whose coming and going projects are told."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from accounts.console import TenantLogAdmin
from accounts.models import PhoneNumber
from webhooks_app.console.delivery_page import DeliveryAdmin, ReplayAdmin, by_delivery_id, of_endpoints
from webhooks_app.console.endpoint_page import WebhookEndpointAdmin
from webhooks_app.console.number_page import PhoneNumberAdmin
from webhooks_app.models import Attempt, Delivery, Event, Replay, WebhookEndpoint

admin.site.register(PhoneNumber, PhoneNumberAdmin)
admin.site.register(WebhookEndpoint, WebhookEndpointAdmin)
admin.site.register(Delivery, DeliveryAdmin)
admin.site.register(Replay, ReplayAdmin)


@admin.register(Event)
class EventAdmin(TenantLogAdmin):
    ordering = ("-id",)
    list_display = ("id", "tenant", "type", "occurred_at")
    list_select_related = ("tenant",)
    # The body is a customer's conversation: it is not for everyone who may look after deliveries.
    exclude = ("body",)


@admin.register(Attempt)
class AttemptAdmin(TenantLogAdmin):
    tenant_path = "delivery__tenant_id"
    narrow = staticmethod(of_endpoints)
    ordering = ("-id",)
    list_display = ("id", "delivery", "number", "response_status", "error", "duration_ms", "started_at")
    list_select_related = ("delivery",)
    search_fields = ("delivery__delivery_id__exact",)
    # What the receiver answered may hold a customer's number: the delivery's page masks it.
    exclude = ("response_body", "response_headers")

    def get_search_results(self, request: HttpRequest, queryset: Any, search_term: str) -> Any:
        return by_delivery_id(queryset, search_term, path="delivery__"), False
