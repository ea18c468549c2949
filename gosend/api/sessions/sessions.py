"""Sessions: a session is a phone number of the organization's."""

from typing import Any

from drf_spectacular.utils import extend_schema
from pydantic import Field
from rest_framework.response import Response

from accounts import numbers
from accounts.models import BusinessAccount, PhoneNumber
from gosend.api import errors, schema
from gosend.api.sessions import bodies, capabilities, envelope, jids, pages
from gosend.api.sessions.view import SessionView, body_of, session_of
from gosend.api.view import TenantRequest
from messaging import budgets

_MAX_RATE = 100_000
_NO_LINKING = "The Cloud API links no devices: a number is connected by its account at Meta"


class Session(envelope.Camel):
    """A number that sends and receives."""

    id: str = Field(description="Meta's id of the number (`phone_number_id`).")
    label: str
    status: str = Field(description="`working`, `stopped` by its owner, `starting`, or `failed` at Meta.")
    phone_number: str = Field(description="Digits only.")
    wa_jid: str | None
    wa_lid: str | None = Field(description="Always null: linked devices have it, the Cloud API has not.")
    organization_id: str
    gateway_id: None = Field(description="There is one gateway, this server.")
    created_by_user_id: None = Field(description="Numbers are connected, not created by a user of the API.")
    is_admin_session: bool = Field(description="Always false.")
    quality_rating: str
    auto_read: bool
    presence_typing: bool
    rate_per_min: int = Field(description="0 for no cap.")
    rate_per_hour: int
    last_connected_at: int
    created_at: int
    updated_at: int = Field(description="When it was connected or stopped last.")


class SessionPage(envelope.Camel):
    """One page of sessions."""

    data: list[Session]
    next_cursor: str | None


class SessionList(SessionView):
    scopes = {"GET": "read", "POST": "manage"}

    @extend_schema(
        operation_id="sessions.list",
        summary="List sessions, newest first",
        tags=["Sessions"],
        parameters=bodies.PAGING,
        responses=bodies.answers({200: SessionPage}, 400),
    )
    def get(self, request: TenantRequest) -> Response:
        is_test = request.api_key.environment == "test"
        rows = request.tenant.phone_numbers.filter(is_sandbox=is_test)
        rows = rows.select_related("business_account__customer", "tenant")
        return Response(pages.take(request, rows, lambda found: [write(one) for one in found]))

    @extend_schema(
        operation_id="sessions.create",
        summary="Refused: numbers are connected at Meta",
        tags=["Sessions"],
        parameters=[schema.IDEMPOTENCY_KEY],
        request={"application/json": bodies.an_object()},
        responses=bodies.answers({}, 400, 409, 413, 415),
    )
    def post(self, request: TenantRequest) -> Response:
        raise _no_linking()


class SessionDetail(SessionView):
    scopes = {"GET": "read", "PATCH": "manage"}

    @extend_schema(
        operation_id="sessions.get",
        summary="Read one session",
        tags=["Sessions"],
        parameters=[bodies.SESSION],
        responses=bodies.answers({200: Session}, 404),
    )
    def get(self, request: TenantRequest, session_id: str) -> Response:
        return Response(write(session_of(request, session_id)))

    @extend_schema(
        operation_id="sessions.update",
        summary="Change a session's label and budgets",
        description="A rate of null is the server's default again, 0 is no cap.",
        tags=["Sessions"],
        parameters=[bodies.SESSION],
        request={
            "application/json": bodies.an_object(
                label={"type": "string", "maxLength": 200},
                ratePerMin={"type": ["integer", "null"], "minimum": 0, "maximum": _MAX_RATE},
                ratePerHour={"type": ["integer", "null"], "minimum": 0, "maximum": _MAX_RATE},
            )
        },
        responses=bodies.answers({200: Session}, 400, 404, 409, 413, 415),
    )
    def patch(self, request: TenantRequest, session_id: str) -> Response:
        number = session_of(request, session_id)
        changes = _changes(body_of(request))
        if changes:
            PhoneNumber.objects.filter(pk=number.pk).update(**changes)
        return Response(write(session_of(request, session_id)))


class SessionCapabilities(SessionView):
    scopes = {"GET": "read"}

    @extend_schema(
        operation_id="sessions.capabilities",
        summary="What this session can do",
        description="Per type and action: `native`, `emulated` (rendered by other means, and said so) or"
        " `unsupported`, with limits and reasons.",
        tags=["Sessions"],
        parameters=[bodies.SESSION],
        responses=bodies.answers({200: capabilities.Capabilities}, 404),
    )
    def get(self, request: TenantRequest, session_id: str) -> Response:
        return Response(capabilities.of(session_of(request, session_id)))


class SessionStart(SessionView):
    scopes = {"POST": "manage"}

    @extend_schema(
        operation_id="sessions.start",
        summary="Start a session, beginning with what waits",
        tags=["Sessions"],
        parameters=[bodies.SESSION, schema.IDEMPOTENCY_KEY],
        request=None,
        responses=bodies.answers({200: Session}, 400, 404, 409, 413, 415),
    )
    def post(self, request: TenantRequest, session_id: str) -> Response:
        numbers.start(session_of(request, session_id))
        return Response(write(session_of(request, session_id)))


class SessionRestart(SessionStart):
    @extend_schema(
        operation_id="sessions.restart",
        summary="Start a session anew",
        description="Nothing is connected that could hang, so this is the same as a start.",
        tags=["Sessions"],
        parameters=[bodies.SESSION, schema.IDEMPOTENCY_KEY],
        request=None,
        responses=bodies.answers({200: Session}, 400, 404, 409, 413, 415),
    )
    def post(self, request: TenantRequest, session_id: str) -> Response:
        return super().post(request, session_id)


class SessionStop(SessionView):
    scopes = {"POST": "manage"}

    @extend_schema(
        operation_id="sessions.stop",
        summary="Stop a session",
        description="Nothing is sent, also by the other APIs, until it is started; what arrives is taken in.",
        tags=["Sessions"],
        parameters=[bodies.SESSION, schema.IDEMPOTENCY_KEY],
        request=None,
        responses=bodies.answers({200: Session}, 400, 404, 409, 413, 415),
    )
    def post(self, request: TenantRequest, session_id: str) -> Response:
        numbers.stop(session_of(request, session_id))
        return Response(write(session_of(request, session_id)))


class SessionLinking(SessionView):
    """QR code, pairing code, logout: there is no device to link."""

    scopes = {"GET": "manage", "POST": "manage"}


class SessionQr(SessionLinking):
    @extend_schema(
        operation_id="sessions.qr",
        summary="Refused: there is no QR code",
        tags=["Sessions"],
        parameters=[bodies.SESSION],
        responses=bodies.answers({}, 404, 409),
    )
    def get(self, request: TenantRequest, session_id: str) -> Response:
        session_of(request, session_id)
        raise _no_linking()


class SessionPairingCode(SessionLinking):
    @extend_schema(
        operation_id="sessions.pairing_code",
        summary="Refused: there is no pairing code",
        tags=["Sessions"],
        parameters=[bodies.SESSION, schema.IDEMPOTENCY_KEY],
        request=None,
        responses=bodies.answers({}, 400, 404, 409, 413, 415),
    )
    def post(self, request: TenantRequest, session_id: str) -> Response:
        session_of(request, session_id)
        raise _no_linking()


class SessionLogout(SessionLinking):
    @extend_schema(
        operation_id="sessions.logout",
        summary="Refused: stop the session instead",
        tags=["Sessions"],
        parameters=[bodies.SESSION, schema.IDEMPOTENCY_KEY],
        request=None,
        responses=bodies.answers({}, 400, 404, 409, 413, 415),
    )
    def post(self, request: TenantRequest, session_id: str) -> Response:
        session_of(request, session_id)
        raise _no_linking()


def write(number: PhoneNumber) -> dict[str, Any]:
    minute, hour = budgets.caps(number)
    return Session(
        id=number.phone_number_id,
        label=number.display_name,
        status=_status(number),
        phone_number=number.display_phone_number_normalized,
        wa_jid=jids.write(number.display_phone_number_normalized),
        wa_lid=None,
        organization_id=str(number.tenant_id),
        gateway_id=None,
        created_by_user_id=None,
        is_admin_session=False,
        quality_rating=number.quality_rating,
        auto_read=False,
        presence_typing=False,
        rate_per_min=minute,
        rate_per_hour=hour,
        last_connected_at=envelope.milliseconds(number.connected_at),
        created_at=envelope.milliseconds(number.created_at),
        updated_at=envelope.milliseconds(max(number.stopped_at or number.connected_at, number.connected_at)),
    ).wire()


def _status(number: PhoneNumber) -> str:
    if number.stopped_at:
        return "stopped"
    is_suspended = number.business_account.status == BusinessAccount.Status.SUSPENDED
    if number.status == PhoneNumber.Status.PENDING:
        return "starting"
    if number.status == PhoneNumber.Status.ACTIVE and not is_suspended:
        return "working"
    return "failed"


def _changes(data: Any) -> dict[str, Any]:
    changes: dict[str, Any] = {}
    for name in ("autoRead", "presenceTyping"):
        if data.get(name):
            reason = f"{name} is not offered: mark chats as read and show typing by their own calls"
            raise jids.UnsupportedByChannel(
                reason,
                details={
                    "field": name,
                    "reason": reason,
                    "alternatives": ["POST …/chats/{chat}/read", "PUT …/chats/{chat}/presence"],
                },
            )
    if "label" in data:
        if not isinstance(data["label"], str) or len(data["label"]) > 200:
            raise errors.InvalidField(
                "label must be a string of at most 200 characters", details={"field": "label"}
            )
        changes["display_name"] = data["label"]
    for name, column in (("ratePerMin", "rate_per_minute"), ("ratePerHour", "rate_per_hour")):
        if name in data:
            changes[column] = _rate(name, data[name])
    return changes


def _rate(name: str, value: Any) -> int | None:
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= _MAX_RATE:
        raise errors.InvalidField(
            f"{name} must be a whole number from 0 to {_MAX_RATE}, or null", details={"field": name}
        )
    return value


def _no_linking() -> jids.UnsupportedByChannel:
    return jids.UnsupportedByChannel(
        _NO_LINKING,
        details={"reason": _NO_LINKING, "alternatives": ["Connect the number in the console", "POST …:stop"]},
    )
