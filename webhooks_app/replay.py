"""Deliver again what was delivered or given up: one, or all of an endpoint's since a moment."""

import logging
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.db.models import Count, F, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce, Now

from gosend.lib import doorbell, ids
from gosend.lib.errors import DomainError
from webhooks_app import endpoints
from webhooks_app.models import Delivery, Replay, Trigger, WebhookEndpoint

log = logging.getLogger(__name__)

# So many of one order wait for their first attempt at the same time: what happens meanwhile queues
# behind these few, not behind all.
BATCH = 200


class DeliveryUnderWay(DomainError):
    code = "delivery_under_way"


@dataclass(frozen=True, slots=True)
class Progress:
    """An order, and how many of its deliveries have not ended yet."""

    replay: Replay
    waiting_count: int

    @property
    def failed_count(self) -> int:
        return self.replay.replayed_count - self.replay.delivered_count - self.waiting_count

    @property
    def status(self) -> str:
        if self.replay.finished_at is None or self.waiting_count:
            return "running"
        return "stopped" if self.replay.is_stopped else "done"


def one(*, delivery: Delivery) -> None:
    """Run through the schedule once more, from now on; what was delivered is delivered again.

    Raises WebhookDisabled, and DeliveryUnderWay while an attempt is being made.
    """
    with transaction.atomic():
        endpoint = _lock(delivery.endpoint_id)
        endpoints.require_enabled(endpoint=endpoint)
        mine = Delivery.objects.filter(pk=delivery.pk)
        # One that still waits stays part of the order that made it wait.
        mine.filter(next_attempt_at=None).update(replay=None)
        if not _restart(mine.filter(Q(lease_expires_at=None) | Q(lease_expires_at__lte=Now()))):
            raise DeliveryUnderWay("An attempt at this delivery is being made", retry_after=1)
        doorbell.ring("webhooks_app.deliver")


def order(*, endpoint: WebhookEndpoint, since: datetime, wanted: str = Replay.Wanted.FAILED) -> Replay:
    """Order all that was owed since a moment and has ended so; batches are made due by `advance`."""
    endpoints.require_enabled(endpoint=endpoint)
    replay = Replay(tenant_id=endpoint.tenant_id, endpoint=endpoint, since=since, wanted=wanted)
    with transaction.atomic():
        replay.until = WebhookEndpoint.objects.annotate(now=Now()).get(pk=endpoint.pk).now
        replay.total = _ended(replay).values("pk")[: Replay.MAX_COUNTED + 1].count()
        replay.save(force_insert=True)
        replay.refresh_from_db()
        doorbell.ring("webhooks_app.replay")
    return replay


def advance() -> int:
    """Make the next batch of each unfinished order due; return how many deliveries that were."""
    unfinished = Replay.objects.filter(finished_at=None).order_by("pk")
    restarted = sum(_try(replay) for replay in unfinished)
    if restarted:
        doorbell.ring("webhooks_app.deliver")
    return restarted


def progress(*, endpoint: WebhookEndpoint, replay_id: int) -> Progress | None:
    """How far an order of an endpoint's has come, all of it seen at the same moment."""
    # Those that wait have an index of their own; of the others there may be millions.
    waiting = Delivery.objects.filter(replay=OuterRef("pk"), next_attempt_at__isnull=False).order_by()
    count = Subquery(waiting.values("replay").annotate(count=Count("pk")).values("count"))
    replay = endpoint.replays.annotate(waiting_count=Coalesce(count, 0)).filter(pk=replay_id).first()
    return None if replay is None else Progress(replay, replay.waiting_count)


def _try(replay: Replay) -> int:
    try:
        return _advance(replay)
    except Exception:  # the other orders are none the worse for it
        log.exception("replay %s could not go on", replay.pk)
        return 0


@transaction.atomic
def _advance(known: Replay) -> int:
    # The endpoint's lock is also the order's. A sweep does not wait for whoever has it: the next one comes.
    locking = WebhookEndpoint.objects.select_for_update(no_key=True, skip_locked=True)
    endpoint = locking.filter(pk=known.endpoint_id).first()
    if endpoint is None:
        return 0
    replay = Replay.objects.get(pk=known.pk)
    if replay.finished_at:
        return 0
    if not endpoint.is_enabled:
        _finish(replay, is_stopped=True)
        return 0
    untried = _waiting(replay).filter(status=Delivery.Status.PENDING)
    room = BATCH - untried.count()
    if room <= 0:
        return 0
    batch = _ended(replay).filter(pk__gt=replay.last_delivery_id).order_by("pk").select_for_update()
    found = list(batch.values_list("pk", flat=True)[:room])
    if found:
        _restart(Delivery.objects.filter(pk__in=found), replay=replay)
        replay.last_delivery_id = found[-1]
        replay.replayed_count += len(found)
        replay.save(update_fields=["last_delivery_id", "replayed_count"])
    if len(found) < room:
        _finish(replay, is_stopped=False)
    return len(found)


def _ended(replay: Replay) -> QuerySet[Delivery]:
    """An order's deliveries that have ended in the way it asks for.

    `failed` leaves out what was once delivered, also when a later run failed.
    """
    rows = Delivery.objects.filter(
        endpoint_id=replay.endpoint_id,
        # The id is made a little later than created_at, never earlier.
        pk__gte=ids.first_id(replay.since),
        created_at__gte=replay.since,
        created_at__lte=replay.until,
        next_attempt_at=None,
    )
    if replay.wanted == Replay.Wanted.FAILED:
        return rows.filter(status=Delivery.Status.FAILED, delivered_at=None)
    if replay.wanted == Replay.Wanted.DELIVERED:
        return rows.filter(delivered_at__isnull=False)
    return rows


def _waiting(replay: Replay) -> QuerySet[Delivery]:
    return Delivery.objects.filter(replay=replay, next_attempt_at__isnull=False)


def _restart(deliveries: QuerySet[Delivery], **changes: Replay) -> int:
    """Begin a new run through the schedule; numbers of attempts go on where they were."""
    return deliveries.update(
        status=Delivery.Status.PENDING,
        next_attempt_at=Now(),
        attempts_before=F("attempt_count"),
        trigger=Trigger.MANUAL,
        ended_reason="",
        claim_token=None,
        claim_count=0,
        lease_expires_at=None,
        **changes,
    )


def _finish(replay: Replay, *, is_stopped: bool) -> None:
    """End an order; its total is then what was replayed, unless it was stopped before."""
    total = replay.total if is_stopped else replay.replayed_count
    Replay.objects.filter(pk=replay.pk).update(finished_at=Now(), is_stopped=is_stopped, total=total)


def _lock(endpoint_id: int) -> WebhookEndpoint:
    # Always the endpoint before its deliveries (see endpoints.py).
    return WebhookEndpoint.objects.select_for_update(no_key=True).get(pk=endpoint_id)
