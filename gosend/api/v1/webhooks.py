"""Say where events are to be posted."""

from datetime import datetime
from typing import Any, cast

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from pydantic import BaseModel, Field
from rest_framework import serializers
from rest_framework.response import Response

from accounts import numbers
from accounts.models import ApiKey, PhoneNumber
from gosend.api import errors, pages, schema
from gosend.api.v1 import envelope, examples
from gosend.api.view import TenantRequest, TenantView
from gosend.lib import ids
from webhooks_app import endpoints, secrets
from webhooks_app.models import WebhookEndpoint

# Webhooks of other kinds belong to other dialects, and are seen and made there.
_TYPES = [WebhookEndpoint.Type.GOSENDAPI_EVENTS.value, WebhookEndpoint.Type.META_RAW.value]
_SCHEDULES = [WebhookEndpoint.Schedule.DEFAULT.value, WebhookEndpoint.Schedule.EXTENDED.value]


class TrueOrFalse(serializers.BooleanField):
    """JSON's own two words; DRF's field takes 0, "no" and a dozen more, which the document does not."""

    def to_internal_value(self, data: Any) -> bool:
        if data is not True and data is not False:
            self.fail("invalid", input=data)
        return data


class WebhookIn(serializers.Serializer[Any]):
    """A webhook as it is asked for; a change takes any of these but the number."""

    url = serializers.CharField(help_text="https, on a public host.")
    events = serializers.ListField(
        child=serializers.CharField(max_length=60, allow_blank=True),
        max_length=100,
        required=False,
        help_text="Names of events, or `*` for all of the scope. Leave it out for `meta_raw`.",
    )
    phone_number_id = serializers.CharField(
        required=False,
        allow_null=True,
        max_length=64,
        help_text="Meta's id of a number, or ours: the webhook hears its messages. Without it: the project.",
    )
    type = serializers.ChoiceField(choices=_TYPES, required=False)
    enabled = TrueOrFalse(required=False)
    retry_schedule = serializers.ChoiceField(choices=_SCHEDULES, required=False)


class RotationIn(serializers.Serializer[Any]):
    """How long the old secret goes on signing beside the new one."""

    overlap_hours = serializers.IntegerField(
        required=False,
        min_value=0,
        max_value=secrets.MAX_OVERLAP_HOURS,
        default=24,
        help_text="0 ends the old secret at once.",
    )


class WebhookOut(BaseModel):
    """An address that is told what happened."""

    id: str
    url: str
    type: str = Field(description="`gosendapi_events`, or `meta_raw` for Meta's own callbacks.")
    phone_number_id: str | None = Field(description="Meta's id; null for a project-level webhook.")
    events: list[str]
    enabled: bool
    retry_schedule: str
    disabled_reason: str | None
    disabled_at: str | None
    failing_since: str | None = Field(description="Since when every attempt has failed.")
    previous_secret_expires_at: str | None = Field(
        description="Until then deliveries are signed with the secret before the last rotation too."
    )
    is_project_fallback: bool = Field(
        description="Stands for the project's `webhook_url`, which is told what concerns the project"
        " while no webhook of the project exists."
    )
    created_at: str
    updated_at: str


class WebhookMade(WebhookOut):
    """A new webhook with its secret, which is not shown again."""

    secret: str


class WebhookList(TenantView):
    scopes = {"GET": "read", "POST": "manage"}

    @extend_schema(
        operation_id="v1.webhooks.list",
        summary="List webhooks, newest first",
        tags=["Webhooks"],
        parameters=schema.PAGING,
        responses=schema.answers({200: [WebhookOut]}, 400),
    )
    def get(self, request: TenantRequest) -> Response:
        page = pages.take(request, _visible(request))
        return Response([_webhook(endpoint) for endpoint in page.rows], headers=page.headers)

    @extend_schema(
        operation_id="v1.webhooks.create",
        summary="Add a webhook",
        description="The answer holds the secret that signs every delivery; it is not shown again.",
        tags=["Webhooks"],
        parameters=[schema.IDEMPOTENCY_KEY],
        request=WebhookIn,
        examples=examples.of("webhook", examples.WEBHOOK),
        responses=schema.answers({201: WebhookMade}, 400, 404, 409, 413, 415, 422),
    )
    def post(self, request: TenantRequest) -> Response:
        asked = _read(request, partial=False)
        endpoint, secret = endpoints.add(
            tenant=request.tenant,
            url=asked["url"],
            events=asked.get("events", []),
            number=_number(request, asked.get("phone_number_id")),
            type=asked.get("type", WebhookEndpoint.Type.GOSENDAPI_EVENTS),
            schedule=asked.get("retry_schedule", WebhookEndpoint.Schedule.DEFAULT),
            is_enabled=asked.get("enabled", True),
            is_test=request.api_key.environment == ApiKey.Environment.TEST,
        )
        made = WebhookMade(**_webhook(endpoint), secret=secret)
        return Response(made.model_dump(), status=201)


class WebhookDetail(TenantView):
    scopes = {"GET": "read", "PATCH": "manage", "DELETE": "manage"}

    @extend_schema(
        operation_id="v1.webhooks.get",
        summary="Read one webhook",
        tags=["Webhooks"],
        parameters=[schema.inside("webhook_id", "Our id.")],
        responses=schema.answers({200: WebhookOut}, 404),
    )
    def get(self, request: TenantRequest, webhook_id: str) -> Response:
        return Response(_webhook(find(request, webhook_id)))

    @extend_schema(
        operation_id="v1.webhooks.update",
        summary="Change a webhook",
        description="Fields left out stay. Enabling forgets past failures; disabling ends what waits.",
        tags=["Webhooks"],
        parameters=[schema.inside("webhook_id", "Our id.")],
        request=WebhookIn(partial=True),
        examples=examples.of("change", examples.WEBHOOK_CHANGE),
        responses=schema.answers({200: WebhookOut}, 400, 404, 409, 413, 415, 422),
    )
    def patch(self, request: TenantRequest, webhook_id: str) -> Response:
        endpoint = find(request, webhook_id)
        asked = _read(request, partial=True)
        if "phone_number_id" in asked and _number(request, asked["phone_number_id"]) != endpoint.phone_number:
            raise errors.InvalidField(
                "phone_number_id cannot be changed; add another webhook", details={"field": "phone_number_id"}
            )
        changed = endpoints.change(
            endpoint=endpoint,
            url=asked.get("url"),
            events=asked.get("events"),
            type=asked.get("type"),
            schedule=asked.get("retry_schedule"),
            is_enabled=asked.get("enabled"),
        )
        return Response(_webhook(changed))

    @extend_schema(
        operation_id="v1.webhooks.delete",
        summary="Remove a webhook",
        description="Whatever still waits for it is not delivered. A project fallback cannot be removed:"
        " disable it, or empty the project's `webhook_url`.",
        tags=["Webhooks"],
        parameters=[schema.inside("webhook_id", "Our id.")],
        responses=schema.answers({204: None}, 400, 404),
    )
    def delete(self, request: TenantRequest, webhook_id: str) -> Response:
        endpoints.remove(endpoint=find(request, webhook_id))
        return Response(status=204)


class WebhookSecret(TenantView):
    scopes = {"POST": "manage"}

    @extend_schema(
        operation_id="v1.webhooks.rotate_secret",
        summary="Give a webhook a new secret",
        description="The answer holds the new secret; it is not shown again. Until the overlap ends the"
        " Standard Webhooks header carries a signature of each, while `X-GoSendAPI-Signature` is made"
        " with the new one at once. A secret from before an earlier rotation stops signing.",
        tags=["Webhooks"],
        parameters=[schema.inside("webhook_id", "Our id."), schema.IDEMPOTENCY_KEY],
        request=RotationIn,
        examples=examples.of("rotation", {"overlap_hours": 24}),
        responses=schema.answers({200: WebhookMade}, 400, 404, 409, 413, 415),
    )
    def post(self, request: TenantRequest, webhook_id: str) -> Response:
        endpoint = find(request, webhook_id)
        asked = RotationIn(data=request.data)
        asked.is_valid(raise_exception=True)
        hours = asked.validated_data["overlap_hours"]
        secret = secrets.rotate(endpoint=endpoint, overlap_hours=hours)
        made = WebhookMade(**_webhook(find(request, webhook_id)), secret=secret)
        return Response(made.model_dump())


class WebhookPreviousSecret(TenantView):
    scopes = {"DELETE": "manage"}

    @extend_schema(
        operation_id="v1.webhooks.end_overlap",
        summary="End the overlap of a rotation now",
        description="From now on only the newest secret signs. Without an overlap nothing changes.",
        tags=["Webhooks"],
        parameters=[schema.inside("webhook_id", "Our id.")],
        responses=schema.answers({204: None}, 404),
    )
    def delete(self, request: TenantRequest, webhook_id: str) -> Response:
        secrets.end_overlap(endpoint=find(request, webhook_id))
        return Response(status=204)


def _visible(request: TenantRequest) -> QuerySet[WebhookEndpoint]:
    """The project's webhooks of the key's environment: test and live never mix."""
    is_test = request.api_key.environment == ApiKey.Environment.TEST
    mine = request.tenant.webhook_endpoints.filter(is_test=is_test, removed_at=None, type__in=_TYPES)
    return mine.select_related("phone_number")


def find(request: TenantRequest, webhook_id: str) -> WebhookEndpoint:
    """One of the project's webhooks, or NotFound."""
    own_id = ids.parse_id(webhook_id)
    endpoint = None if own_id is None else _visible(request).filter(pk=own_id).first()
    if endpoint is None:
        raise errors.NotFound("No webhook with this id in this project")
    return endpoint


def _read(request: TenantRequest, *, partial: bool) -> dict[str, Any]:
    asked = WebhookIn(data=request.data, partial=partial)
    asked.is_valid(raise_exception=True)
    return cast("dict[str, Any]", asked.validated_data)


def _number(request: TenantRequest, asked: str | None) -> PhoneNumber | None:
    """The number by Meta's id or by ours: the documentation names either."""
    if asked is None:
        return None
    own_id = ids.parse_id(asked)
    number = request.tenant.phone_numbers.filter(pk=own_id).first() if own_id else None
    if number is None or request.tenant.phone_numbers.filter(phone_number_id=asked).exists():
        number = numbers.find(tenant=request.tenant, phone_number_id=asked)
    environment = request.api_key.environment
    if (environment == ApiKey.Environment.TEST) != number.is_sandbox:
        kind = "sandbox" if number.is_sandbox else "live"
        raise numbers.EnvironmentMismatch(f"A {environment} key cannot be used with a {kind} number")
    return number


def _webhook(endpoint: WebhookEndpoint) -> dict[str, Any]:
    number = endpoint.phone_number
    return WebhookOut(
        id=str(endpoint.pk),
        url=endpoint.url,
        type=endpoint.type,
        phone_number_id=number.phone_number_id if number else None,
        events=endpoint.events,
        enabled=endpoint.is_enabled,
        retry_schedule=endpoint.schedule,
        disabled_reason=endpoint.disabled_reason or None,
        disabled_at=_moment(endpoint.disabled_at),
        failing_since=_moment(endpoint.failing_since),
        previous_secret_expires_at=_moment(endpoint.previous_secret_expires_at),
        is_project_fallback=endpoint.is_fallback,
        created_at=envelope.moment(endpoint.created_at),
        updated_at=envelope.moment(endpoint.updated_at),
    ).model_dump()


def _moment(value: datetime | None) -> str | None:
    return None if value is None else envelope.moment(value)
