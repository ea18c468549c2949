"""One send of this dialect, from the content to the answer."""

from typing import Any

from rest_framework.response import Response

from accounts.models import PhoneNumber
from gosend.api import asynchronous, errors, refusals, schema
from gosend.api.view import TenantRequest
from gosend.api.whatomate import envelope, message_out, uuids
from gosend.lib import logs
from gosend.whatsapp import content as contents
from messaging import people, send
from messaging.models import Contact, Message


class MessageAnswerData(message_out.WhatomateMessage):
    """The message that was sent."""


ASYNC = schema.query(
    "async",
    "true: answer `pending` as soon as the message is kept. false: answer what WhatsApp said.",
    allowed=["true", "false", "1", "0", "yes", "no"],
)


class SendView(envelope.WhatomateView):
    """A door that sends: what it accepts is committed before Meta is called."""

    is_transactional = False
    # Whether the answer comes before the message goes out, unless the request says otherwise.
    answers_early = False

    def send(
        self,
        request: TenantRequest,
        *,
        number: PhoneNumber,
        to: str,
        content: contents.Content,
        contact: Contact | None,
        context_wamid: str | None = None,
    ) -> Response:
        message = send.accept(
            tenant=request.tenant,
            number=number,
            to=to,
            content=content,
            environment=request.api_key.environment,
            context_wamid=context_wamid,
            is_async=asynchronous.asked(request, default=self.answers_early)
            or asynchronous.preferred(request),
            request_id=logs.request_id.get(),
            api_key=request.api_key,
            once=request.once,
        )
        body: dict[str, Any] = {"type": content.type, content.type: content.to_graph()}
        if context_wamid:
            body["context"] = {"message_id": context_wamid}
        message.phone_number = number
        return self.answer(message, body, contact.pk if contact else message.contact_id)

    def answer(self, message: Message, body: dict[str, Any], contact_id: int | None) -> Response:
        if refusal := refusals.of(message, shown_id=uuids.write(uuids.MESSAGE, message.pk)):
            return envelope.refuse(refusal, {})
        return envelope.success(message_out.write(message, body=body, contact_id=contact_id))

    def answer_late(self, message_id: int) -> Response:
        rows = self.request.tenant.messages.select_related("phone_number", "content")
        message = rows.get(pk=message_id)
        return self.answer(message, message.content.body, message.contact_id)


def recipient(contact: Contact) -> str:
    """What a person is written to by: their number, else their user id."""
    return contact.phone or contact.user_id


def find_contact(request: TenantRequest, contact_id: str, *, field: str = "contact_id") -> Contact:
    return people.find(
        tenant=request.tenant,
        environment=request.api_key.environment,
        contact_id=uuids.read(uuids.CONTACT, contact_id, field=field),
    )


def find_message(
    request: TenantRequest, message_id: str, *, contact: Contact | None = None, field: str = "message_id"
) -> Message:
    """A message of the key's project by its id, or by WhatsApp's."""
    rows = request.tenant.messages.filter(phone_number__is_sandbox=request.api_key.environment == "test")
    if contact is not None:
        rows = people.messages(
            tenant=request.tenant, environment=request.api_key.environment, contact=contact
        )
    if message_id.startswith("wamid."):
        rows = rows.filter(wamid=message_id)
    else:
        rows = rows.filter(pk=uuids.read(uuids.MESSAGE, message_id, field=field))
    account = "phone_number__business_account__customer"
    message = rows.select_related(account, "phone_number__tenant").order_by("-pk").first()
    if message is None:
        raise errors.NotFound("Message not found", details={"field": field})
    return message
