"""The lists of conversations and contacts, and the page of one conversation."""

from typing import Any

from django.contrib import admin, messages
from django.db.models.functions import Coalesce
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse

from accounts import access
from accounts.console import TenantLogAdmin, note, user_of
from gosend.lib import ids, phone
from messaging import people
from messaging.console import chat, masking
from messaging.console.masking import REVEALED_SECONDS, Revealing
from messaging.models import Contact, Conversation

# Contacts of one number that a search looks through: one for each account that knows it.
_CONTACTS_MAX = 100


class ConversationAdmin(Revealing, TenantLogAdmin):  # type: ignore[misc]  # unfold narrows what Django wrote
    when_empty = (
        "No conversation yet. One begins with the first message; on a sandbox number let a customer write."
    )
    list_display = [
        "id",
        "who",
        "tenant",
        "phone_number",
        "status",
        "messages_count",
        "last_message_at",
    ]
    list_select_related = ["contact", "tenant", "phone_number"]
    ordering = ["-id"]
    search_help_text = "The customer's whole number, or user id"
    search_fields = ["contact__phone__exact", "contact__user_id__exact"]

    @admin.display(description="contact")
    def who(self, conversation: Conversation) -> str:
        return str(conversation.contact)

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).select_related("contact", "tenant", "phone_number", "customer")

    def get_search_results(self, request: HttpRequest, queryset: Any, search_term: str) -> Any:
        contacts = _known(search_term, request)
        return (queryset.filter(contact__in=contacts) if contacts is not None else queryset), False

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """The conversation as a chat."""
        conversation = self.get_object(request, object_id)
        if conversation is None or not self.has_view_permission(request, conversation):
            return self.no_such(request, object_id)
        note(request, "conversation.viewed", subject=conversation)
        veil = masking.veil(request)
        before, after = (ids.parse_id(request.GET.get(name, "")) for name in ("before", "after"))
        contact = conversation.contact
        context = {
            **self.admin_site.each_context(request),
            "title": f"Conversation with {contact}",
            "opts": self.opts,
            "conversation": conversation,
            "contact": contact,
            "peer": veil.number(contact.phone or contact.user_id, record=conversation),
            "is_masked": veil.hides(conversation),
            "object_id": object_id,
            "revealed_minutes": REVEALED_SECONDS // 60,
            "chat": chat.read(conversation, veil=veil, before=before, after=after),
        }
        return TemplateResponse(request, "console/conversation.html", context)


class ContactAdmin(Revealing, TenantLogAdmin):  # type: ignore[misc]  # the same
    when_empty = "No contact yet. They come with the first messages."
    list_display = ["called", "number", "tenant", "created_at"]
    list_select_related = ["tenant"]
    ordering = ["-id"]
    search_help_text = "The whole number, or user id"
    search_fields = ["phone__exact", "user_id__exact"]

    @admin.display(description="name")
    def called(self, contact: Contact) -> str:
        return contact.name or "(no name)"

    @admin.display(description="number")
    def number(self, contact: Contact) -> str:
        return phone.mask(contact.phone or contact.user_id)

    def get_search_results(self, request: HttpRequest, queryset: Any, search_term: str) -> Any:
        contacts = _known(search_term, request)
        queryset = people.unmerged(queryset)
        return (queryset.filter(pk__in=contacts) if contacts is not None else queryset), False

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        contact = self.get_object(request, object_id)
        if contact is None or not self.has_view_permission(request, contact):
            return self.no_such(request, object_id)
        if contact.merged_into_id is not None:
            messages.info(request, f"Contact {contact.pk} turned out to be this one.")
            return redirect(reverse("admin:messaging_contact_change", args=[contact.merged_into_id]))
        note(request, "contact.viewed", subject=contact)
        veil = masking.veil(request)
        context = {
            **self.admin_site.each_context(request),
            "title": str(contact),
            "opts": self.opts,
            "contact": contact,
            "object_id": object_id,
            "peer": veil.number(contact.phone, record=contact),
            "user_id": veil.number(contact.user_id, record=contact),
            "is_masked": veil.hides(contact),
            "revealed_minutes": REVEALED_SECONDS // 60,
            "conversations": contact.conversations.select_related("phone_number").order_by("-pk")[:20],
        }
        return TemplateResponse(request, "console/contact.html", context)


def _known(term: str, request: HttpRequest) -> list[int] | None:
    """The contacts that a whole number or user id names, or named; None when nothing was asked."""
    text = phone.plain(term.strip())
    if not text:
        return None
    by = {"user_id": text} if phone.is_user_id(text) else {"phone": text}
    rows = access.narrow(Contact.objects.filter(**by), user=user_of(request), path="tenant_id")
    whole = Coalesce("merged_into", "pk")
    return list(rows.order_by("pk").values_list(whole, flat=True)[:_CONTACTS_MAX])
