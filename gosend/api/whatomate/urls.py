"""Whatomate's map."""

from django.urls import path

from gosend.api.whatomate import accounts, contacts, media, messages, receipts, template_sends, templates

urlpatterns = [
    path("me", accounts.KeyCheck.as_view(), name="whatomate.me"),
    path("accounts", accounts.AccountList.as_view(), name="whatomate.accounts"),
    path("accounts/<str:account_id>", accounts.AccountDetail.as_view(), name="whatomate.account"),
    path("contacts", contacts.ContactList.as_view(), name="whatomate.contacts"),
    path("contacts/<str:contact_id>", contacts.ContactDetail.as_view(), name="whatomate.contact"),
    path(
        "contacts/<str:contact_id>/messages",
        messages.ContactMessages.as_view(),
        name="whatomate.contact_messages",
    ),
    path(
        "contacts/<str:contact_id>/mark-read",
        receipts.ContactRead.as_view(),
        name="whatomate.contact_read",
    ),
    path(
        "contacts/<str:contact_id>/messages/<path:message_id>/reaction",
        messages.MessageReaction.as_view(),
        name="whatomate.reaction",
    ),
    path("messages/template", template_sends.TemplateSend.as_view(), name="whatomate.template_send"),
    path("messages/media", media.MediaSend.as_view(), name="whatomate.media_send"),
    path("messages/<path:message_id>/read", receipts.MessageRead.as_view(), name="whatomate.message_read"),
    path("media/<path:message_id>", media.MediaOfMessage.as_view(), name="whatomate.media"),
    path("templates", templates.TemplateList.as_view(), name="whatomate.templates"),
    path("templates/<str:template_id>", templates.TemplateDetail.as_view(), name="whatomate.template"),
]
