"""Act on a message that exists: edit, revoke, react, forward."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework.response import Response

from gosend.api import errors, schema
from gosend.api.sessions import bodies, content, envelope, forwards, jids, sending
from gosend.api.sessions.view import SessionView, body_of, session_of
from gosend.api.view import TenantRequest
from messaging import recall
from messaging.models import Message

_CHAT = {"type": "string", "description": "The chat's JID; it must be the message's own."}
_SENDER = {"type": "string", "description": "Who wrote the message; empty for an own one."}
_SENT = {200: envelope.SendResult, 202: envelope.SendResult}


class MessageDetail(SessionView):
    scopes = {"PATCH": "send", "DELETE": "send"}

    @extend_schema(
        operation_id="sessions.messages.edit",
        summary="Edit a text that still waits",
        description="Real while the message is queued. Once WhatsApp has it: 409 `unsupported_by_channel`,"
        " because the Cloud API cannot edit.",
        tags=["Actions"],
        parameters=[bodies.SESSION, bodies.MESSAGE],
        request={"application/json": bodies.an_object(["text"], chat=_CHAT, text={"type": "string"})},
        responses=bodies.answers({200: envelope.SendResult}, 400, 404, 409, 413, 415),
    )
    def patch(self, request: TenantRequest, session_id: str, message_id: str) -> Response:
        message = _own_chat(request, sending.find(session_of(request, session_id), message_id))
        edited = recall.edit(message=message, content=content.text(body_of(request).get("text")))
        return Response(sending.result(request, edited))

    @extend_schema(
        operation_id="sessions.messages.revoke",
        summary="Take back a message that still waits",
        description="Real while the message is queued: it is never sent. Once WhatsApp has it: 409"
        " `unsupported_by_channel`, because the Cloud API cannot delete.",
        tags=["Actions"],
        parameters=[bodies.SESSION, bodies.MESSAGE],
        responses=bodies.answers({200: envelope.SendResult}, 400, 404, 409),
    )
    def delete(self, request: TenantRequest, session_id: str, message_id: str) -> Response:
        message = sending.find(session_of(request, session_id), message_id)
        return Response(sending.result(request, recall.revoke(message=message)))


class MessageReaction(SessionView):
    scopes = {"POST": "send", "DELETE": "send"}
    is_transactional = False

    @extend_schema(
        operation_id="sessions.messages.react",
        summary="React with an emoji",
        description="Takes the place of an earlier reaction of ours.",
        tags=["Actions"],
        parameters=[bodies.SESSION, bodies.MESSAGE, bodies.ASYNC, schema.IDEMPOTENCY_KEY],
        request={
            "application/json": bodies.an_object(
                ["emoji"], chat=_CHAT, sender=_SENDER, emoji={"type": "string"}
            )
        },
        responses=bodies.answers(_SENT, 400, 404, 409, 413, 415, 422, 503),
    )
    def post(self, request: TenantRequest, session_id: str, message_id: str) -> Response:
        emoji = body_of(request).get("emoji")
        if not isinstance(emoji, str) or not emoji:
            raise errors.MissingField("emoji is required", details={"field": "emoji"})
        return _react(request, session_id, message_id, emoji)

    @extend_schema(
        operation_id="sessions.messages.unreact",
        summary="Take a reaction back",
        tags=["Actions"],
        parameters=[bodies.SESSION, bodies.MESSAGE, bodies.ASYNC],
        responses=bodies.answers(_SENT, 400, 404, 409, 422, 503),
    )
    def delete(self, request: TenantRequest, session_id: str, message_id: str) -> Response:
        return _react(request, session_id, message_id, "")

    def answer_late(self, message_id: int) -> Response:
        return sending.late(self.request, message_id)


class MessageForward(SessionView):
    scopes = {"POST": "send"}
    is_transactional = False

    @extend_schema(
        operation_id="sessions.messages.forward",
        summary="Forward a message to another chat",
        description="Sends the same content anew, files included; WhatsApp shows no forwarded label on it."
        " 409 `media_gone` where a file is not kept any more.",
        tags=["Actions"],
        parameters=[bodies.SESSION, bodies.MESSAGE, bodies.ASYNC, schema.IDEMPOTENCY_KEY],
        request={
            "application/json": bodies.an_object(
                ["to"], chat=_CHAT, sender=_SENDER, to={"type": "string", "minLength": 1}
            )
        },
        responses=bodies.answers(_SENT, 400, 404, 409, 410, 413, 415, 422, 503),
    )
    def post(self, request: TenantRequest, session_id: str, message_id: str) -> Response:
        number = session_of(request, session_id)
        message = _own_chat(request, sending.find(number, message_id))
        to = jids.read(body_of(request).get("to"), field="to")
        sent = sending.hand_over(
            request, number=number, to=to, make=lambda: forwards.content_of(request, message)
        )
        extra = sending.Extra(
            warnings=["forwarded_label_not_supported"], forwarded_from=message.wamid or str(message.pk)
        )
        return sending.answer(request, sent, extra)

    def answer_late(self, message_id: int) -> Response:
        return sending.late(self.request, message_id)


def _react(request: TenantRequest, session_id: str, message_id: str, emoji: str) -> Response:
    number = session_of(request, session_id)
    message = sending.find(number, message_id)
    value = {"message_id": sending.require_wamid(message), "emoji": emoji}
    reaction = content.parse("reaction", value)
    sent = sending.hand_over(request, number=number, to=message.peer, make=lambda: reaction)
    return sending.answer(request, sent)


def _own_chat(request: TenantRequest, message: Message) -> Message:
    """The message, if the chat that the client names is its own; without one the id says enough."""
    chat: Any = body_of(request).get("chat")
    if chat and jids.read(chat, field="chat") != message.peer:
        raise errors.NotFound("No message with this id in this chat")
    return message
