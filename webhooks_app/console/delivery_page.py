"""Deliveries with their attempts, and the orders to make many of them again."""

import json
from collections.abc import Mapping
from typing import Any, TypeVar
from uuid import UUID

from django.db.models import Model, QuerySet
from django.http import HttpRequest

from accounts import access, roles
from accounts.acts import Act, Acting, Done, Finding, ReasonForm
from accounts.console import TenantLogAdmin, user_of
from accounts.models import User
from gosend.lib import logs
from webhooks_app import events, replay
from webhooks_app.models import Attempt, Delivery, WebhookEndpoint

# Attempts that a delivery's page shows, the newest ones.
SHOWN = 50
# Endpoints that a query names one by one.
_NAMED_MAX = 1000
Row = TypeVar("Row", bound=Model)


def _mask(attempt: Attempt) -> None:
    """A receiver may repeat the customer's number in its answer; only operators see it."""
    attempt.response_body = logs.redact(attempt.response_body)
    attempt.response_headers = {
        name: logs.redact(str(value)) for name, value in attempt.response_headers.items()
    }


def _again(row: Delivery, data: Mapping[str, Any]) -> Done:
    replay.one(delivery=row)
    return Done("It is delivered again; reload this page to see the attempt.")


def _request(row: Delivery, data: Mapping[str, Any]) -> Done:
    """The exact bytes; the signature is made anew for each attempt and is not kept."""
    body = events.wire_body(event=row.event, delivery=row).decode()
    try:
        shown = json.dumps(json.loads(body), indent=2, ensure_ascii=False)
    except ValueError:
        shown = body
    findings = [
        Finding("Sent to", f"POST {row.endpoint.url}"),
        Finding("Headers", "Content-Type: application/json; the signature is made anew for each attempt."),
        Finding("Body", shown),
    ]
    return Done("This is what the receiver gets.", findings=findings)


def of_endpoints(queryset: QuerySet[Row], *, user: User, path: str) -> QuerySet[Row]:
    """Narrow deliveries, or what hangs on them, by their endpoints, because these have an index."""
    if access.sees_all(user):
        return queryset
    endpoints = access.narrow(WebhookEndpoint.objects.all(), user=user, path="tenant_id")
    known = list(endpoints.order_by("pk").values_list("pk", flat=True)[: _NAMED_MAX + 1])
    if len(known) > _NAMED_MAX:
        return access.narrow_large(queryset, user=user, path=path)
    return queryset.filter(**{f"{path.removesuffix('tenant_id')}endpoint_id__in": known})


def by_delivery_id(rows: QuerySet[Row], term: str, *, path: str = "") -> QuerySet[Row]:
    """The rows of the delivery that a search names.

    Django itself would compare the ids as text, which no index holds.
    """
    if not term.strip():
        return rows
    try:
        return rows.filter(**{f"{path}delivery_id": UUID(term.strip())})
    except ValueError:
        return rows.none()


class DeliveryAdmin(Acting, TenantLogAdmin):  # type: ignore[misc]  # unfold narrows what Django wrote
    """No filters: a rare status would be looked for through millions of rows. Endpoints lead here."""

    narrow = staticmethod(of_endpoints)
    ordering = ("-id",)
    list_display = ("delivery_id", "endpoint", "event", "status", "attempt_count", "next_attempt_at")
    list_select_related = ("endpoint", "event")
    search_fields = ("delivery_id__exact",)
    exclude = ("claim_token",)
    acts = (
        Act("again", "Deliver again", "Runs through the schedule once more.", "delivery.replayed", _again),
        Act(
            "request", "Show the request", "Shows what is posted, a customer's words and number included.",
            "delivery.revealed", _request, ReasonForm,
        ),
    )  # fmt: skip

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).select_related("endpoint", "event")

    def get_search_results(self, request: HttpRequest, queryset: Any, search_term: str) -> Any:
        return by_delivery_id(queryset, search_term), False

    def panel(self, request: HttpRequest, row: Any) -> Mapping[str, Any]:
        attempts = list(Attempt.objects.filter(delivery=row).order_by("-number")[:SHOWN])
        if not roles.has_role(user_of(request), roles.OPERATOR):
            for attempt in attempts:
                _mask(attempt)
        return {"panel_template": "console/delivery_panel.html", "attempts": attempts}


class ReplayAdmin(Acting, TenantLogAdmin):  # type: ignore[misc]  # the same
    ordering = ("-id",)
    list_display = ("id", "endpoint", "wanted", "total", "replayed_count", "delivered_count", "finished_at")
    list_select_related = ("endpoint",)

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).select_related("endpoint")

    def panel(self, request: HttpRequest, row: Any) -> Mapping[str, Any]:
        progress = replay.progress(endpoint=row.endpoint, replay_id=row.pk)
        return {"panel_template": "console/replay_panel.html", "progress": progress}
