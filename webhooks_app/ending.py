"""End what waits for a disabled or removed endpoint: a part of it at once, the rest by the sweep.

There may be a million. Ended in one statement, they would hold the endpoint's lock for as long as that takes,
and a web request may not take as long.
"""

import time

from django.db import connection, transaction
from django.db.models import Q
from django.db.models.functions import Now

from gosend.lib import stop
from webhooks_app.models import Delivery, WebhookEndpoint

# Deliveries that are ended under one lock.
BATCH = 1000
# Seconds of a sweep, which has other things to do.
_SECONDS = 0.5


def end_batch(*, endpoint: WebhookEndpoint, reason: str) -> int:
    """End some of what nobody is attempting; the caller has the endpoint locked. Return how many.

    An attempt under way ends its own. Nothing new is claimed of a disabled endpoint.
    """
    free = Q(lease_expires_at=None) | Q(lease_expires_at__lte=Now())
    waiting = Delivery.objects.filter(free, endpoint=endpoint, next_attempt_at__isnull=False)
    # One that is locked is being claimed or recorded.
    some = waiting.order_by("next_attempt_at").select_for_update(skip_locked=True)
    found = list(some.values_list("pk", flat=True)[:BATCH])
    return Delivery.objects.filter(pk__in=found).update(
        status=Delivery.Status.FAILED,
        ended_reason=reason,
        next_attempt_at=None,
        claim_token=None,
        lease_expires_at=None,
    )


def advance() -> int:
    """End the rest, batch by batch, for a moment; return how many."""
    deadline = time.monotonic() + _SECONDS
    ended = 0
    for endpoint_id in _owed():
        while count := _end_batch(endpoint_id):
            ended += count
            if time.monotonic() > deadline or stop.asked.is_set():
                return ended
    return ended


def _owed() -> list[int]:
    """The disabled endpoints for which something waits."""
    with connection.cursor() as cursor:
        cursor.execute(_OWED)
        return [endpoint_id for (endpoint_id,) in cursor.fetchall()]


@transaction.atomic
def _end_batch(endpoint_id: int) -> int:
    # Locked, so that it is not enabled meanwhile; whoever has the lock is not waited for.
    locking = WebhookEndpoint.objects.select_for_update(no_key=True, skip_locked=True)
    endpoint = locking.filter(pk=endpoint_id, is_enabled=False).first()
    if endpoint is None:
        return 0
    reasons = Delivery.EndedReason
    reason = reasons.ENDPOINT_REMOVED if endpoint.removed_at else reasons.ENDPOINT_DISABLED
    return end_batch(endpoint=endpoint, reason=reason)


# One jump of the index for each endpoint that is owed something: those that were removed are ever more.
_OWED = """
WITH RECURSIVE waiting AS (
    (SELECT endpoint_id FROM webhooks_app_delivery
      WHERE next_attempt_at IS NOT NULL ORDER BY endpoint_id, next_attempt_at LIMIT 1)
    UNION ALL
    SELECT later.endpoint_id FROM waiting CROSS JOIN LATERAL (
        SELECT endpoint_id FROM webhooks_app_delivery
         WHERE next_attempt_at IS NOT NULL AND endpoint_id > waiting.endpoint_id
         ORDER BY endpoint_id, next_attempt_at LIMIT 1) later
)
SELECT endpoint.id
  FROM waiting JOIN webhooks_app_webhookendpoint endpoint ON endpoint.id = waiting.endpoint_id
 WHERE NOT endpoint.is_enabled ORDER BY endpoint.id
"""
