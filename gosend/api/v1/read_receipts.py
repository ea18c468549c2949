"""Mark a customer's message as read; show that an answer is being typed."""

from typing import Any

from drf_spectacular.utils import extend_schema
from pydantic import BaseModel, Field
from rest_framework.response import Response

from gosend.api import errors, schema
from gosend.api.v1 import examples, messages
from gosend.api.view import TenantRequest, TenantView
from messaging import idempotency, receipts

# Meta's own spelling of the same wish.
_META_INDICATOR = {"type": "text"}


class ReadReceipt(BaseModel):
    """What to show beside the blue ticks; the body may be left out."""

    typing: bool = Field(default=False, description="Show that an answer is being typed, for 25 seconds.")


class Success(BaseModel):
    """It is done."""

    success: bool


class MessageRead(TenantView):
    scopes = {"POST": "send"}
    is_transactional = False  # Meta is called, and a transaction would wait for it

    @extend_schema(
        operation_id="v1.messages.read",
        summary="Mark a message as read",
        description="Meta takes the messages before it for read as well.",
        tags=["Messages"],
        parameters=[
            schema.inside("message_id", "Our id, or Meta's (`wamid.…`), of a message that a customer sent."),
            schema.IDEMPOTENCY_KEY,
        ],
        request={"application/json": schema.of(ReadReceipt)},
        examples=examples.of("read", {"typing": True}),
        responses=schema.answers({200: Success}, 400, 404, 409, 413, 415, 422, 503),
    )
    def post(self, request: TenantRequest, message_id: str) -> Response:
        typing = _typing(request.data)
        receipts.mark_read(
            message=messages.find(request, message_id),
            environment=request.api_key.environment,
            typing=typing,
        )
        if request.once is not None:
            idempotency.claim(request.once)
        return Response({"success": True})


def _typing(data: Any) -> bool:
    """Read `{"typing": true}`, or `typing_indicator` as a boolean or as Meta has it."""
    for field in ("typing", "typing_indicator"):
        value = data.get(field)
        if isinstance(value, bool):
            return value
        if value == _META_INDICATOR:
            return True
        if value is not None:
            raise errors.InvalidField(
                f"Validation failed: '{field}' must be true or false",
                details={"field": field, "value": str(value)[:100]},
            )
    return False
