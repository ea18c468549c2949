"""Chats of a session: who there is, what was said, read receipts and the typing indicator."""

from datetime import datetime
from typing import Any

from django.db.models import Exists, F, OuterRef, Q, QuerySet
from drf_spectacular.utils import extend_schema
from pydantic import Field
from rest_framework.response import Response

from accounts.models import PhoneNumber
from gosend.api import errors, schema
from gosend.api.sessions import bodies, envelope, jids, pages, written
from gosend.api.sessions.view import SessionView, body_of, session_of
from gosend.api.view import TenantRequest
from messaging import idempotency, people, receipts
from messaging.models import Contact, Conversation, Message, ServiceWindow

_STATES = ("composing", "recording", "paused")


class Chat(envelope.Camel):
    """A person this session has exchanged messages with."""

    id: str | None = Field(description="Its JID; a business-scoped user id where there is no number.")
    jid: str | None
    name: str
    user_id: str | None
    last_message_at: int
    last_inbound_at: int | None
    window_expires_at: int | None = Field(description="Until then any type may be sent; null: templates.")


class ChatPage(envelope.Camel):
    """One page of chats."""

    data: list[Chat]
    next_cursor: str | None


class ReadResult(envelope.Camel):
    """How far a chat was marked as read."""

    chat_jid: str | None
    message_id: str | None = Field(
        description="The latest message of the customer's; null where there is none."
    )


class ChatList(SessionView):
    scopes = {"GET": "read"}

    @extend_schema(
        operation_id="sessions.chats.list",
        summary="List chats, the one begun latest first",
        description="By when each chat's latest conversation began: one that goes on keeps its place, and"
        " `lastMessageAt` says when the last message came.",
        tags=["Chats"],
        parameters=[bodies.SESSION, *bodies.PAGING],
        responses=bodies.answers({200: ChatPage}, 400, 404),
    )
    def get(self, request: TenantRequest, session_id: str) -> Response:
        number = session_of(request, session_id)
        later = Conversation.objects.filter(
            phone_number=number, contact=OuterRef("contact"), pk__gt=OuterRef("pk")
        )
        rows = Conversation.objects.filter(~Exists(later), phone_number=number).select_related("contact")
        return Response(pages.take(request, rows, lambda found: _chats(number, found)))


class ChatMessages(SessionView):
    scopes = {"GET": "read"}

    @extend_schema(
        operation_id="sessions.chats.messages",
        summary="List the messages of a chat, newest first",
        tags=["Chats"],
        parameters=[bodies.SESSION, bodies.CHAT, *bodies.PAGING],
        responses=bodies.answers({200: written.ChatMessagePage}, 400, 404, 409),
    )
    def get(self, request: TenantRequest, session_id: str, chat_id: str) -> Response:
        rows = of_chat(session_of(request, session_id), chat_id)
        rows = rows.select_related("phone_number", "content", "poll", "media_file")
        return Response(pages.take(request, rows, lambda found: [written.message(one) for one in found]))


class ChatRead(SessionView):
    scopes = {"POST": "send"}
    is_transactional = False  # Meta is called, and a transaction would wait for it

    @extend_schema(
        operation_id="sessions.chats.read",
        summary="Mark a chat as read",
        description="Sends a real read receipt for the customer's latest message, and all before it.",
        tags=["Chats"],
        parameters=[bodies.SESSION, bodies.CHAT, schema.IDEMPOTENCY_KEY],
        request=None,
        responses=bodies.answers({200: ReadResult}, 400, 404, 409, 413, 415, 422, 503),
    )
    def post(self, request: TenantRequest, session_id: str, chat_id: str) -> Response:
        exchanged = of_chat(session_of(request, session_id), chat_id)
        message = receipts.mark_all_read(messages=exchanged, environment=request.api_key.environment)
        if request.once is not None:
            idempotency.claim(request.once)
        read = ReadResult(
            chat_jid=jids.write(jids.read(chat_id, field="chat")),
            message_id=message.wamid if message else None,
        )
        return Response(read.wire())


class ChatPresence(SessionView):
    scopes = {"PUT": "send"}
    is_transactional = False

    @extend_schema(
        operation_id="sessions.chats.presence",
        summary="Show that an answer is being typed",
        description="`composing` shows it for 25 seconds at most, and marks the customer's latest message as"
        " read: WhatsApp does both or neither. `recording` and `paused` have no effect, as a Warning says.",
        tags=["Chats"],
        parameters=[bodies.SESSION, bodies.CHAT],
        request={
            "application/json": bodies.an_object(["state"], state={"type": "string", "enum": list(_STATES)})
        },
        responses=bodies.answers({204: None}, 400, 404, 409, 413, 415, 422, 503),
    )
    def put(self, request: TenantRequest, session_id: str, chat_id: str) -> Response:
        state = body_of(request).get("state")
        if state not in _STATES:
            raise errors.InvalidField(
                "state must be composing, recording or paused", details={"field": "state"}
            )
        message = receipts.latest_of(of_chat(session_of(request, session_id), chat_id))
        if state != "composing":
            return Response(
                status=204, headers={"Warning": f'299 - "{state} has no effect on the Cloud API"'}
            )
        if message is None:
            reason = "The typing indicator belongs to a message of the customer's, and there is none"
            raise jids.UnsupportedByChannel(reason, details={"reason": reason, "alternatives": []})
        receipts.mark_read(message=message, environment=request.api_key.environment, typing=True)
        return Response(status=204)


def of_chat(number: PhoneNumber, chat_id: str) -> "QuerySet[Message]":
    """The messages with one person, who may be known by number and by user id; none for a stranger."""
    peer = jids.read(chat_id, field="chat")
    known = Contact.objects.filter(
        Q(phone=peer) | Q(user_id=peer), business_account_id=number.business_account_id
    )
    person = known.select_related("merged_into").first()
    if person is None:
        raise errors.NotFound("No chat with this JID in this session")
    return Message.objects.filter(phone_number=number, tenant_id=number.tenant_id).filter(
        peer__in=people.peers(person.whole)
    )


def _chats(number: PhoneNumber, rows: list[Conversation]) -> list[dict[str, Any]]:
    windows = ServiceWindow.objects.filter(phone_number=number, contact__in=[row.contact_id for row in rows])
    ends = dict(windows.values_list("contact_id", F("expires_at")))
    return [_chat(row, ends.get(row.contact_id)) for row in rows]


def _chat(row: Conversation, window_ends_at: datetime | None) -> dict[str, Any]:
    jid, user_id = jids.of(row.contact)
    return Chat(
        id=jid or user_id,
        jid=jid,
        name=row.contact.name,
        user_id=user_id,
        last_message_at=envelope.milliseconds(row.last_message_at),
        last_inbound_at=envelope.optional_milliseconds(row.last_inbound_at),
        window_expires_at=envelope.optional_milliseconds(window_ends_at),
    ).wire()
