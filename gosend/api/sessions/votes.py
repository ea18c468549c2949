"""Polls: who chose what, and a vote of the session's own."""

from typing import Any

from drf_spectacular.utils import extend_schema
from pydantic import Field
from rest_framework.response import Response

from gosend.api import errors, schema
from gosend.api.sessions import bodies, content, envelope, jids, sending
from gosend.api.sessions.view import SessionView, body_of, session_of
from gosend.api.view import TenantRequest
from messaging import polls
from messaging.models import Message, Poll


class PollOption(envelope.Camel):
    """One option and how many chose it."""

    name: str
    votes: int
    voters: list[str | None]


class PollTally(envelope.Camel):
    """A poll as it stands: not WhatsApp's own kind, so voters do not see each other's votes."""

    id: str
    message_id: str | None
    name: str
    options: list[PollOption]
    selectable_count: int
    total_voters: int
    rendered_as: str = Field(description="`buttons`, `list` or `text`.")
    created_at: int


class MessagePoll(SessionView):
    scopes = {"GET": "read"}

    @extend_schema(
        operation_id="sessions.messages.poll",
        summary="Count the votes on a poll",
        tags=["Polls"],
        parameters=[bodies.SESSION, bodies.MESSAGE],
        responses=bodies.answers({200: PollTally}, 404, 409),
    )
    def get(self, request: TenantRequest, session_id: str, message_id: str) -> Response:
        return Response(_tally(_poll_of(sending.find(session_of(request, session_id), message_id))))


class MessageVote(SessionView):
    scopes = {"POST": "send"}

    @extend_schema(
        operation_id="sessions.messages.vote",
        summary="Vote on a poll of the session's own",
        description="`options` is the complete set; an empty one takes the vote back. It is counted and told"
        " by `poll.vote`; nobody on WhatsApp sees it. On a customer's poll: 409, a business cannot vote.",
        tags=["Polls"],
        parameters=[bodies.SESSION, bodies.MESSAGE, schema.IDEMPOTENCY_KEY],
        request={
            "application/json": bodies.an_object(
                ["options"],
                chat={"type": "string"},
                sender={"type": "string"},
                options={"type": "array", "items": {"type": "string"}},
            )
        },
        responses=bodies.answers({200: PollTally}, 400, 404, 409, 413, 415),
    )
    def post(self, request: TenantRequest, session_id: str, message_id: str) -> Response:
        poll = _poll_of(sending.find(session_of(request, session_id), message_id))
        if body_of(request).get("options") is None:
            raise errors.MissingField("options is required", details={"field": "options"})
        polls.vote(poll=poll, options=content.strings(body_of(request), "options", most=polls.MAX_OPTIONS))
        return Response(_tally(poll))


def _poll_of(message: Message) -> Poll:
    poll: Poll | None = getattr(message, "poll", None)
    if poll is None:
        reason = "A business can neither vote on nor count a poll that is not its own"
        raise jids.UnsupportedByChannel(
            reason, details={"reason": reason, "alternatives": ["Send a message of type poll"]}
        )
    return poll


def _tally(poll: Poll) -> dict[str, Any]:
    votes = [vote for vote in poll.votes.order_by("voted_at", "pk") if vote.selected]
    options = [
        PollOption(
            name=option,
            votes=sum(index in vote.selected for vote in votes),
            voters=[jids.write(vote.voter) for vote in votes if index in vote.selected],
        )
        for index, option in enumerate(poll.options)
    ]
    message = poll.message
    return PollTally(
        id=str(poll.pk),
        message_id=(message.wamid or str(message.pk)) if message else None,
        name=poll.name,
        options=options,
        selectable_count=poll.selectable_count,
        total_voters=len(votes),
        rendered_as=poll.rendered_as,
        created_at=envelope.milliseconds(poll.created_at),
    ).wire()
