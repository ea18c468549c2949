"""Send up to a thousand messages with one request."""

from collections.abc import Mapping, Sequence
from typing import Any, cast

from django.conf import settings
from drf_spectacular.utils import extend_schema
from pydantic import BaseModel, Field
from rest_framework.response import Response

from accounts import numbers
from accounts.models import PhoneNumber
from gosend.api import errors, schema
from gosend.api.v1 import content, examples
from gosend.api.view import TenantRequest, TenantView
from gosend.lib import logs
from gosend.lib.errors import DomainError
from messaging import send, throughput

MAX_MESSAGES = 1000


class BatchVerdict(BaseModel):
    """What became of one message of a batch."""

    index: int = Field(description="Its place among `messages`, from 0.")
    status: str = Field(description="`accepted` or `rejected`.")
    id: str | None = Field(default=None, description="Our id, when accepted.")
    error: schema.Problem | None = Field(default=None, description="The error a send of its own would get.")


class BatchAnswer(BaseModel):
    """One verdict for each message, in the same order."""

    accepted: int
    rejected: int
    messages: list[BatchVerdict]


class MessageBatch(TenantView):
    """The messages, the key's row and the answer commit together, so a repeat accepts nothing twice."""

    scopes = {"POST": "send"}

    @extend_schema(
        operation_id="v1.messages.batch",
        summary="Send many messages",
        description=f"Up to {MAX_MESSAGES:,} bodies as for one message. They are kept and sent later, as with"
        " `async=true`; one that is rejected does not stop the others.",
        tags=["Messages"],
        parameters=[schema.IDEMPOTENCY_KEY],
        request={
            "application/json": {
                "type": "object",
                "required": ["messages"],
                "properties": {
                    "messages": {
                        "type": "array",
                        "minItems": 1,
                        "maxItems": MAX_MESSAGES,
                        "items": content.schema_of(),
                    }
                },
            }
        },
        examples=examples.of("batch", examples.BATCH),
        responses=schema.answers({202: BatchAnswer}, 400, 409, 413, 415, 503),
    )
    def post(self, request: TenantRequest) -> Response:
        bodies = _bodies(cast(dict[str, Any], request.data))
        verdicts = _verdicts(request, bodies)
        if isinstance(verdicts[0], throughput.QueueFull) and _all_alike(verdicts):
            raise verdicts[0]  # nothing was taken over, so nothing is remembered under the key
        written = [_written(index, verdict) for index, verdict in enumerate(verdicts)]
        rejected = sum(one["status"] == "rejected" for one in written)
        answer = {"accepted": len(written) - rejected, "rejected": rejected, "messages": written}
        return Response(answer, status=202)

    def max_body_bytes(self) -> int:
        return settings.API_MAX_BATCH_BYTES


def _bodies(data: Mapping[str, Any]) -> list[Any]:
    bodies = data.get("messages")
    if bodies is None:
        raise errors.MissingField("Validation failed: 'messages' is required", details={"field": "messages"})
    if not isinstance(bodies, list) or not 1 <= len(bodies) <= MAX_MESSAGES:
        raise errors.InvalidField(
            f"Validation failed: 'messages' must be a list of 1 to {MAX_MESSAGES} messages",
            details={"field": "messages", "limit": MAX_MESSAGES},
        )
    return bodies


def _verdicts(request: TenantRequest, bodies: Sequence[Any]) -> list[send.Verdict]:
    found = [_asked(body) for body in bodies]
    wanted = {one.phone_number_id for one in found if isinstance(one, content.MessageIn)}
    own = numbers.find_many(tenant=request.tenant, phone_number_ids=wanted)
    verdicts: list[send.Verdict | send.Asked] = [_addressed(one, own) for one in found]
    stored = iter(
        send.accept_many(
            tenant=request.tenant,
            asked=[one for one in verdicts if isinstance(one, send.Asked)],
            environment=request.api_key.environment,
            request_id=logs.request_id.get(),
            api_key=request.api_key,
        )
    )
    return [next(stored) if isinstance(one, send.Asked) else one for one in verdicts]


def _asked(body: Any) -> content.MessageIn | DomainError:
    if not isinstance(body, Mapping):
        return errors.InvalidField("Validation failed: a message must be an object")
    try:
        return content.read(body)
    except DomainError as error:
        return error


def _addressed(
    asked: content.MessageIn | DomainError, own: Mapping[str, PhoneNumber]
) -> send.Asked | DomainError:
    if isinstance(asked, DomainError):
        return asked
    number = own.get(asked.phone_number_id)
    if number is None:
        return numbers.unknown(asked.phone_number_id)
    return send.Asked(number, asked.to, asked.content, asked.context_wamid, asked.tracking)


def _all_alike(verdicts: Sequence[send.Verdict]) -> bool:
    return all(type(one) is type(verdicts[0]) for one in verdicts)


def _written(index: int, verdict: send.Verdict) -> dict[str, Any]:
    if isinstance(verdict, DomainError):
        return {"index": index, "status": "rejected", "error": errors.body(errors.explain(verdict))}
    return {"index": index, "status": "accepted", "id": str(verdict.pk)}
