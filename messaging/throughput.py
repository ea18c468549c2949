"""Messages per second of each number: in Redis, and in PostgreSQL while Redis is away."""

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from django.db import connection

from accounts.models import PhoneNumber
from gosend.lib import metrics, prepared, rate_limit
from gosend.lib.errors import DomainError
from messaging import pacing
from messaging.models import Throughput

_PER_SECOND = {
    PhoneNumber.Tier.STANDARD: 80,
    PhoneNumber.Tier.MEDIUM: 200,
    PhoneNumber.Tier.HIGH: 1000,
}
# Meta's cap while the number is also used in the WhatsApp Business app.
_COEXISTENCE = 20
# Asynchronous messages that may wait on one number.
MAX_WAITING = 10_000
# A process counts a queue anew after as long, sooner once half the room is taken, and near its end always.
_COUNT_SECONDS = 2.0
_COUNT_SOON_SECONDS = 0.5
_NEAR = 1_000


class NumberOverLimit(DomainError):
    code = "rate_limited_phone_number"


class QueueFull(DomainError):
    code = "queue_full"


@dataclass(frozen=True, slots=True)
class Grant:
    """So many messages may go out now; where it is none, one may after `retry_after` seconds."""

    count: int
    retry_after: float = 0.0


def per_second(number: PhoneNumber) -> int | None:
    """The number's rate, which is also its burst; None for no limit of ours."""
    rate = _PER_SECOND.get(PhoneNumber.Tier(number.throughput_tier))
    if number.is_coexistence:
        return min(rate or _COEXISTENCE, _COEXISTENCE)
    return rate


def take(*, number: PhoneNumber, most: int) -> Grant:
    """Take as many sends from the number's budget as it holds, up to `most`; fewer as Meta asks."""
    if wait := pacing.held_seconds(number):
        return Grant(0, wait)
    allowed = pacing.probe(number, most)
    if most and not allowed:
        # Somebody else's message tries now.
        return Grant(0, pacing.held_seconds(number))
    most = allowed
    rate = pacing.slowed(number, per_second(number))
    if rate is None:
        return Grant(most)
    count, wait = _take(number, rate, most)
    if not count:
        pacing.end_try(number)
    return Grant(count, wait / 1_000_000)


def give_back(*, number: PhoneNumber, count: int) -> None:
    """Put back what was taken and not sent."""
    if count > 0:
        pacing.end_try(number)
    rate = pacing.slowed(number, per_second(number))
    if rate is not None and count > 0:
        _take(number, rate, -count)


@contextmanager
def one(*, number: PhoneNumber) -> Iterator[None]:
    """Spend one send of the budget on what follows; put it back where that fails."""
    grant = take(number=number, most=1)
    if not grant.count:
        held = pacing.why_held(number)
        raise NumberOverLimit(held or _message(number), retry_after=max(1, math.ceil(grant.retry_after)))
    try:
        yield
    except BaseException:
        give_back(number=number, count=1)
        raise


def room(*, number: PhoneNumber, wanted: int = 1) -> int:
    """How many of `wanted` asynchronous messages the number's queue still takes."""
    free = MAX_WAITING - _queues.waiting(number.id)
    granted = max(0, min(wanted, free))
    _queues.add(number.id, granted)
    return granted


def queue_full(number: PhoneNumber) -> QueueFull:
    return QueueFull(_message(number), details={"limit": MAX_WAITING}, retry_after=1)


def _message(number: PhoneNumber) -> str:
    rate = per_second(number)
    words = f"{rate} msg/s" if rate else "no limit"
    return (
        f"Rate limit exceeded for phone_number_id={number.phone_number_id}."
        f" Tier: {number.throughput_tier} ({words})."
    )


def _take(number: PhoneNumber, rate: int, most: int) -> tuple[int, int]:
    interval = 1_000_000 // rate
    least = min(most, 1)
    answer = rate_limit.take_in_redis(
        key=f"number:{number.phone_number_id}", interval=interval, burst=rate, least=least, most=most
    )
    if answer is None:
        taken, wait = _take_in_database(number.pk, interval, interval * rate, most)
    else:
        taken, wait, _until_full = answer
    where = "database" if answer is None else "redis"
    if most > 0:
        metrics.LIMITS.add("number", where, "allowed" if taken else "denied", amount=max(1, taken))
    return taken, wait


def _take_in_database(number_id: int, interval: int, capacity: int, most: int) -> tuple[int, int]:
    parameters = {"number": number_id, "interval": interval, "capacity": capacity, "most": most}
    with connection.cursor() as cursor:
        cursor.execute(_TAKE, parameters)
        row = cursor.fetchone()
        if row is None:
            Throughput.objects.bulk_create(
                [Throughput(phone_number_id=number_id, full_at=0)], ignore_conflicts=True
            )
            cursor.execute(_TAKE, parameters)
            row = cursor.fetchone()
    taken, full_at, now = row
    return taken, 0 if taken else max(0, full_at + interval - capacity - now)


# When the budget is full again: never later than all of it takes from now, whatever the clock was before.
_FULL_AT = "least(greatest(held.full_at, clock.now), clock.now + %(capacity)s)"
_TAKEN = f"least(%(most)s, greatest(0, (clock.now + %(capacity)s - {_FULL_AT}) / %(interval)s))"
# The moment is read before the row's lock is had, so waiting for it never makes the budget larger.
_TAKE = f"""
UPDATE messaging_throughput AS held
   SET taken = {_TAKEN}, full_at = {_FULL_AT} + %(interval)s * {_TAKEN}
  FROM (SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint AS now) AS clock
 WHERE held.phone_number_id = %(number)s
RETURNING held.taken, held.full_at, clock.now
"""  # noqa: S608 -- constants of ours


class _Queues:
    """What this process knows of the queues' lengths, so that it need not count for each message."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[float, int]] = {}

    def waiting(self, number_id: int) -> int:
        counted_at, known = self._known.get(number_id, (-math.inf, 0))
        believed = _COUNT_SECONDS if known < MAX_WAITING // 2 else _COUNT_SOON_SECONDS
        if time.monotonic() - counted_at < believed and known < MAX_WAITING - _NEAR:
            return known
        length: int = prepared.rows(_COUNT, [str(number_id), str(MAX_WAITING + 1)])[0][0]
        if len(self._known) > _NEAR:
            self._known.clear()
        self._known[number_id] = (time.monotonic(), length)
        return length

    def add(self, number_id: int, count: int) -> None:
        counted_at, length = self._known.get(number_id, (-math.inf, 0))
        self._known[number_id] = (counted_at, length + count)


_COUNT = """
SELECT count(*) FROM (
    SELECT FROM messaging_dispatch WHERE phone_number_id = $1::bigint AND state = 'queued' LIMIT $2::bigint
) AS waiting
"""
_queues = _Queues()
