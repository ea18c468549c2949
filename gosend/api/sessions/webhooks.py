"""Webhooks of this dialect: its events, its envelope, its signature, its retries."""

from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from pydantic import Field
from rest_framework.response import Response

from accounts.models import ApiKey
from gosend.api import errors, schema
from gosend.api.sessions import bodies, content, envelope, pages
from gosend.api.sessions.view import SessionView, body_of, session_of
from gosend.api.view import TenantRequest
from gosend.lib import ids
from webhooks_app import endpoints, retries, secrets
from webhooks_app.models import WebhookEndpoint

WEBHOOK = schema.inside("webhook_id", "The webhook's id, `wh_…`.")
_TYPE = WebhookEndpoint.Type.SESSION_EVENTS
_SCHEDULE = WebhookEndpoint.Schedule.DOUBLING
_PREFIX = "wh_"
_MIN_SECRET, _MAX_SECRET = 8, 256
_FIELDS: dict[str, Any] = {
    "url": {"type": "string"},
    "events": {"type": "array", "items": {"type": "string"}, "description": '`["*"]` for all.'},
    "sessionId": {"type": ["string", "null"], "description": "null for all sessions."},
    "active": {"type": "boolean"},
    "secret": {
        "type": "string",
        "minLength": _MIN_SECRET,
        "maxLength": _MAX_SECRET,
        "description": "Signs every delivery; without one it is made here, and shown once. A new one"
        " takes the place of the old at once.",
    },
}


class RetryPolicy(envelope.Camel):
    """How often a delivery is tried: exponentially, the only policy here."""

    policy: str
    delay_seconds: int
    attempts: int


class SessionWebhook(envelope.Camel):
    """An address that is told what happened."""

    id: str
    url: str
    events: list[str]
    session_id: str | None
    active: bool
    custom_headers: dict[str, str] = Field(description="Always empty: headers of one's own are not offered.")
    retry_policy: RetryPolicy
    organization_id: str
    disabled_reason: str | None
    failing_since: int | None
    created_at: int
    updated_at: int


class SessionWebhookMade(SessionWebhook):
    """A new webhook, with the secret that was made for it."""

    secret: str | None = Field(description="null where the client chose it.")


class SessionWebhookPage(envelope.Camel):
    """One page of webhooks."""

    data: list[SessionWebhook]
    next_cursor: str | None


class WebhookList(SessionView):
    scopes = {"GET": "read", "POST": "manage"}

    @extend_schema(
        operation_id="sessions.webhooks.list",
        summary="List webhooks, newest first",
        tags=["Webhooks"],
        parameters=bodies.PAGING,
        responses=bodies.answers({200: SessionWebhookPage}, 400),
    )
    def get(self, request: TenantRequest) -> Response:
        return Response(pages.take(request, _visible(request), lambda found: [write(one) for one in found]))

    @extend_schema(
        operation_id="sessions.webhooks.create",
        summary="Add a webhook",
        tags=["Webhooks"],
        parameters=[schema.IDEMPOTENCY_KEY],
        request={"application/json": bodies.an_object(["url", "events"], **_FIELDS)},
        responses=bodies.answers({201: SessionWebhookMade}, 400, 404, 409, 413, 415, 422),
    )
    def post(self, request: TenantRequest) -> Response:
        data = body_of(request)
        _refuse_unoffered(data)
        session_id = data.get("sessionId")
        if session_id is not None and not isinstance(session_id, str):
            raise errors.InvalidField("sessionId must be a string or null", details={"field": "sessionId"})
        given = _secret(data)
        endpoint, secret = endpoints.add(
            tenant=request.tenant,
            url=_url(data, required=True) or "",
            events=content.strings(data, "events", most=100),
            number=session_of(request, session_id) if session_id else None,
            type=_TYPE,
            schedule=_SCHEDULE,
            is_enabled=_active(data) is not False,
            is_test=request.api_key.environment == ApiKey.Environment.TEST,
            secret=given,
        )
        return Response({**write(endpoint), "secret": None if given else secret}, status=201)


class WebhookDetail(SessionView):
    scopes = {"GET": "read", "PATCH": "manage", "DELETE": "manage"}

    @extend_schema(
        operation_id="sessions.webhooks.get",
        summary="Read one webhook",
        tags=["Webhooks"],
        parameters=[WEBHOOK],
        responses=bodies.answers({200: SessionWebhook}, 404),
    )
    def get(self, request: TenantRequest, webhook_id: str) -> Response:
        return Response(write(find(request, webhook_id)))

    @extend_schema(
        operation_id="sessions.webhooks.update",
        summary="Change a webhook",
        description="Fields left out stay. The session cannot be changed: add another webhook.",
        tags=["Webhooks"],
        parameters=[WEBHOOK],
        request={
            "application/json": bodies.an_object(
                None, **{name: shape for name, shape in _FIELDS.items() if name != "sessionId"}
            )
        },
        responses=bodies.answers({200: SessionWebhook}, 400, 404, 409, 413, 415, 422),
    )
    def patch(self, request: TenantRequest, webhook_id: str) -> Response:
        endpoint, data = find(request, webhook_id), body_of(request)
        _refuse_unoffered(data)
        own = endpoint.phone_number.phone_number_id if endpoint.phone_number else None
        if "sessionId" in data and data["sessionId"] != own:
            raise errors.InvalidField(
                "sessionId cannot be changed; add another webhook", details={"field": "sessionId"}
            )
        given = _secret(data)
        endpoints.change(
            endpoint=endpoint,
            url=_url(data, required=False),
            events=content.strings(data, "events", most=100) if "events" in data else None,
            is_enabled=_active(data),
        )
        if given:
            secrets.rotate(endpoint=endpoint, overlap_hours=0, secret=given)
        return Response(write(find(request, webhook_id)))

    @extend_schema(
        operation_id="sessions.webhooks.delete",
        summary="Remove a webhook",
        description="Whatever still waits for it is not delivered.",
        tags=["Webhooks"],
        parameters=[WEBHOOK],
        responses=bodies.answers({204: None}, 404),
    )
    def delete(self, request: TenantRequest, webhook_id: str) -> Response:
        endpoints.remove(endpoint=find(request, webhook_id))
        return Response(status=204)


def find(request: TenantRequest, webhook_id: str) -> WebhookEndpoint:
    """One of the organization's webhooks, or NotFound."""
    own_id = ids.parse_id(webhook_id.removeprefix(_PREFIX))
    endpoint = None if own_id is None else _visible(request).filter(pk=own_id).first()
    if endpoint is None:
        raise errors.NotFound("No webhook with this id in this organization")
    return endpoint


def write(endpoint: WebhookEndpoint) -> dict[str, Any]:
    number = endpoint.phone_number
    delays = retries.SCHEDULES[endpoint.schedule]
    return SessionWebhook(
        id=f"{_PREFIX}{endpoint.pk}",
        url=endpoint.url,
        events=endpoint.events,
        session_id=number.phone_number_id if number else None,
        active=endpoint.is_enabled,
        custom_headers={},
        retry_policy=RetryPolicy(policy="exponential", delay_seconds=delays[1], attempts=len(delays)),
        organization_id=str(endpoint.tenant_id),
        disabled_reason=endpoint.disabled_reason or None,
        failing_since=envelope.optional_milliseconds(endpoint.failing_since),
        created_at=envelope.milliseconds(endpoint.created_at),
        updated_at=envelope.milliseconds(endpoint.updated_at),
    ).wire()


def _visible(request: TenantRequest) -> "QuerySet[WebhookEndpoint]":
    is_test = request.api_key.environment == ApiKey.Environment.TEST
    mine = request.tenant.webhook_endpoints.filter(is_test=is_test, removed_at=None, type=_TYPE)
    return mine.select_related("phone_number")


def _url(data: Any, *, required: bool) -> str | None:
    url = data.get("url")
    if url is None and not required:
        return None
    if not isinstance(url, str) or not url:
        raise errors.MissingField("url is required", details={"field": "url"})
    return url


def _active(data: Any) -> bool | None:
    active = data.get("active")
    if active is not None and not isinstance(active, bool):
        raise errors.InvalidField("active must be true or false", details={"field": "active"})
    return active


def _secret(data: Any) -> str:
    secret = data.get("secret")
    if secret is None:
        return ""
    is_text = isinstance(secret, str) and _MIN_SECRET <= len(secret) <= _MAX_SECRET
    if not is_text or not secret.isascii() or not secret.isprintable():
        raise errors.InvalidField(
            f"secret must be {_MIN_SECRET} to {_MAX_SECRET} printable ASCII characters",
            details={"field": "secret"},
        )
    return str(secret)


def _refuse_unoffered(data: Any) -> None:
    """Headers of one's own are not sent, and there is one policy: said, rather than passed over."""
    if data.get("customHeaders"):
        raise errors.InvalidField("customHeaders are not offered", details={"field": "customHeaders"})
    delays = retries.SCHEDULES[_SCHEDULE]
    offered = {"policy": "exponential", "delaySeconds": delays[1], "attempts": len(delays)}
    asked = data.get("retryPolicy")
    if asked is None:
        return
    if not isinstance(asked, dict) or any(offered.get(key) != value for key, value in asked.items()):
        raise errors.InvalidField(
            "retryPolicy is the same for all webhooks", details={"field": "retryPolicy", "offered": offered}
        )
