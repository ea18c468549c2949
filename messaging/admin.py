"""The console's pages for messages, conversations and Meta's callbacks."""

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest

from accounts.console import TenantLogAdmin
from gosend.lib.console import LogAdmin
from messaging import ingest
from messaging.models import Contact, Conversation, Message, MetaEvent


@admin.register(Message)
class MessageAdmin(TenantLogAdmin):
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


@admin.register(MetaEvent)
class MetaEventAdmin(LogAdmin):
    list_display = ["id", "received_at", "handled_at", "attempt_count", "is_sandbox"]
    ordering = ["-id"]
    actions = ["replay"]

    @admin.action(description="Handle the chosen callbacks again")
    def replay(self, request: HttpRequest, queryset: QuerySet[MetaEvent]) -> None:
        for event in queryset:
            ingest.replay(event=event)
        messages.success(request, "They will be handled again within seconds.")
