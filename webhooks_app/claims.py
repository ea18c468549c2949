"""The right to attempt deliveries: taken in lots, a few of each endpoint, with a token and a lease."""

import uuid
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from django.conf import settings
from django.db.models import F
from django.db.models.functions import Now

from gosend.lib import prepared
from gosend.lib.absence import persist
from webhooks_app.models import Delivery, WebhookEndpoint

# Attempts at the same moment at one endpoint.
PER_ENDPOINT = 4
# A delivery that was claimed and lost as often is claimed alone from then on: what takes its process down
# must not take others with it. The index `delivery_suspect` has the same figure.
SUSPECT_AFTER = 2


@dataclass(slots=True)
class Due:
    """A delivery as far as an attempt needs to know it; the endpoint is shared by its deliveries."""

    endpoint: WebhookEndpoint
    pk: int
    endpoint_id: int
    event_id: int
    delivery_id: UUID
    attempt_count: int
    attempts_before: int
    trigger: str
    replay_id: int | None
    claim_count: int
    event_type: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Claim:
    """A delivery that is ours until the lease ends; `at` is the database's time of the claim."""

    delivery: Due
    token: UUID
    at: datetime


def take_due(
    *, limit: int, per_endpoint: int = PER_ENDPOINT, lease_seconds: int | None = None
) -> list[Claim]:
    """Take due deliveries, the same few of each endpoint, for this worker alone.

    Of an endpoint whose last attempt failed only one is taken at a time, until one succeeds: a dead
    receiver holds one thread, and its queue is not worn down while it is away.
    """
    token = uuid.uuid4()
    lease = settings.CLAIM_LEASE_SECONDS if lease_seconds is None else lease_seconds
    return _take(_DUE, {"limit": limit, "per_endpoint": per_endpoint}, token, lease)


def take_suspect() -> Claim | None:
    """Take one due delivery that `take_due` leaves alone."""
    taken = _take(_SUSPECT, {}, uuid.uuid4(), settings.CLAIM_LEASE_SECONDS)
    return taken[0] if taken else None


def take_one(*, delivery: Delivery) -> Claim | None:
    """Take one delivery for this worker alone, whatever else waits; None when another has it."""
    taken = _take(_ONE, {"id": delivery.pk}, uuid.uuid4(), settings.CLAIM_LEASE_SECONDS)
    return taken[0] if taken else None


def release(claims: Collection[Claim]) -> None:
    """Hand back what was claimed and not begun, as if it had not been claimed."""
    if claims:
        tokens = {claim.token for claim in claims}
        mine = Delivery.objects.filter(
            pk__in=[claim.delivery.pk for claim in claims],
            claim_token__in=tokens,
            next_attempt_at__isnull=False,
        )
        persist(
            lambda: mine.update(
                claim_token=None,
                claim_count=F("claim_count") - 1,
                lease_expires_at=None,
                next_attempt_at=Now(),
            )
        )


def _take(chosen: str, parameters: Mapping[str, int], token: UUID, lease: int) -> list[Claim]:
    given = {name: str(value) for name, value in {**parameters, "token": token, "lease": lease}.items()}
    rows = sorted(prepared.rows(chosen + _TAKE, given))
    if not rows:
        return []
    # Each endpoint once, however many of its deliveries there are.
    ids = prepared.array({row[1] for row in rows})
    endpoints = {one.pk: one for one in WebhookEndpoint.objects.raw(_ENDPOINTS, [ids])}
    at = datetime.fromtimestamp(rows[0][-1], UTC)
    return [Claim(Due(endpoints[row[1]], *row[:-1]), token, at) for row in rows if row[1] in endpoints]


# Endpoints first, one jump of the index each, then a few deliveries of each: so a long queue costs
# the others nothing. Of each hardly more are locked than will be taken. What is claimed falls due again
# when its lease ends.
_DUE = f"""
WITH RECURSIVE waiting AS (
    (SELECT endpoint_id, next_attempt_at FROM webhooks_app_delivery
      WHERE next_attempt_at IS NOT NULL ORDER BY endpoint_id, next_attempt_at LIMIT 1)
    UNION ALL
    SELECT later.endpoint_id, later.next_attempt_at FROM waiting CROSS JOIN LATERAL (
        SELECT endpoint_id, next_attempt_at FROM webhooks_app_delivery
         WHERE next_attempt_at IS NOT NULL AND endpoint_id > waiting.endpoint_id
         ORDER BY endpoint_id, next_attempt_at LIMIT 1) later
), turns AS (
    SELECT waiting.endpoint_id,
           least(most.claims - count(busy.id), 1 + 2 * %(limit)s::int / count(*) OVER ()) AS room
      FROM waiting JOIN webhooks_app_webhookendpoint endpoint ON endpoint.id = waiting.endpoint_id
     CROSS JOIN LATERAL (
        SELECT CASE WHEN endpoint.failing_since IS NULL THEN %(per_endpoint)s::int ELSE 1 END AS claims) most
      LEFT JOIN webhooks_app_delivery busy
        ON busy.endpoint_id = waiting.endpoint_id AND busy.lease_expires_at > statement_timestamp()
     WHERE waiting.next_attempt_at <= statement_timestamp()
     GROUP BY waiting.endpoint_id, waiting.next_attempt_at, most.claims
    HAVING count(busy.id) < most.claims
     ORDER BY waiting.next_attempt_at LIMIT %(limit)s::int
), free AS (
    SELECT due.id, due.next_attempt_at,
           row_number() OVER (PARTITION BY turns.endpoint_id ORDER BY due.next_attempt_at) AS place
      FROM turns CROSS JOIN LATERAL (
        SELECT id, next_attempt_at FROM webhooks_app_delivery
         WHERE endpoint_id = turns.endpoint_id AND next_attempt_at <= statement_timestamp()
           AND claim_count < {SUSPECT_AFTER}
         ORDER BY next_attempt_at LIMIT turns.room FOR UPDATE SKIP LOCKED) due
), chosen AS (SELECT id FROM free ORDER BY place, next_attempt_at LIMIT %(limit)s::int)
"""  # noqa: S608 -- our own figure
# An endpoint that fails is tried with one at a time here too.
_SUSPECT = f"""
WITH chosen AS (
    SELECT due.id FROM webhooks_app_delivery due
      JOIN webhooks_app_webhookendpoint endpoint ON endpoint.id = due.endpoint_id
     WHERE due.claim_count >= {SUSPECT_AFTER} AND due.next_attempt_at <= statement_timestamp()
       AND (endpoint.failing_since IS NULL OR NOT EXISTS (
            SELECT 1 FROM webhooks_app_delivery busy
             WHERE busy.endpoint_id = due.endpoint_id AND busy.lease_expires_at > statement_timestamp()))
     ORDER BY due.next_attempt_at LIMIT 1
       FOR UPDATE OF due SKIP LOCKED
)
"""  # noqa: S608 -- our own figure
_ONE = """
WITH chosen AS (
    SELECT id FROM webhooks_app_delivery
     WHERE id = %(id)s::bigint AND next_attempt_at IS NOT NULL
       AND (lease_expires_at IS NULL OR lease_expires_at <= statement_timestamp())
       FOR UPDATE
)
"""
# An array and a limit of one: so the planner looks rows up by their keys, whatever it thinks of the lot.
_TAKE = """, taken AS (
    UPDATE webhooks_app_delivery delivery
       SET claim_token = %(token)s::uuid, claim_count = claim_count + 1,
           lease_expires_at = statement_timestamp() + make_interval(secs => %(lease)s::float8),
           next_attempt_at = statement_timestamp() + make_interval(secs => %(lease)s::float8)
     WHERE delivery.id = ANY(ARRAY(SELECT id FROM chosen))
    RETURNING delivery.id, delivery.endpoint_id, delivery.event_id, delivery.delivery_id,
              delivery.attempt_count, delivery.attempts_before, delivery.trigger, delivery.replay_id,
              delivery.claim_count
)
SELECT taken.*, event.type, event.body, extract(epoch FROM statement_timestamp())::float8
  FROM taken CROSS JOIN LATERAL (
    SELECT type, body FROM webhooks_app_event WHERE id = taken.event_id LIMIT 1) event
"""
_ENDPOINTS = "SELECT * FROM webhooks_app_webhookendpoint WHERE id = ANY(%s::bigint[])"
