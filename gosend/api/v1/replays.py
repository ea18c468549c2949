"""Post again what a webhook missed since a moment, and see how far that has come."""

from datetime import datetime
from typing import Any

from drf_spectacular.utils import extend_schema
from pydantic import BaseModel, Field
from rest_framework import serializers
from rest_framework.response import Response

from gosend.api import errors, schema
from gosend.api.v1 import envelope, examples, webhooks
from gosend.api.view import TenantRequest, TenantView
from gosend.lib import ids
from webhooks_app import replay
from webhooks_app.models import Replay, WebhookEndpoint


class ReplayIn(serializers.Serializer[Any]):
    """Which deliveries are to be posted again."""

    since = serializers.DateTimeField(help_text="ISO 8601; deliveries created then or later.")
    status = serializers.ChoiceField(
        choices=Replay.Wanted.values,
        required=False,
        default=Replay.Wanted.FAILED,
        help_text="`failed` leaves out whatever was once answered 2xx; `delivered` is only that; `all`.",
    )


class ReplayOut(BaseModel):
    """An order to post deliveries again, and how far it has come."""

    id: str
    webhook_id: str
    since: str
    until: str = Field(description="When it was ordered; later deliveries are not its own.")
    wanted: str = Field(description="`failed`, `delivered` or `all`.")
    status: str = Field(
        description="`running`; `done` when every delivery has ended; `stopped` when the webhook was"
        " disabled or removed before all were begun."
    )
    total: int = Field(
        description="Deliveries that fit, as counted at the start, up to 10,000; exact when all are begun."
    )
    total_is_capped: bool = Field(description="There are more than `total` says: counting stopped there.")
    replayed: int = Field(description="Those whose new attempts have begun or are due.")
    delivered: int
    failed: int
    created_at: str
    begun_at: str | None = Field(description="When the last of them was made due.")


class ReplayList(TenantView):
    scopes = {"POST": "manage"}

    @extend_schema(
        operation_id="v1.webhooks.replay",
        summary="Post again what failed since a moment",
        description="Runs in the background, however many there are. Each keeps its delivery id and its"
        " bytes and runs through the retry schedule once more.",
        tags=["Webhooks"],
        parameters=[schema.inside("webhook_id", "Our id."), schema.IDEMPOTENCY_KEY],
        request=ReplayIn,
        examples=examples.of("replay", {"since": "2026-05-18T00:00:00Z", "status": "failed"}),
        responses=schema.answers({202: ReplayOut}, 400, 404, 409, 413, 415),
    )
    def post(self, request: TenantRequest, webhook_id: str) -> Response:
        endpoint = webhooks.find(request, webhook_id)
        asked = ReplayIn(data=request.data)
        asked.is_valid(raise_exception=True)
        wanted = asked.validated_data
        ordered = replay.order(endpoint=endpoint, since=wanted["since"], wanted=wanted["status"])
        return Response(_replay(_find(endpoint, str(ordered.pk))), status=202)


class ReplayDetail(TenantView):
    scopes = {"GET": "read"}

    @extend_schema(
        operation_id="v1.webhooks.replay_progress",
        summary="See how far a replay has come",
        tags=["Webhooks"],
        parameters=[
            schema.inside("webhook_id", "Our id."),
            schema.inside("replay_id", "The id that the order was answered with."),
        ],
        responses=schema.answers({200: ReplayOut}, 404),
    )
    def get(self, request: TenantRequest, webhook_id: str, replay_id: str) -> Response:
        return Response(_replay(_find(webhooks.find(request, webhook_id), replay_id)))


def _find(endpoint: WebhookEndpoint, replay_id: str) -> replay.Progress:
    own_id = ids.parse_id(replay_id)
    found = None if own_id is None else replay.progress(endpoint=endpoint, replay_id=own_id)
    if found is None:
        raise errors.NotFound("No replay with this id at this webhook")
    return found


def _replay(progress: replay.Progress) -> dict[str, Any]:
    ordered = progress.replay
    return ReplayOut(
        id=str(ordered.pk),
        webhook_id=str(ordered.endpoint_id),
        since=envelope.moment(ordered.since),
        until=envelope.moment(ordered.until),
        wanted=ordered.wanted,
        status=progress.status,
        total=ordered.shown_total,
        total_is_capped=ordered.is_total_capped,
        replayed=ordered.replayed_count,
        delivered=ordered.delivered_count,
        failed=progress.failed_count,
        created_at=envelope.moment(ordered.created_at),
        begun_at=_moment(ordered.finished_at),
    ).model_dump()


def _moment(value: datetime | None) -> str | None:
    return None if value is None else envelope.moment(value)
