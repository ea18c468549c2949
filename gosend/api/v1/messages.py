"""Send messages, and ask what became of them."""

from typing import Any, cast

from django.db.models import QuerySet
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from drf_spectacular.utils import extend_schema
from rest_framework.response import Response

from accounts import numbers
from accounts.models import ApiKey
from gosend.api import asynchronous, errors, json, refusals, schema
from gosend.api.v1 import accept, content, envelope, examples, message_filters, timeline
from gosend.api.view import TenantRequest, TenantView
from gosend.lib import ids, logs
from messaging import send
from messaging.models import Message

# A synchronous send that ended thus is settled on Meta's side; everything else is still open.
_DONE = frozenset({Message.Status.SENT, Message.Status.DELIVERED, Message.Status.READ})


class MessageList(TenantView):
    scopes = {"GET": "read", "POST": "send"}
    # A send commits what it accepts before Meta is called.
    is_transactional = False

    @extend_schema(
        operation_id="v1.messages.list",
        summary="List messages, newest first",
        tags=["Messages"],
        parameters=[
            *message_filters.PARAMETERS,
            *schema.PAGING,
        ],
        responses=schema.answers({200: [envelope.MessageFull]}, 400),
    )
    def get(self, request: TenantRequest) -> Response:
        page = message_filters.page(request)
        return Response([envelope.full(message) for message in page.rows], headers=page.headers)

    @extend_schema(
        operation_id="v1.messages.send",
        summary="Send a message",
        description="Synchronous by default: the answer says what Meta said. With `async=true`, or"
        " `Prefer: respond-async`, the message is kept and the answer is 202. So it is when as many requests"
        " wait for Meta already as may (`SYNCHRONOUS_SENDS`), or as may wait for links.",
        tags=["Messages"],
        parameters=[
            schema.query(
                "async",
                "Answer as soon as the message is kept.",
                allowed=["true", "false", "1", "0", "yes", "no"],
            ),
            schema.IDEMPOTENCY_KEY,
        ],
        request={"application/json": content.schema_of()},
        examples=examples.sends(),
        responses=schema.answers(
            {201: envelope.MessageSent, 202: envelope.MessageSent}, 400, 404, 409, 413, 415, 422, 503
        ),
    )
    def post(self, request: TenantRequest) -> Response:
        is_preferred = asynchronous.preferred(request)
        is_async = asynchronous.asked(request) or is_preferred
        asked = content.read(cast(dict[str, Any], request.data))
        message = send.accept(
            tenant=request.tenant,
            number=numbers.find(tenant=request.tenant, phone_number_id=asked.phone_number_id),
            to=asked.to,
            content=asked.content,
            environment=request.api_key.environment,
            context_wamid=asked.context_wamid,
            tracking=asked.tracking,
            is_async=is_async,
            request_id=logs.request_id.get(),
            api_key=request.api_key,
            once=request.once,
        )
        response = _answer(message)
        if is_preferred:
            response["Preference-Applied"] = "respond-async"
        return response

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if request.method == "POST" and (answer := accept.try_accept(self, request)) is not None:
            return answer
        return super().dispatch(request, *args, **kwargs)

    def accepted_body(self, message_id: int) -> bytes:
        message = _visible(self.request).get(pk=message_id)
        message.status, message.wamid = Message.Status.QUEUED, None
        return json.dumps(envelope.sent(message))

    def answer_late(self, message_id: int) -> Response:
        return _answer(_visible(self.request).get(pk=message_id))


class MessageDetail(TenantView):
    scopes = {"GET": "read"}

    @extend_schema(
        operation_id="v1.messages.get",
        summary="Read one message",
        description="With its timeline: each state that it reached and each report of Meta's, in the order"
        " of their moments.",
        tags=["Messages"],
        parameters=[schema.inside("message_id", "Our id, or Meta's (`wamid.…`).")],
        responses=schema.answers({200: timeline.MessageOne}, 404),
    )
    def get(self, request: TenantRequest, message_id: str) -> Response:
        return Response(timeline.one(find(request, message_id)))


def find(request: TenantRequest, message_id: str) -> Message:
    """Return a message of the key's project by our id or by its wamid."""
    own_id = ids.parse_id(message_id)
    key: dict[str, Any] = {"wamid": message_id} if own_id is None else {"pk": own_id}
    message = _visible(request).filter(**key).order_by("-pk").first()
    if message is None:
        raise errors.NotFound("No message with this id in this project")
    return message


def _answer(message: Message) -> Response:
    if refusal := refusals.of(message, shown_id=str(message.pk)):
        return errors.to_response(refusal, {})
    return Response(envelope.sent(message), status=201 if message.status in _DONE else 202)


def _visible(request: TenantRequest) -> QuerySet[Message]:
    """The messages of the key's project and environment: test and live never mix."""
    is_test = request.api_key.environment == ApiKey.Environment.TEST
    own = request.tenant.messages.filter(phone_number__is_sandbox=is_test)
    return own.select_related("phone_number", "content")
