"""What a linked device or its gateway has and this one has not: refused with the reason."""

from drf_spectacular.utils import extend_schema
from rest_framework.response import Response

from gosend.api import schema
from gosend.api.sessions import bodies, chats, jids
from gosend.api.sessions.view import SessionView, session_of
from gosend.api.view import TenantRequest


class RealtimeTicket(SessionView):
    scopes = {"POST": "read"}

    @extend_schema(
        operation_id="sessions.realtime.ticket",
        summary="Refused: there is no realtime stream",
        description="409 `unsupported_by_channel`. Webhooks tell the same events, and miss none.",
        tags=["Webhooks"],
        parameters=[schema.IDEMPOTENCY_KEY],
        request=None,
        responses=bodies.answers({}, 400, 409, 413, 415),
    )
    def post(self, request: TenantRequest) -> Response:
        raise _unsupported(
            "No realtime stream is offered: it would hold a thread of the web server for each listener",
            "POST /api/v1/webhooks: events are kept, repeated and replayed",
        )


class ChatSettings(SessionView):
    scopes = {"PATCH": "send"}

    @extend_schema(
        operation_id="sessions.chats.update",
        summary="Refused: a chat cannot be archived, pinned or muted",
        tags=["Chats"],
        parameters=[bodies.SESSION, bodies.CHAT],
        request={"application/json": bodies.an_object()},
        responses=bodies.answers({}, 400, 404, 409, 413, 415),
    )
    def patch(self, request: TenantRequest, session_id: str, chat_id: str) -> Response:
        chats.of_chat(session_of(request, session_id), chat_id)
        raise _unsupported("The Cloud API cannot archive, pin or mute a chat: a phone's own list does that")


def _unsupported(reason: str, *alternatives: str) -> jids.UnsupportedByChannel:
    return jids.UnsupportedByChannel(reason, details={"reason": reason, "alternatives": list(alternatives)})
