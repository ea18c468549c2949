"""Sends per minute and hour of one number, for the API that promises both budgets.

No minute and no hour holds more sends than the number's cap, whichever way it is cut. A send that may
wait is given the moment at which the budget has room for it, in the order in which they were asked.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

from django.conf import settings
from django.db import connection, transaction
from django.db.models.functions import Now

from accounts.models import PhoneNumber
from gosend.lib.errors import DomainError
from messaging.models import SendSlot

# A message that would wait for longer is refused: one day after it was accepted it would be given up.
MAX_WAIT = timedelta(hours=23)
_LONGEST = timedelta(hours=1)


class BudgetSpent(DomainError):
    code = "rate_limited_session"


def caps(number: PhoneNumber) -> tuple[int, int]:
    """The number's sends per minute and per hour; 0 for no cap."""
    minute, hour = number.rate_per_minute, number.rate_per_hour
    return (
        settings.DEFAULT_RATE_PER_MIN if minute is None else minute,
        settings.DEFAULT_RATE_PER_HOUR if hour is None else hour,
    )


@contextmanager
def one(*, number: PhoneNumber, may_wait: bool) -> Iterator[datetime | None]:
    """Spend one send on what follows, given back where that fails; yields when it is due, None for now.

    Raises BudgetSpent when there is no room now, or, with `may_wait`, none for nearly a day.
    """
    if not any(caps(number)):
        yield None
        return
    slot, due_at = _reserve(number, may_wait=may_wait)
    try:
        yield due_at
    except BaseException:
        SendSlot.objects.filter(pk=slot).delete()
        raise


def forget_past(*, limit: int = 5000) -> int:
    """Delete a batch of slots that no budget looks at any more; return how many."""
    old = SendSlot.objects.filter(at__lt=Now() - _LONGEST).order_by("at")
    return SendSlot.objects.filter(pk__in=old.values("pk")[:limit]).delete()[0]


def _reserve(number: PhoneNumber, *, may_wait: bool) -> tuple[int, datetime | None]:
    minute, hour = caps(number)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended('send_slot', %s))", [number.pk])
        cursor.execute(_NEXT, {"number": number.pk, "minute": minute, "hour": hour})
        now, at = cursor.fetchone()
        wait = max(timedelta(0), at - now)
        if wait > (MAX_WAIT if may_wait else timedelta(0)):
            raise BudgetSpent(
                "The session's send budget is used up",
                details={"limitPerMinute": minute or None, "limitPerHour": hour or None},
                retry_after=max(1, math.ceil(wait.total_seconds())),
            )
        slot = SendSlot.objects.create(phone_number=number, at=at)
    return slot.pk, at if wait else None


# The n-th latest send must be a whole minute, or hour, old. Read after the lock was had.
_NEXT = """
SELECT clock.now, greatest(clock.now,
       (SELECT at + interval '1 minute' FROM messaging_sendslot WHERE phone_number_id = %(number)s
           AND %(minute)s > 0 ORDER BY at DESC OFFSET greatest(%(minute)s - 1, 0) LIMIT 1),
       (SELECT at + interval '1 hour' FROM messaging_sendslot WHERE phone_number_id = %(number)s
           AND %(hour)s > 0 ORDER BY at DESC OFFSET greatest(%(hour)s - 1, 0) LIMIT 1))
  FROM (SELECT clock_timestamp() AS now) AS clock
"""
