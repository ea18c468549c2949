"""The session gateway's map."""

from django.urls import path

from gosend.api.sessions import (
    actions,
    chats,
    contacts,
    deliveries,
    media,
    messages,
    refused,
    sessions,
    votes,
    webhooks,
)

_MESSAGE = "sessions/<str:session_id>/messages/<path:message_id>"

urlpatterns = [
    path("sessions", sessions.SessionList.as_view(), name="sessions.list"),
    path("sessions/<str:session_id>:start", sessions.SessionStart.as_view(), name="sessions.start"),
    path("sessions/<str:session_id>:stop", sessions.SessionStop.as_view(), name="sessions.stop"),
    path("sessions/<str:session_id>:restart", sessions.SessionRestart.as_view(), name="sessions.restart"),
    path("sessions/<str:session_id>:logout", sessions.SessionLogout.as_view(), name="sessions.logout"),
    path("sessions/<str:session_id>", sessions.SessionDetail.as_view(), name="sessions.session"),
    path(
        "sessions/<str:session_id>/capabilities",
        sessions.SessionCapabilities.as_view(),
        name="sessions.capabilities",
    ),
    path("sessions/<str:session_id>/qr", sessions.SessionQr.as_view(), name="sessions.qr"),
    path(
        "sessions/<str:session_id>/pairing-code",
        sessions.SessionPairingCode.as_view(),
        name="sessions.pairing_code",
    ),
    path("sessions/<str:session_id>/messages", messages.MessageList.as_view(), name="sessions.messages"),
    # Paths, because a wamid may hold slashes; so the longer ones stand first.
    path(f"{_MESSAGE}/reaction", actions.MessageReaction.as_view(), name="sessions.reaction"),
    path(f"{_MESSAGE}/forward", actions.MessageForward.as_view(), name="sessions.forward"),
    path(f"{_MESSAGE}/vote", votes.MessageVote.as_view(), name="sessions.vote"),
    path(f"{_MESSAGE}/poll", votes.MessagePoll.as_view(), name="sessions.poll"),
    path(_MESSAGE, actions.MessageDetail.as_view(), name="sessions.message"),
    path("sessions/<str:session_id>/chats", chats.ChatList.as_view(), name="sessions.chats"),
    path(
        "sessions/<str:session_id>/chats/<str:chat_id>/messages",
        chats.ChatMessages.as_view(),
        name="sessions.chat_messages",
    ),
    path(
        "sessions/<str:session_id>/chats/<str:chat_id>/read",
        chats.ChatRead.as_view(),
        name="sessions.chat_read",
    ),
    path(
        "sessions/<str:session_id>/chats/<str:chat_id>/presence",
        chats.ChatPresence.as_view(),
        name="sessions.presence",
    ),
    path(
        "sessions/<str:session_id>/chats/<str:chat_id>", refused.ChatSettings.as_view(), name="sessions.chat"
    ),
    path("realtime/ticket", refused.RealtimeTicket.as_view(), name="sessions.realtime_ticket"),
    path("sessions/<str:session_id>/contacts", contacts.ContactList.as_view(), name="sessions.contacts"),
    path("media/<str:media_id>", media.MediaDetail.as_view(), name="sessions.media"),
    path("webhooks", webhooks.WebhookList.as_view(), name="sessions.webhooks"),
    path("webhooks/<str:webhook_id>", webhooks.WebhookDetail.as_view(), name="sessions.webhook"),
    path(
        "webhooks/<str:webhook_id>/deliveries",
        deliveries.DeliveryList.as_view(),
        name="sessions.deliveries",
    ),
    path(
        "webhooks/<str:webhook_id>/deliveries/<str:delivery_id>/replay",
        deliveries.DeliveryReplay.as_view(),
        name="sessions.delivery_replay",
    ),
]
