"""What was posted to a webhook, attempt by attempt; test it, and post again."""

import uuid
from datetime import datetime
from typing import Any

import django_filters
import orjson
from django.db import transaction
from django.db.models import Prefetch, QuerySet
from drf_spectacular.utils import extend_schema
from pydantic import BaseModel, Field
from rest_framework import serializers
from rest_framework.response import Response

from gosend.api import errors, filters, pages, schema
from gosend.api.v1 import envelope, examples, webhooks
from gosend.api.view import TenantRequest, TenantView
from gosend.lib import ids
from messaging import idempotency
from webhooks_app import deliver, events, probe, replay, retries
from webhooks_app.models import Attempt, Delivery, WebhookEndpoint

_IN_PATH = [
    schema.inside("webhook_id", "Our id."),
    schema.inside("delivery_id", "Our id, or the UUID that the receiver saw."),
]


class TestIn(serializers.Serializer[Any]):
    """What a test posts."""

    event = serializers.CharField(
        required=False,
        max_length=60,
        help_text="An event of the webhook's scope, posted with its documented sample; `webhook.test` if"
        " left out. Leave it out for `meta_raw`.",
    )


class AttemptOut(BaseModel):
    """One try at a delivery."""

    attempt: int
    trigger: str = Field(description="`schedule`, or `manual` for a test and a replay.")
    started_at: str
    duration_ms: int
    response_status: int | None
    response_headers: dict[str, str]
    response_body: str | None = Field(description="The first 2 KB.")
    error: str | None


class DeliveryOut(BaseModel):
    """One event owed to one webhook, its last attempt in front and all of them below."""

    id: str
    delivery_id: str
    event: str
    status: str = Field(description="`pending`, `retrying`, `delivered` or `failed`.")
    attempt: int = Field(description="Attempts made.")
    max_attempts: int = Field(description="Attempts made at most, those before a replay included.")
    response_status: int | None
    response_body: str | None
    error: str | None
    duration_ms: int | None
    ended_reason: str | None = Field(description="Why a failed delivery is not tried again.")
    next_attempt_at: str | None
    created_at: str
    delivered_at: str | None
    payload: Any = Field(description="What was posted, or will be.")
    attempts: list[AttemptOut]


class DeliveryFilter(django_filters.FilterSet):  # type: ignore[misc]  # it comes without types
    """The query parameters of the list."""

    status = django_filters.ChoiceFilter(choices=Delivery.Status.choices)
    event = django_filters.CharFilter(method="of_event")
    since = filters.SinceFilter(method="created_since")
    until = filters.UntilFilter(field_name="created_at", lookup_expr="lte")

    def of_event(self, rows: QuerySet[Delivery], name: str, value: str) -> QuerySet[Delivery]:
        return rows.filter(event__type=events.type_of(value))

    def created_since(self, rows: QuerySet[Delivery], name: str, value: datetime) -> QuerySet[Delivery]:
        # The id, made a little later than created_at, lets the index skip what is older.
        return rows.filter(pk__gte=ids.first_id(value), created_at__gte=value)


class DeliveryList(TenantView):
    scopes = {"GET": "read"}

    @extend_schema(
        operation_id="v1.webhooks.deliveries",
        summary="List what was posted to a webhook, newest first",
        tags=["Webhooks"],
        parameters=[
            schema.inside("webhook_id", "Our id."),
            schema.query("status", "Only deliveries in this status.", allowed=Delivery.Status.values),
            schema.query("event", "Only deliveries of this event."),
            schema.query(
                "since", "Only deliveries created at this date or moment or later.", shape=schema.MOMENT
            ),
            schema.query(
                "until", "Only deliveries created at this date or moment or earlier.", shape=schema.MOMENT
            ),
            *schema.PAGING,
        ],
        responses=schema.answers({200: [DeliveryOut]}, 400, 404),
    )
    def get(self, request: TenantRequest, webhook_id: str) -> Response:
        endpoint = webhooks.find(request, webhook_id)
        page = pages.take(request, _filtered(request, _rows(endpoint)), order=["endpoint_id", "-pk"])
        return Response([_delivery(row, endpoint) for row in page.rows], headers=page.headers)


class DeliveryDetail(TenantView):
    scopes = {"GET": "read"}

    @extend_schema(
        operation_id="v1.webhooks.delivery",
        summary="Read one delivery with its attempts",
        tags=["Webhooks"],
        parameters=_IN_PATH,
        responses=schema.answers({200: DeliveryOut}, 404),
    )
    def get(self, request: TenantRequest, webhook_id: str, delivery_id: str) -> Response:
        endpoint = webhooks.find(request, webhook_id)
        return Response(_delivery(_find(endpoint, delivery_id), endpoint))


class DeliveryReplay(TenantView):
    scopes = {"POST": "manage"}

    @extend_schema(
        operation_id="v1.webhooks.replay_delivery",
        summary="Post a delivery again",
        description="Another run through the retry schedule begins now, with the same delivery id and"
        " the same bytes, also for a delivery that succeeded.",
        tags=["Webhooks"],
        parameters=[*_IN_PATH, schema.IDEMPOTENCY_KEY],
        request=None,
        responses=schema.answers({202: DeliveryOut}, 400, 404, 409, 413, 415),
    )
    def post(self, request: TenantRequest, webhook_id: str, delivery_id: str) -> Response:
        endpoint = webhooks.find(request, webhook_id)
        replay.one(delivery=_find(endpoint, delivery_id))
        return Response(_delivery(_find(endpoint, delivery_id), endpoint), status=202)


class WebhookTest(TenantView):
    scopes = {"POST": "manage"}
    # The post is made between two transactions.
    is_transactional = False

    @extend_schema(
        operation_id="v1.webhooks.test",
        summary="Post a test to a webhook, now",
        description="The answer waits for the first attempt and shows it. If it failed it is tried again"
        " on schedule, as any delivery. While two tests of the project are under way, the next is left to"
        " a worker and answered 202. A sample has `is_test` set to true in its body.",
        tags=["Webhooks"],
        parameters=[schema.inside("webhook_id", "Our id."), schema.IDEMPOTENCY_KEY],
        request=TestIn,
        examples=examples.of("test", {"event": "whatsapp.message.received"}),
        responses=schema.answers({200: DeliveryOut, 202: DeliveryOut}, 400, 404, 409, 413, 415, 422),
    )
    def post(self, request: TenantRequest, webhook_id: str) -> Response:
        endpoint = webhooks.find(request, webhook_id)
        asked = TestIn(data=request.data)
        asked.is_valid(raise_exception=True)
        with transaction.atomic():
            if request.once is not None:
                idempotency.claim(request.once)
            delivery, claim = probe.begin(endpoint=endpoint, event=asked.validated_data.get("event"))
        if claim is not None:
            deliver.attempt(claim)
        shown = _delivery(_rows(endpoint).get(pk=delivery.pk), endpoint)
        return Response(shown, status=202 if claim is None else 200)


def _rows(endpoint: WebhookEndpoint) -> QuerySet[Delivery]:
    attempts = Prefetch("attempts", queryset=Attempt.objects.order_by("number"))
    rows = Delivery.objects.filter(pages.only("endpoint_id", [endpoint.pk]))
    return rows.select_related("event", "endpoint").prefetch_related(attempts)


def _find(endpoint: WebhookEndpoint, delivery_id: str) -> Delivery:
    own_id = ids.parse_id(delivery_id)
    wanted: dict[str, Any] = {"pk": own_id}
    if own_id is None:
        try:
            wanted = {"delivery_id": uuid.UUID(delivery_id)}
        except ValueError:
            wanted = {"pk": None}
    delivery = _rows(endpoint).filter(**wanted).first()
    if delivery is None:
        raise errors.NotFound("No delivery with this id at this webhook")
    return delivery


def _filtered(request: TenantRequest, rows: QuerySet[Delivery]) -> QuerySet[Delivery]:
    return filters.apply(DeliveryFilter, request, rows)


def _delivery(delivery: Delivery, endpoint: WebhookEndpoint) -> dict[str, Any]:
    attempts = [_attempt(attempt) for attempt in delivery.attempts.all()]
    last = attempts[-1] if attempts else None
    return DeliveryOut(
        id=str(delivery.pk),
        delivery_id=str(delivery.delivery_id),
        event=events.wire_name(delivery.event.type),
        status=delivery.status,
        attempt=delivery.attempt_count,
        max_attempts=delivery.attempts_before + retries.max_attempts(endpoint.schedule),
        response_status=last.response_status if last else None,
        response_body=last.response_body if last else None,
        error=last.error if last else None,
        duration_ms=last.duration_ms if last else None,
        ended_reason=delivery.ended_reason or None,
        next_attempt_at=_moment(delivery.next_attempt_at),
        created_at=envelope.moment(delivery.created_at),
        delivered_at=_moment(delivery.delivered_at),
        payload=_payload(delivery),
        attempts=attempts,
    ).model_dump()


def _attempt(attempt: Attempt) -> AttemptOut:
    has_answer = attempt.response_status is not None
    return AttemptOut(
        attempt=attempt.number,
        trigger=attempt.trigger,
        started_at=envelope.moment(attempt.started_at),
        duration_ms=attempt.duration_ms,
        response_status=attempt.response_status,
        response_headers=attempt.response_headers,
        response_body=attempt.response_body if has_answer else None,
        error=attempt.error or None,
    )


def _payload(delivery: Delivery) -> Any:
    try:
        return orjson.loads(events.wire_body(event=delivery.event, delivery=delivery))
    except orjson.JSONDecodeError:
        return None


def _moment(value: datetime | None) -> str | None:
    return None if value is None else envelope.moment(value)
