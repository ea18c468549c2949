"""Send messages to a session's chats."""

from drf_spectacular.utils import extend_schema
from rest_framework.response import Response

from accounts.models import PhoneNumber
from gosend.api import schema
from gosend.api.sessions import bodies, content, envelope, inline, sending
from gosend.api.sessions.view import SessionView, body_of, session_of
from gosend.api.view import TenantRequest
from gosend.lib import phone
from gosend.whatsapp import content as contents
from messaging import polls, uploads
from messaging.models import Message

# Base64 makes four bytes of three; the rest is for captions and the JSON around them.
_MAX_BODY_BYTES = inline.MAX_BYTES * 4 // 3 + 200_000


class MessageList(SessionView):
    scopes = {"POST": "send"}
    # A send commits what it accepts before Meta is called.
    is_transactional = False

    @extend_schema(
        operation_id="sessions.messages.send",
        summary="Send a message",
        description="Synchronous by default: 200 once WhatsApp has taken the message. With `async=true` 202"
        " at once, and a message over the session's budgets waits until they refill.",
        tags=["Messages"],
        parameters=[
            bodies.SESSION,
            bodies.ASYNC,
            schema.IDEMPOTENCY_KEY,
        ],
        request={"application/json": bodies.message()},
        responses=bodies.answers(
            {200: envelope.SendResult, 202: envelope.SendResult}, 400, 404, 409, 413, 415, 422, 503
        ),
    )
    def post(self, request: TenantRequest, session_id: str) -> Response:
        number = session_of(request, session_id)
        asked = content.read(body_of(request))
        context_wamid, warnings = sending.quoted(number, asked.reply_to)
        warnings = [*asked.warnings, *warnings]
        if asked.poll is not None:
            return _send_poll(request, number, asked, asked.poll, context_wamid, warnings)

        def make() -> contents.Content:
            if asked.upload is None:
                assert asked.content is not None  # noqa: S101 -- one of the three is there
                return asked.content
            return _uploaded(request, number, asked.upload, warnings)

        message = sending.hand_over(
            request, number=number, to=asked.to, make=make, context_wamid=context_wamid
        )
        return sending.answer(request, message, sending.Extra(warnings))

    def max_body_bytes(self) -> int:
        return _MAX_BODY_BYTES

    def answer_late(self, message_id: int) -> Response:
        return sending.late(self.request, message_id)


def _uploaded(
    request: TenantRequest, number: PhoneNumber, upload: content.Upload, warnings: list[str]
) -> contents.Content:
    """Bring the bytes to Meta, and let them go: nothing of ours ever stores them."""
    made = uploads.bring(
        number=number,
        tenant=request.tenant,
        environment=request.api_key.environment,
        kind=upload.kind,
        data=upload.file.data,
    )
    if inline.differs(upload.file, made.mime_type):
        warnings.append("mimetype_differs_from_bytes")
    return upload.content(made.media_id)


def _send_poll(
    request: TenantRequest,
    number: PhoneNumber,
    asked: content.MessageIn,
    poll: content.Poll,
    context_wamid: str | None,
    warnings: list[str],
) -> Response:
    try:
        rendering = polls.render(
            name=poll.name,
            options=poll.options,
            selectable_count=poll.selectable_count,
            to_group=phone.is_group(asked.to),
        )
    except contents.ContentInvalid as error:
        raise content.refused(error, "poll") from error
    kept = polls.keep(
        number=number,
        rendering=rendering,
        name=poll.name,
        options=poll.options,
        selectable_count=poll.selectable_count,
    )
    message: Message | None = None
    try:
        message = sending.hand_over(
            request,
            number=number,
            to=asked.to,
            make=lambda: rendering.content,
            context_wamid=context_wamid,
        )
        polls.attach(poll=kept, message=message)
    finally:
        if message is None:
            polls.discard(poll=kept)
    return sending.answer(request, message, sending.Extra(warnings, rendered_as=rendering.rendered_as))
