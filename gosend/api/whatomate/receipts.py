"""Mark messages as read, at WhatsApp too."""

from drf_spectacular.utils import extend_schema
from pydantic import BaseModel
from rest_framework.response import Response

from gosend.api import schema
from gosend.api.view import TenantRequest
from gosend.api.whatomate import envelope, messages, sends
from messaging import idempotency, people, receipts


class Marked(BaseModel):
    """It is done."""

    status: str


class MessageRead(envelope.WhatomateView):
    scopes = {"PUT": "send"}
    is_transactional = False  # Meta is called, and a transaction would wait for it

    @extend_schema(
        operation_id="whatomate.messages.mark_read",
        summary="Mark a customer's message as read",
        description="The customer sees it. WhatsApp takes the messages before it for read as well.",
        tags=["Messages"],
        parameters=[schema.inside("message_id", "The id of a message that a customer sent.")],
        request=None,
        responses=envelope.answers(None, 403, 404, 413, 415, 422, 503),
    )
    def put(self, request: TenantRequest, message_id: str) -> Response:
        message = sends.find_message(request, message_id)
        receipts.mark_read(message=message, environment=request.api_key.environment)
        return envelope.success(None)


class ContactRead(envelope.WhatomateView):
    scopes = {"POST": "send"}
    is_transactional = False

    @extend_schema(
        operation_id="whatomate.contacts.mark_read",
        summary="Mark all of a contact's messages as read",
        tags=["Contacts"],
        parameters=[messages.INSIDE, schema.IDEMPOTENCY_KEY],
        request=None,
        responses=envelope.answers(Marked, 403, 404, 409, 413, 415, 422, 503),
    )
    def post(self, request: TenantRequest, contact_id: str) -> Response:
        contact = sends.find_contact(request, contact_id)
        environment = request.api_key.environment
        exchanged = people.messages(tenant=request.tenant, environment=environment, contact=contact)
        receipts.mark_all_read(messages=exchanged, environment=environment)
        if request.once is not None:
            idempotency.claim(request.once)
        return envelope.success({"status": "ok"})
