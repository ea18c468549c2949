"""A contact's messages: read them, send one, react to one."""

from typing import Any, cast

from drf_spectacular.utils import OpenApiParameter, extend_schema
from pydantic import BaseModel, Field
from rest_framework.response import Response

from gosend.api import errors, schema
from gosend.api.view import TenantRequest
from gosend.api.whatomate import bodies, content, envelope, fields, history, message_out, paging, sends, uuids
from gosend.whatsapp import content as contents
from messaging import people, senders
from messaging.models import Contact, Message

INSIDE = schema.inside("contact_id", "The contact's id.")
_ANY_ID = {"type": "string"}


class MessagePage(BaseModel):
    """A page of messages in their order; page 1 is the newest. `items` and `messages` are the same."""

    items: list[message_out.WhatomateMessage]
    messages: list[message_out.WhatomateMessage]
    total: int
    total_is_capped: bool | None = Field(None, description="There are more than were counted.")
    page: int
    limit: int
    has_more: bool = Field(
        description="There are more beyond this page: older ones, or newer ones for `after`."
    )


class ReactionsOf(BaseModel):
    """The reactions that a message has now."""

    message_id: str
    reactions: list[message_out.Reaction]


class ContactMessages(sends.SendView):
    scopes = {"GET": "read", "POST": "send"}

    @extend_schema(
        operation_id="whatomate.messages.list",
        summary="Read a contact's messages",
        description="In their order; page 1 is the newest. Reading changes nothing: no message is marked as"
        " read by it.",
        tags=["Messages"],
        parameters=[
            INSIDE,
            *paging.PARAMETERS,
            OpenApiParameter(
                "before", _ANY_ID, OpenApiParameter.QUERY, description="Only messages before this one."
            ),
            OpenApiParameter(
                "after", _ANY_ID, OpenApiParameter.QUERY, description="Only messages after this one."
            ),
            OpenApiParameter(
                "before_id", _ANY_ID, OpenApiParameter.QUERY, description="The same as `before`."
            ),
            schema.optional("account", "Only messages on this WhatsApp account."),
        ],
        responses=envelope.answers(MessagePage, 404, 409),
    )
    def get(self, request: TenantRequest, contact_id: str) -> Response:
        place = paging.asked(request)
        contact = sends.find_contact(request, contact_id)
        environment = request.api_key.environment
        exchanged = people.messages(tenant=request.tenant, environment=environment, contact=contact)
        if account := request.query_params.get("account"):
            number = senders.choose(tenant=request.tenant, environment=environment, name=account)
            exchanged = exchanged.filter(phone_number=number)
        shown = exchanged.exclude(type="reaction")
        totals = paging.totals(shown, place)
        rows = shown.select_related("phone_number", "content")
        is_after = False
        if before := _cursor(request, "before", "before_id"):
            rows = rows.filter(pk__lt=before)
        elif after := _cursor(request, "after"):
            rows, is_after = rows.filter(pk__gt=after), True
        ordered = rows.order_by("pk" if is_after else "-pk")
        found = list(ordered[place.start : place.start + place.limit + 1])
        page = found[: place.limit] if is_after else found[: place.limit][::-1]
        written = history.write(page, exchanged=exchanged, contact_id=contact.pk)
        more = {"has_more": len(found) > place.limit}
        return envelope.success({"items": written, "messages": written, **totals, **more})

    @extend_schema(
        operation_id="whatomate.messages.send",
        summary="Send a message to a contact",
        description="Text, interactive messages, files by address, and every other type in Meta's own shape.",
        tags=["Messages"],
        parameters=[INSIDE, sends.ASYNC, schema.IDEMPOTENCY_KEY],
        request={"application/json": bodies.MESSAGE},
        examples=bodies.examples("message"),
        responses=envelope.answers(message_out.WhatomateMessage, 403, 404, 409, 413, 415, 422, 503),
    )
    def post(self, request: TenantRequest, contact_id: str) -> Response:
        data = cast(dict[str, Any], request.data)
        contact = sends.find_contact(request, contact_id)
        asked = content.read(data)
        number = senders.choose(
            tenant=request.tenant,
            environment=request.api_key.environment,
            name=fields.text(data, "whatsapp_account", "account_name"),
            contact=contact,
        )
        return self.send(
            request,
            number=number,
            to=sends.recipient(contact),
            content=asked,
            contact=contact,
            context_wamid=_quoted(request, data, contact),
        )


class MessageReaction(sends.SendView):
    scopes = {"POST": "send"}

    @extend_schema(
        operation_id="whatomate.messages.react",
        summary="React to a message, or take the reaction back",
        tags=["Messages"],
        parameters=[INSIDE, schema.inside("message_id", "The message's id."), schema.IDEMPOTENCY_KEY],
        request={"application/json": bodies.REACTION},
        examples=bodies.examples("reaction"),
        responses=envelope.answers(ReactionsOf, 403, 404, 409, 413, 415, 422, 503),
    )
    def post(self, request: TenantRequest, contact_id: str, message_id: str) -> Response:
        emoji = cast(dict[str, Any], request.data).get("emoji")
        if not isinstance(emoji, str):
            raise errors.MissingField("emoji is required; empty removes it", details={"field": "emoji"})
        contact, target = self._find()
        value = {"message_id": _sent_wamid(target.wamid, "message_id"), "emoji": emoji}
        try:
            reaction = contents.parse(type="reaction", value=value)
        except contents.ContentInvalid as error:
            raise content.refused(error.violations, lambda path: path.removeprefix("reaction.")) from error
        return self.send(
            request, number=target.phone_number, to=target.peer, content=reaction, contact=contact
        )

    def answer(self, message: Message, body: dict[str, Any], contact_id: int | None) -> Response:
        answer = super().answer(message, body, contact_id)
        if answer.status_code != 200:
            return answer
        contact, target = self._find()
        exchanged = people.messages(
            tenant=self.request.tenant, environment=self.request.api_key.environment, contact=contact
        )
        own_id = uuids.write(uuids.MESSAGE, target.pk)
        reactions = history.reactions_to(target, exchanged)
        return envelope.success({"message_id": own_id, "reactions": reactions})

    def _find(self) -> tuple[Contact, Message]:
        contact = sends.find_contact(self.request, self.kwargs["contact_id"])
        return contact, sends.find_message(self.request, self.kwargs["message_id"], contact=contact)


def _quoted(request: TenantRequest, data: dict[str, Any], contact: Any) -> str | None:
    """WhatsApp's id of the message that is answered; one statement, only for answers."""
    asked = fields.text(data, "reply_to_message_id")
    if not asked:
        return None
    target = sends.find_message(request, asked, contact=contact, field="reply_to_message_id")
    return _sent_wamid(target.wamid, "reply_to_message_id")


def _sent_wamid(wamid: str | None, field: str) -> str:
    if not wamid:
        raise errors.InvalidField("The message was not sent yet", details={"field": field})
    return wamid


def _cursor(request: TenantRequest, *names: str) -> int | None:
    for name in names:
        text = request.query_params.get(name)
        if text and text.startswith("wamid."):
            return sends.find_message(request, text, field=name).pk
        if text:
            number = uuids.read(uuids.MESSAGE, text, field=name)
            if not number:
                raise errors.InvalidField(f"{name} names no message", details={"field": name})
            return number
    return None
