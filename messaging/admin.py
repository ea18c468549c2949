"""The console's pages for messages, conversations and Meta's callbacks."""

from django.contrib import admin

from accounts.acts import Acting
from accounts.console import TenantLogAdmin
from messaging.console import settling
from messaging.console.meta_event_page import MetaEventAdmin
from messaging.models import Contact, Conversation, Message, MetaEvent

admin.site.register(MetaEvent, MetaEventAdmin)


@admin.register(Message)
class MessageAdmin(Acting, TenantLogAdmin):  # type: ignore[misc]  # unfold narrows what Django wrote
    acts = settling.ACTS
    list_display = ["id", "created_at", "direction", "type", "status", "peer", "tenant", "phone_number"]
    list_select_related = ["tenant", "phone_number"]
    ordering = ["-id"]
    search_fields = ["wamid__exact", "peer__exact", "request_id__exact"]


@admin.register(Conversation)
class ConversationAdmin(TenantLogAdmin):
    list_display = ["id", "contact", "phone_number", "status", "messages_count", "last_message_at"]
    list_select_related = ["contact", "phone_number"]
    ordering = ["-id"]


@admin.register(Contact)
class ContactAdmin(TenantLogAdmin):
    list_display = ["name", "phone", "user_id", "tenant"]
    list_select_related = ["tenant"]
    ordering = ["-id"]
    search_fields = ["phone__exact", "user_id__exact"]
