"""The session gateway's success, error and page shapes: camel case, and times in milliseconds."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.conf import settings
from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel
from rest_framework.response import Response

from gosend.api import errors
from gosend.lib import logs

# What the gateway calls errors whose status says enough; the catalogue's own code stands in `reason`.
_BY_STATUS = {400: "validation_error", 401: "unauthorized", 404: "not_found", 429: "rate_limited"}
_BY_CODE = {
    "invalid_event": "validation_error",
    "invalid_url": "validation_error",
    "media_too_large": "validation_error",
    "unsupported_media": "validation_error",
    "insufficient_scope": "forbidden",
    "address_not_allowed": "forbidden",
    "tenant_suspended": "forbidden",
    "customer_suspended": "forbidden",
    "outside_24h_window": "window_closed",
    "phone_number_not_connected": "session_not_working",
    "phone_number_stopped": "session_not_working",
    "waba_suspended": "session_not_working",
}


class Camel(BaseModel):
    """Written in camel case on the wire."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)

    def wire(self) -> dict[str, Any]:
        return self.model_dump(by_alias=True)


class SessionError(Camel):
    """What went wrong."""

    code: str = Field(description="`validation_error`, `unauthorized`, `forbidden`, `not_found`, …")
    message: str
    reason: str = Field(description="The code of the same error in the list of errors.")
    details: dict[str, Any] | None = None
    retry_after_seconds: int | None = Field(
        default=None, description="With 429, and where a repeat may help."
    )
    request_id: str
    doc_url: str


class SessionProblem(BaseModel):
    """Every error has this shape."""

    error: SessionError


class SendResult(Camel):
    """What a send is answered with."""

    message_id: str = Field(description="WhatsApp's id; ours while WhatsApp has given none. Either is taken.")
    wa_message_id: str | None
    outbox_id: str = Field(description="Our id, the same from the first answer on.")
    status: str = Field(
        description="`queued`, `sending`, `sent`, `delivered`, `read`, `failed`, `revoked`, `unknown` or"
        " `unconfirmed`."
    )
    timestamp: int = Field(description="When the status was reached, in milliseconds since 1970.")
    mode: str = Field(description="`sync` or `async`.")
    replayed: bool = Field(description="Whether this answers a repeat of an Idempotency-Key.")
    warnings: list[str] = Field(description="What was asked for and WhatsApp cannot do.")
    rendered_as: str | None = Field(description="How a poll was sent: `buttons`, `list` or `text`.")
    forwarded_from: str | None = Field(description="The id of the message that was forwarded.")


def problem(found: errors.Problem) -> dict[str, Any]:
    entry = found.entry
    written: dict[str, Any] = {
        "code": _BY_CODE.get(entry.code) or _BY_STATUS.get(entry.status) or entry.code,
        "message": found.message,
        "reason": entry.code,
    }
    if found.details is not None:
        written["details"] = dict(found.details)
    if found.retry_after or entry.status == 429:
        written["retryAfterSeconds"] = found.retry_after or 1
    written["requestId"] = logs.request_id.get()
    written["docUrl"] = f"{settings.PUBLIC_URL}/docs/errors#{entry.code}"
    return {"error": written}


def to_response(error: Exception, context: Mapping[str, Any]) -> Response:
    """Be DRF's exception handler for this dialect."""
    return errors.to_response(error, context, shape=problem)


def milliseconds(at: datetime) -> int:
    return int(at.timestamp() * 1000)


def optional_milliseconds(at: datetime | None) -> int | None:
    return None if at is None else milliseconds(at)
