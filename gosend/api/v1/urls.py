"""The native dialect's map."""

from django.urls import path

from gosend.api.v1 import (
    batch,
    conversations,
    deliveries,
    me,
    media,
    messages,
    phone_numbers,
    read_receipts,
    replays,
    templates,
    wabas,
    webhooks,
)

urlpatterns = [
    path("me", me.MeDetail.as_view(), name="v1.me"),
    path("media", media.MediaList.as_view(), name="v1.media"),
    path("media/<str:media_id>", media.MediaDetail.as_view(), name="v1.media_file"),
    path("messages", messages.MessageList.as_view(), name="v1.messages"),
    path("messages/batch", batch.MessageBatch.as_view(), name="v1.message_batch"),
    path("messages/<path:message_id>/read", read_receipts.MessageRead.as_view(), name="v1.message_read"),
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
    path("wabas", wabas.WabaList.as_view(), name="v1.wabas"),
    path("wabas/<str:waba_id>", wabas.WabaDetail.as_view(), name="v1.waba"),
    path(
        "wabas/<str:waba_id>/phone-numbers",
        phone_numbers.WabaPhoneNumbers.as_view(),
        name="v1.waba_phone_numbers",
    ),
    path("wabas/<str:waba_id>/templates", templates.TemplateList.as_view(), name="v1.templates"),
    path("wabas/<str:waba_id>/templates/sync", templates.TemplateSync.as_view(), name="v1.templates_sync"),
    path(
        "wabas/<str:waba_id>/templates/<str:template_id>",
        templates.TemplateDetail.as_view(),
        name="v1.template",
    ),
    path(
        "phone-numbers/<str:phone_number_id>",
        phone_numbers.PhoneNumberDetail.as_view(),
        name="v1.phone_number",
    ),
    path("webhooks", webhooks.WebhookList.as_view(), name="v1.webhooks"),
    path("webhooks/<str:webhook_id>", webhooks.WebhookDetail.as_view(), name="v1.webhook"),
    path(
        "webhooks/<str:webhook_id>/rotate-secret", webhooks.WebhookSecret.as_view(), name="v1.webhook_secret"
    ),
    path(
        "webhooks/<str:webhook_id>/previous-secret",
        webhooks.WebhookPreviousSecret.as_view(),
        name="v1.webhook_previous_secret",
    ),
    path("webhooks/<str:webhook_id>/test", deliveries.WebhookTest.as_view(), name="v1.webhook_test"),
    path("webhooks/<str:webhook_id>/deliveries", deliveries.DeliveryList.as_view(), name="v1.deliveries"),
    path(
        "webhooks/<str:webhook_id>/deliveries/<str:delivery_id>",
        deliveries.DeliveryDetail.as_view(),
        name="v1.delivery",
    ),
    path(
        "webhooks/<str:webhook_id>/deliveries/<str:delivery_id>/replay",
        deliveries.DeliveryReplay.as_view(),
        name="v1.delivery_replay",
    ),
    path("webhooks/<str:webhook_id>/replay", replays.ReplayList.as_view(), name="v1.webhook_replay"),
    path(
        "webhooks/<str:webhook_id>/replays/<str:replay_id>",
        replays.ReplayDetail.as_view(),
        name="v1.replay",
    ),
]
