"""The console's pages for messages and conversations (`messaging/console/`), and for Meta's callbacks."""

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest

from gosend.lib.console import LogAdmin
from messaging import ingest
from messaging.console.conversation_page import ContactAdmin, ConversationAdmin
from messaging.console.message_page import MessageAdmin
from messaging.models import Contact, Conversation, Message, MetaEvent

admin.site.register(Message, MessageAdmin)
admin.site.register(Conversation, ConversationAdmin)
admin.site.register(Contact, ContactAdmin)


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
