"""The native dialect's map."""

from django.urls import path

from gosend.api.v1 import conversations, me, messages, webhooks

urlpatterns = [
    path("me", me.MeDetail.as_view(), name="v1.me"),
    path("messages", messages.MessageList.as_view(), name="v1.messages"),
    # A path, because a wamid may hold slashes; so this stands behind whatever begins alike.
    path("messages/<path:message_id>", messages.MessageDetail.as_view(), name="v1.message"),
    path("conversations", conversations.ConversationList.as_view(), name="v1.conversations"),
    path(
        "conversations/<str:conversation_id>",
        conversations.ConversationDetail.as_view(),
        name="v1.conversation",
    ),
    path(
        "conversations/<str:conversation_id>/close",
        conversations.ConversationClose.as_view(),
        name="v1.conversation_close",
    ),
    path("webhooks", webhooks.WebhookList.as_view(), name="v1.webhooks"),
    path("webhooks/<str:webhook_id>", webhooks.WebhookDetail.as_view(), name="v1.webhook"),
    path(
        "webhooks/<str:webhook_id>/deliveries",
        webhooks.WebhookDeliveries.as_view(),
        name="v1.webhook_deliveries",
    ),
]
