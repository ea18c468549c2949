"""Forget what was delivered long ago."""

import time

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, OuterRef

from gosend.lib import ids, stop
from webhooks_app.models import Delivery, Event, Replay

_BATCH = 1000
_SECONDS = 60.0


def forget() -> int:
    """Delete deliveries that ended, with their attempts, events and orders; return how many rows.

    A delivery that still waits stays, however old, and its event with it. What is left after `_SECONDS`
    of each kind waits for the next run.
    """
    forgotten = 0
    if settings.WEBHOOK_LOG_DAYS <= 0:
        return 0
    for batch in (_deliveries, _events, _replays):
        deadline = time.monotonic() + _SECONDS
        while count := batch(_first_kept()):
            forgotten += count
            if time.monotonic() > deadline or stop.asked.is_set():
                break
    return forgotten


def _first_kept() -> int:
    """The smallest id that is young enough."""
    return ids.first_of_days(settings.WEBHOOK_LOG_DAYS)


@transaction.atomic
def _deliveries(first_kept: int) -> int:
    old = Delivery.objects.filter(pk__lt=first_kept, next_attempt_at=None).order_by("pk")
    # One that is being replayed at this moment is left out.
    found = list(old.select_for_update(skip_locked=True).values_list("pk", flat=True)[:_BATCH])
    return Delivery.objects.filter(pk__in=found).delete()[0] if found else 0


@transaction.atomic
def _events(first_kept: int) -> int:
    owed = Delivery.objects.filter(event=OuterRef("pk"))
    old = Event.objects.filter(~Exists(owed), pk__lt=first_kept).order_by("pk")
    found = list(old.values_list("pk", flat=True)[:_BATCH])
    return Event.objects.filter(pk__in=found).delete()[0] if found else 0


@transaction.atomic
def _replays(first_kept: int) -> int:
    kept = Delivery.objects.filter(replay=OuterRef("pk"))
    old = Replay.objects.filter(~Exists(kept), pk__lt=first_kept, finished_at__isnull=False)
    found = list(old.order_by("pk").values_list("pk", flat=True)[:_BATCH])
    return Replay.objects.filter(pk__in=found).delete()[0] if found else 0
