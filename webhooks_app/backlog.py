"""How much waits to be told, for how long, and which endpoints do not listen; cheap however much it is."""

from dataclasses import dataclass

from django.db import connection
from django.db.models import Count, Q

from webhooks_app.models import WebhookEndpoint

# Rows are counted up to here, and so many endpoints' oldest deliveries looked up.
CAP = 50_000
_MAX_ENDPOINTS = 1_000


@dataclass(frozen=True, slots=True)
class Deliveries:
    """Deliveries not ended, at most CAP: those due now, those waiting for their next try."""

    due: int
    later: int
    oldest_seconds: float


@dataclass(frozen=True, slots=True)
class Endpoints:
    """Endpoints that were not removed."""

    total: int
    failing: int
    disabled: int


def deliveries() -> Deliveries:
    with connection.cursor() as cursor:
        cursor.execute(_COUNT, [CAP])
        due, later = cursor.fetchone()
        cursor.execute(_OLDEST, [_MAX_ENDPOINTS])
        oldest = cursor.fetchone()[0]
    return Deliveries(due, later, max(0.0, oldest or 0.0))


def endpoints() -> Endpoints:
    """Endpoints are few: one row for each address that a tenant named."""
    live = WebhookEndpoint.objects.filter(removed_at=None)
    found = live.aggregate(
        total=Count("pk"),
        failing=Count("pk", filter=Q(is_enabled=True, failing_since__isnull=False)),
        # One without a reason was switched off by its owner.
        disabled=Count("pk", filter=Q(is_enabled=False) & ~Q(disabled_reason="")),
    )
    return Endpoints(**found)


_COUNT = """
SELECT count(*) FILTER (WHERE next_attempt_at <= statement_timestamp()),
       count(*) FILTER (WHERE next_attempt_at > statement_timestamp())
  FROM (SELECT next_attempt_at FROM webhooks_app_delivery WHERE next_attempt_at IS NOT NULL LIMIT %s) waiting
"""
# One jump of the index for each endpoint that is owed something.
_OLDEST = """
WITH RECURSIVE waiting AS (
    (SELECT endpoint_id, next_attempt_at, 1 AS place FROM webhooks_app_delivery
      WHERE next_attempt_at IS NOT NULL ORDER BY endpoint_id, next_attempt_at LIMIT 1)
    UNION ALL
    SELECT later.endpoint_id, later.next_attempt_at, waiting.place + 1 FROM waiting CROSS JOIN LATERAL (
        SELECT endpoint_id, next_attempt_at FROM webhooks_app_delivery
         WHERE next_attempt_at IS NOT NULL AND endpoint_id > waiting.endpoint_id
         ORDER BY endpoint_id, next_attempt_at LIMIT 1) later
     WHERE waiting.place < %s
)
SELECT extract(epoch FROM statement_timestamp() - min(next_attempt_at))::float8 FROM waiting
"""
