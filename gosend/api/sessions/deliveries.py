"""What was posted to a webhook, and posting it again: beyond what the gateway offers."""

from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from pydantic import Field
from rest_framework.response import Response

from gosend.api import errors, schema
from gosend.api.sessions import bodies, envelope, pages, webhooks
from gosend.api.sessions.view import SessionView
from gosend.api.view import TenantRequest
from gosend.lib import ids
from webhooks_app import replay, session_events
from webhooks_app.models import Attempt, Delivery, WebhookEndpoint

_DELIVERY = schema.inside("delivery_id", "The delivery's id.")


class SessionDelivery(envelope.Camel):
    """One event owed to one webhook."""

    id: str
    event_id: str = Field(description="As in `X-Webhook-Request-Id` and the envelope's `id`.")
    event: str
    status: str = Field(
        description="`pending`, `retrying`, `delivered` or `failed`, which is the dead letter."
    )
    attempts: int
    response_status: int | None
    response_body: str | None = Field(description="The first 2 KB of the latest answer.")
    error: str | None
    ended_reason: str | None
    next_attempt_at: int | None
    created_at: int
    delivered_at: int | None


class SessionDeliveryPage(envelope.Camel):
    """One page of deliveries."""

    data: list[SessionDelivery]
    next_cursor: str | None


class DeliveryList(SessionView):
    scopes = {"GET": "read"}

    @extend_schema(
        operation_id="sessions.webhooks.deliveries",
        summary="List what was posted to a webhook, newest first",
        tags=["Webhooks"],
        parameters=[
            webhooks.WEBHOOK,
            schema.query("status", "Only deliveries in this status.", allowed=Delivery.Status.values),
            *bodies.PAGING,
        ],
        responses=bodies.answers({200: SessionDeliveryPage}, 400, 404),
    )
    def get(self, request: TenantRequest, webhook_id: str) -> Response:
        rows = _of(webhooks.find(request, webhook_id))
        status = request.query_params.get("status")
        if status is not None:
            if status not in Delivery.Status.values:
                raise errors.InvalidField(
                    f"status is one of {', '.join(Delivery.Status.values)}", details={"field": "status"}
                )
            rows = rows.filter(status=status)
        return Response(pages.take(request, rows, _written))


class DeliveryReplay(SessionView):
    scopes = {"POST": "manage"}

    @extend_schema(
        operation_id="sessions.webhooks.replay",
        summary="Post one delivery again",
        description="Whatever became of it; it runs through its retries once more. Its id stays.",
        tags=["Webhooks"],
        parameters=[webhooks.WEBHOOK, _DELIVERY, schema.IDEMPOTENCY_KEY],
        request=None,
        responses=bodies.answers({202: SessionDelivery}, 400, 404, 409, 413, 415),
    )
    def post(self, request: TenantRequest, webhook_id: str, delivery_id: str) -> Response:
        rows = _of(webhooks.find(request, webhook_id))
        own_id = ids.parse_id(delivery_id)
        delivery = rows.filter(pk=own_id).first() if own_id is not None else None
        if delivery is None:
            raise errors.NotFound("No delivery with this id at this webhook")
        replay.one(delivery=delivery)
        return Response(_written([rows.get(pk=delivery.pk)])[0], status=202)


def _of(endpoint: WebhookEndpoint) -> "QuerySet[Delivery]":
    return Delivery.objects.filter(endpoint=endpoint).select_related("event").defer("event__body")


def _written(rows: list[Delivery]) -> list[dict[str, Any]]:
    latest: dict[int, Attempt] = {}
    for attempt in Attempt.objects.filter(delivery__in=rows).order_by("number"):
        latest[attempt.delivery_id] = attempt
    return [_delivery(row, latest.get(row.pk)) for row in rows]


def _delivery(row: Delivery, attempt: Attempt | None) -> dict[str, Any]:
    return SessionDelivery(
        id=str(row.pk),
        event_id=f"evt_{row.event_id}",
        event=session_events.NAMES.get(row.event.type, row.event.type),
        status=row.status,
        attempts=row.attempt_count,
        response_status=attempt.response_status if attempt else None,
        response_body=attempt.response_body or None if attempt else None,
        error=attempt.error or None if attempt else None,
        ended_reason=row.ended_reason or None,
        next_attempt_at=envelope.optional_milliseconds(row.next_attempt_at),
        created_at=envelope.milliseconds(row.created_at),
        delivered_at=envelope.optional_milliseconds(row.delivered_at),
    ).wire()
