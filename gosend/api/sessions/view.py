"""The view of this dialect: its keys, its errors, and what of a session every file needs."""

import re
from typing import Any, ClassVar, cast

import orjson
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.models import ApiKey, PhoneNumber
from gosend.api import errors
from gosend.api.sessions import envelope
from gosend.api.view import TenantRequest, TenantView

_SESSION = re.compile(r"^(/api/v1/sessions/)[^/:]+")


class SessionView(TenantView):
    """A key is of one organization; sessions of others, and of the other environment, are not there."""

    dialect: ClassVar[str] = ApiKey.Dialect.SESSIONS

    def get_exception_handler(self) -> Any:
        return envelope.to_response

    def once_path(self, request: TenantRequest) -> str:
        """A key counts in the whole organization: the same request on another session is a repeat."""
        return _SESSION.sub(r"\1", request.path)

    def finalize_response(self, request: Request, response: Response, *args: Any, **kwargs: Any) -> Response:
        if response.headers.get("Idempotent-Replayed") and isinstance(response.data, bytes):
            response.data = _marked(response.data)
        return super().finalize_response(request, response, *args, **kwargs)


def session_of(request: TenantRequest, session_id: str) -> PhoneNumber:
    """The session by its id, which is Meta's id of the number; NotFound for everybody else's."""
    is_test = request.api_key.environment == ApiKey.Environment.TEST
    numbers = request.tenant.phone_numbers.select_related("business_account__customer", "tenant")
    number = numbers.filter(phone_number_id=session_id, is_sandbox=is_test).first()
    if number is None:
        raise errors.NotFound("No session with this id in this organization")
    return number


def body_of(request: TenantRequest) -> dict[str, Any]:
    """The body, which the parser made sure is an object; empty where there is none."""
    return cast("dict[str, Any]", request.data)


def _marked(body: bytes) -> bytes:
    """The first answer again; where it has a `replayed`, that says so."""
    answer = orjson.loads(body) if body else None
    if not isinstance(answer, dict) or "replayed" not in answer:
        return body
    return orjson.dumps({**answer, "replayed": True})
