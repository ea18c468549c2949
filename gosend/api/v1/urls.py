"""The native dialect's map."""

from django.urls import path

from gosend.api.v1 import me, messages, webhooks

urlpatterns = [
    path("me", me.MeDetail.as_view(), name="v1.me"),
    path("messages", messages.MessageList.as_view(), name="v1.messages"),
    # A path, because a wamid may hold slashes; so this stands behind whatever begins alike.
    path("messages/<path:message_id>", messages.MessageDetail.as_view(), name="v1.message"),
    path("webhooks", webhooks.WebhookList.as_view(), name="v1.webhooks"),
    path("webhooks/<str:webhook_id>", webhooks.WebhookDetail.as_view(), name="v1.webhook"),
    path(
        "webhooks/<str:webhook_id>/deliveries",
        webhooks.WebhookDeliveries.as_view(),
        name="v1.webhook_deliveries",
    ),
]
