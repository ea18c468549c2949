"""The console's pages for messages, conversations and Meta's callbacks: `messaging/console/`."""

from django.contrib import admin

from messaging.console.conversation_page import ContactAdmin, ConversationAdmin
from messaging.console.message_page import MessageAdmin
from messaging.console.meta_event_page import MetaEventAdmin
from messaging.models import Contact, Conversation, Message, MetaEvent

admin.site.register(Message, MessageAdmin)
admin.site.register(Conversation, ConversationAdmin)
admin.site.register(Contact, ContactAdmin)
admin.site.register(MetaEvent, MetaEventAdmin)
