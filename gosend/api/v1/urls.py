"""The native dialect's map."""

from django.urls import path

from gosend.api.v1 import me, media, messages, webhooks

urlpatterns = [
    path("me", me.MeDetail.as_view(), name="v1.me"),
    path("media", media.MediaList.as_view(), name="v1.media"),
    path("media/<str:media_id>", media.MediaDetail.as_view(), name="v1.media_file"),
    path("messages", messages.MessageList.as_view(), name="v1.messages"),
    path("messages/<str:message_id>", messages.MessageDetail.as_view(), name="v1.message"),
    path("webhooks", webhooks.WebhookList.as_view(), name="v1.webhooks"),
    path("webhooks/<str:webhook_id>", webhooks.WebhookDetail.as_view(), name="v1.webhook"),
    path(
        "webhooks/<str:webhook_id>/deliveries",
        webhooks.WebhookDeliveries.as_view(),
        name="v1.webhook_deliveries",
    ),
]
