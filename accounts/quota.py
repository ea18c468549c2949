"""Requests per key and day (UTC), drawn from one row in slices."""

import math
import time
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from threading import Lock

from django.db import connection
from django.db.models.functions import Now, TruncDate

from accounts.models import ApiKey, KeyDay

# A process draws a fiftieth of what is left, at most so many: it writes once for as many requests,
# and what a process takes with it when it ends is little beside the day's limit.
_SLICE = 100
_SHARE = 50
# A spent day is looked at again after so many seconds, for its limit may have been raised.
_LOOK_AGAIN_SECONDS = 5.0
_MAX_KEYS = 10_000
_KEPT = timedelta(days=35)


@dataclass(frozen=True, slots=True)
class Day:
    """`remaining` leaves out what other processes have drawn and not yet used."""

    allowed: bool
    limit: int
    remaining: int
    retry_after: int


@dataclass(slots=True)
class _Slice:
    day: date
    limit: int
    held: int  # requests drawn and not yet used
    left: int  # requests nobody has drawn
    look_again_at: float = -math.inf
    ends_at: float = field(init=False)  # the next midnight in UTC, as seconds of the epoch

    def __post_init__(self) -> None:
        tomorrow = datetime.combine(self.day + timedelta(days=1), datetime.min.time(), tzinfo=UTC)
        self.ends_at = tomorrow.timestamp()


def take(*, key: ApiKey, limit: int) -> Day:
    """Count one request of today against the key's limit."""
    with _lock:
        held = _slices.get(key.id)
        if held is not None and held.limit == limit and time.time() < held.ends_at:
            if held.held:
                held.held -= 1
                return _day(held, allowed=True)
            if time.monotonic() < held.look_again_at:
                return _day(held, allowed=False)
    return _draw(key, limit)


def peek(*, key: ApiKey, limit: int) -> Day | None:
    """What this process knows of the key's day, without counting; None when it knows nothing."""
    with _lock:
        held = _slices.get(key.id)
        if held is None or held.limit != limit or time.time() >= held.ends_at:
            return None
        return _day(held, allowed=True)


def forget_past(*, limit: int = 1000) -> int:
    """Delete a batch of counts of days long past; return how many."""
    old = KeyDay.objects.filter(day__lt=TruncDate(Now() - _KEPT, tzinfo=UTC))
    return KeyDay.objects.filter(pk__in=old.values("pk")[:limit]).delete()[0]


def _draw(key: ApiKey, limit: int) -> Day:
    parameters = {"key": key.pk, "limit": limit, "slice": _SLICE, "share": _SHARE}
    with connection.cursor() as cursor:
        cursor.execute(_DRAW, parameters)
        row = cursor.fetchone()
    with _lock:
        if len(_slices) >= _MAX_KEYS:
            _slices.clear()
        before = _slices.get(key.id)
        if row is None:
            look_again_at = time.monotonic() + _LOOK_AGAIN_SECONDS
            fresh = _Slice(datetime.now(UTC).date(), limit, 0, 0, look_again_at)
        else:
            day, size, drawn = row
            # Two threads may have drawn at once: what both got is kept.
            kept = before.held if before and (before.day, before.limit) == (day, limit) else 0
            fresh = _Slice(day, limit, kept + size - 1, limit - drawn)
        _slices[key.pk] = fresh
        return _day(fresh, allowed=row is not None)


def _day(held: _Slice, *, allowed: bool) -> Day:
    wait = max(1, math.ceil(held.ends_at - time.time()))
    return Day(allowed, held.limit, held.held + held.left, wait)


_lock = Lock()
_slices: dict[int, _Slice] = {}

_DRAW = """
INSERT INTO accounts_keyday AS held (api_key_id, day, slice, drawn)
SELECT %(key)s, (statement_timestamp() AT TIME ZONE 'UTC')::date, first, first
  FROM (SELECT least(%(slice)s, greatest(1, %(limit)s / %(share)s))) AS fresh (first)
 WHERE %(limit)s > 0
ON CONFLICT (api_key_id, day) DO UPDATE
   SET slice = least(%(slice)s, greatest(1, (%(limit)s - held.drawn) / %(share)s)),
       drawn = held.drawn + least(%(slice)s, greatest(1, (%(limit)s - held.drawn) / %(share)s))
 WHERE held.drawn < %(limit)s
RETURNING day, slice, drawn
"""
