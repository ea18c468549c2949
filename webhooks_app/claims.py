"""The right to attempt deliveries: taken in lots, a few of each endpoint, with a token and a lease."""

import uuid
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from uuid import UUID

import orjson
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


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much of it a claim may take, of each tenant and of all that is slow or fails.

    `of_tenants` names what is left to tenants that have some in hand; `slow` are endpoints known to be slow.
    """

    of_tenant: int
    of_slow: int
    of_tenants: Mapping[int, int] = field(default_factory=dict)
    slow: Collection[int] = ()


def take_due(
    *,
    limit: int,
    per_endpoint: int = PER_ENDPOINT,
    bounds: Bounds | None = None,
    lease_seconds: int | None = None,
) -> list[Claim]:
    """Take due deliveries for this worker alone: of each tenant as many, and of its endpoints the same few.

    Of an endpoint whose last attempt failed only one is taken at a time, until one succeeds: a dead
    receiver holds one thread, and its queue is not worn down while it is away. What is left of a disabled
    one's is for ending.py.
    """
    bounds = bounds or Bounds(of_tenant=limit, of_slow=limit)
    parameters: dict[str, int | str] = {
        "limit": limit,
        "per_endpoint": per_endpoint,
        "of_tenant": bounds.of_tenant,
        "of_tenants": orjson.dumps(bounds.of_tenants, option=orjson.OPT_NON_STR_KEYS).decode(),
        "slow": prepared.array(bounds.slow),
        "of_slow": bounds.of_slow,
    }
    lease = settings.CLAIM_LEASE_SECONDS if lease_seconds is None else lease_seconds
    return _take(_DUE, parameters, uuid.uuid4(), lease)


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


def _take(chosen: str, parameters: Mapping[str, int | str], token: UUID, lease: int) -> list[Claim]:
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
# A tenant's endpoints have their turns among themselves, quick and slow ones by themselves, and then all
# tenants' first turns come before any second: who has much waiting always has what waits longest, and
# would be first each time. Suspects are passed by: they are few, and would cost others their turns.
_DUE = f"""
WITH RECURSIVE waiting AS (
    (SELECT endpoint_id, next_attempt_at FROM webhooks_app_delivery
      WHERE next_attempt_at IS NOT NULL AND claim_count < {SUSPECT_AFTER}
      ORDER BY endpoint_id, next_attempt_at LIMIT 1)
    UNION ALL
    SELECT later.endpoint_id, later.next_attempt_at FROM waiting CROSS JOIN LATERAL (
        SELECT endpoint_id, next_attempt_at FROM webhooks_app_delivery
         WHERE next_attempt_at IS NOT NULL AND endpoint_id > waiting.endpoint_id
           AND claim_count < {SUSPECT_AFTER}
         ORDER BY endpoint_id, next_attempt_at LIMIT 1) later
), ready AS (
    SELECT waiting.endpoint_id, waiting.next_attempt_at, endpoint.tenant_id, pace.is_slow,
           most.claims - count(busy.id) AS room,
           coalesce((%(of_tenants)s::jsonb ->> endpoint.tenant_id::text)::int,
                    %(of_tenant)s::int) AS of_tenant
      FROM waiting JOIN webhooks_app_webhookendpoint endpoint ON endpoint.id = waiting.endpoint_id
     CROSS JOIN LATERAL (SELECT endpoint.failing_since IS NOT NULL AS fails,
            endpoint.failing_since IS NOT NULL OR endpoint.id = ANY(%(slow)s::bigint[]) AS is_slow) pace
     CROSS JOIN LATERAL (
        SELECT CASE WHEN pace.fails THEN 1 WHEN pace.is_slow THEN least({PER_ENDPOINT}, %(per_endpoint)s::int)
                    ELSE %(per_endpoint)s::int END AS claims) most
      LEFT JOIN webhooks_app_delivery busy
        ON busy.endpoint_id = waiting.endpoint_id AND busy.lease_expires_at > statement_timestamp()
     WHERE waiting.next_attempt_at <= statement_timestamp() AND endpoint.is_enabled
     GROUP BY waiting.endpoint_id, waiting.next_attempt_at, endpoint.tenant_id, pace.is_slow, most.claims
    HAVING count(busy.id) < most.claims
), of_tenant AS (
    SELECT *, row_number() OVER (PARTITION BY tenant_id, is_slow ORDER BY next_attempt_at) AS turn FROM ready
), of_all AS (
    SELECT *, row_number() OVER (PARTITION BY is_slow ORDER BY turn, next_attempt_at) AS place
      FROM of_tenant WHERE turn <= of_tenant
), turns AS (
    SELECT endpoint_id, tenant_id, is_slow, of_tenant, turn,
           least(room, 1 + 2 * %(limit)s::int / count(*) OVER ()) AS room
      FROM of_all WHERE NOT is_slow OR place <= %(of_slow)s::int
     ORDER BY turn, is_slow, next_attempt_at LIMIT %(limit)s::int
), free AS (
    SELECT due.id, due.next_attempt_at, turns.tenant_id, turns.is_slow, turns.of_tenant, turns.turn,
           row_number() OVER (PARTITION BY turns.endpoint_id ORDER BY due.next_attempt_at) AS place
      FROM turns CROSS JOIN LATERAL (
        SELECT id, next_attempt_at FROM webhooks_app_delivery
         WHERE endpoint_id = turns.endpoint_id AND next_attempt_at <= statement_timestamp()
           AND claim_count < {SUSPECT_AFTER}
         ORDER BY next_attempt_at LIMIT turns.room FOR UPDATE SKIP LOCKED) due
), ranked AS (
    SELECT id, next_attempt_at, is_slow, of_tenant,
           row_number() OVER (PARTITION BY tenant_id ORDER BY place, turn, is_slow) AS of_its_tenant,
           row_number() OVER (PARTITION BY is_slow ORDER BY place, turn, next_attempt_at) AS of_its_pace
      FROM free
), chosen AS (
    SELECT id FROM ranked
     WHERE of_its_tenant <= of_tenant AND (NOT is_slow OR of_its_pace <= %(of_slow)s::int)
     ORDER BY of_its_tenant, next_attempt_at LIMIT %(limit)s::int
)
"""  # noqa: S608 -- our own figures
# An endpoint that fails is tried with one at a time here too.
_SUSPECT = f"""
WITH chosen AS (
    SELECT due.id FROM webhooks_app_delivery due
      JOIN webhooks_app_webhookendpoint endpoint ON endpoint.id = due.endpoint_id
     WHERE due.claim_count >= {SUSPECT_AFTER} AND due.next_attempt_at <= statement_timestamp()
       AND endpoint.is_enabled
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
