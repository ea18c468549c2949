"""A token bucket, as GCRA: in Redis, and in this process while Redis is away."""

import logging
import math
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import redis
from django.conf import settings
from redis.backoff import NoBackoff
from redis.retry import Retry

from gosend.lib import metrics

log = logging.getLogger(__name__)

# Seconds that one exchange with Redis may take; a limiter must not be slower than what it guards.
_REDIS_SECONDS = 0.05
# Seconds for which Redis is left alone after a failure, so that a frozen one delays few requests.
_PAUSE_SECONDS = 1.0
_WARN_SECONDS = 60.0
_MAX_KEYS = 10_000
_MAX_SLICE = 50
_SLICE_SECONDS = 0.5

# All times in microseconds of Redis's own clock. A key holds the moment at which its bucket is full again:
# never more than the whole of it from now, so what lies beyond was written before the clock stepped back, and
# is mended at once. What is no number counts as absent. For the reply of a wrong type `tonumber` gives nil.
_BEGIN = """
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local interval, capacity = tonumber(ARGV[1]), tonumber(ARGV[2])
local function keep(key, full_at)
  redis.call('SET', key, string.format('%.0f', full_at), 'PX', math.ceil((full_at - now) / 1000) + 1)
end
local function held(key)
  local full_at = math.max(now, tonumber(redis.pcall('GET', key)) or 0)
  if full_at <= now + capacity then
    return full_at
  end
  keep(key, now + capacity)
  return now + capacity
end
"""
# Takes as many as there are, between `least` and `most`, or none; negative numbers put back. Answers: how
# many, microseconds until `least` can be had, microseconds until full.
_SCRIPT = f"""{_BEGIN}
local least, most = tonumber(ARGV[3]), tonumber(ARGV[4])
local full_at = held(KEYS[1])
local room = math.floor((now + capacity - full_at) / interval)
if room < least then
  return {{0, full_at + least * interval - capacity - now, full_at - now}}
end
local taken = math.min(room, most)
full_at = full_at + taken * interval
if full_at <= now then
  redis.call('DEL', KEYS[1])
  return {{taken, 0, 0}}
end
keep(KEYS[1], full_at)
return {{taken, 0, full_at - now}}
"""
# One from each of many buckets of the same kind. Answers, for each, microseconds until it can be had.
_EACH_SCRIPT = f"""{_BEGIN}
local waits = {{}}
for place, key in ipairs(KEYS) do
  local full_at = held(key) + interval
  waits[place] = math.max(0, full_at - capacity - now)
  if waits[place] == 0 then
    keep(key, full_at)
  end
end
return waits
"""


@dataclass(frozen=True, slots=True)
class Verdict:
    """`retry_after` in seconds, 0 when allowed; `reset_at` is when the whole burst is free again."""

    allowed: bool
    limit: int
    remaining: int
    retry_after: float
    reset_at: int


def take(*, key: str, per_second: float, burst: int, cost: int = 1) -> Verdict:
    """Take `cost` from the bucket of this key, or nothing when it holds less.

    Trouble with Redis never raises: each process then counts for itself.
    """
    if not 0 < cost <= burst or per_second <= 0:
        raise ValueError("take: 0 < cost <= burst and per_second > 0 must hold")
    interval = max(1, round(1_000_000 / per_second))  # whole microseconds, so that sums are exact
    found = take_in_redis(key=key, interval=interval, burst=burst, least=cost, most=cost)
    answer = found or _local.take(key, cost * interval, burst * interval)
    allowed, wait, until_full = answer
    where = "redis" if found else "process"
    metrics.LIMITS.add(key.partition(":")[0], where, "allowed" if allowed else "denied")
    return Verdict(
        allowed=bool(allowed),
        limit=burst,
        remaining=(burst * interval - until_full) // interval,
        retry_after=wait / 1_000_000,
        reset_at=math.ceil(time.time() + until_full / 1_000_000),
    )


@dataclass(slots=True)
class _Slice:
    """What this process drew of a bucket and has not used yet; it counts until `until`."""

    held: int
    until: float
    left: int
    reset_at: int


def take_from_slice(*, key: str, per_second: float, burst: int) -> Verdict:
    """Take one, as `take` does, but ask Redis for a fiftieth of the burst at a time, at most 50.

    What a process drew and did not use within half a second is lost to the bucket, which has refilled by
    then: a process may be that much stricter for a moment, and all together never let more through.
    """
    size = min(_MAX_SLICE, burst // 50)
    if size <= 1:
        return take(key=key, per_second=per_second, burst=burst)
    now = time.monotonic()
    with _slices_lock:
        held = _slices.get(key)
        if held is not None and held.held and now < held.until:
            held.held -= 1
            metrics.LIMITS.add(key.partition(":")[0], "redis", "allowed")
            return Verdict(True, burst, held.left + held.held, 0.0, held.reset_at)
    interval = max(1, round(1_000_000 / per_second))
    found = take_in_redis(key=key, interval=interval, burst=burst, least=1, most=size)
    if found is None or not found[0]:
        return take(key=key, per_second=per_second, burst=burst)
    taken, _, until_full = found
    left = (burst * interval - until_full) // interval
    reset_at = math.ceil(time.time() + until_full / 1_000_000)
    with _slices_lock:
        if len(_slices) >= _MAX_KEYS:
            _slices.clear()
        _slices[key] = _Slice(taken - 1, now + _SLICE_SECONDS, left, reset_at)
    metrics.LIMITS.add(key.partition(":")[0], "redis", "allowed")
    return Verdict(True, burst, left + taken - 1, 0.0, reset_at)


class _Local:
    """The same buckets in this process, on its monotonic clock."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._full_at: dict[str, int] = {}

    def take(self, key: str, cost: int, capacity: int) -> tuple[int, int, int]:
        now = time.monotonic_ns() // 1000
        with self._lock:
            full_at = max(self._full_at.get(key, 0), now)
            wait = full_at + cost - capacity - now
            if wait > 0:
                return 0, wait, full_at - now
            if len(self._full_at) >= _MAX_KEYS:
                self._forget(now)
            self._full_at[key] = full_at + cost
            return 1, 0, full_at + cost - now

    def _forget(self, now: int) -> None:
        """Drop full buckets; if all are in use, all begin anew, which costs one burst each."""
        self._full_at = {key: moment for key, moment in self._full_at.items() if moment > now}
        if len(self._full_at) >= _MAX_KEYS:
            self._full_at.clear()


_local = _Local()
_slices_lock = threading.Lock()
_slices: dict[str, _Slice] = {}


@dataclass
class _Trouble:
    """When Redis last failed, and when that was last said; on the monotonic clock."""

    pause_until: float = -math.inf
    warned_at: float = -math.inf

    def note(self, error: Exception) -> None:
        now = time.monotonic()
        self.pause_until = now + _PAUSE_SECONDS
        metrics.REDIS_FAILURES.add("limiter")
        if now - self.warned_at >= _WARN_SECONDS:
            self.warned_at = now
            log.warning("Redis failed, limits are counted without it: %s", type(error).__name__)


@lru_cache(maxsize=8)
def _trouble(_url: str) -> _Trouble:
    return _Trouble()


@lru_cache(maxsize=8)
def _script(url: str, text: str = _SCRIPT) -> Any:
    client = redis.Redis.from_url(
        url,
        socket_timeout=_REDIS_SECONDS,
        socket_connect_timeout=_REDIS_SECONDS,
        retry=Retry(NoBackoff(), 0),
        protocol=2,  # no handshake: each of its round trips would have the whole budget
        driver_info=None,
    )
    return client.register_script(text)


def take_in_redis(
    *, key: str, interval: int, burst: int, least: int, most: int
) -> tuple[int, int, int] | None:
    """Ask Redis alone: how many were taken, and microseconds to wait and until full.

    `interval` is in microseconds. None without Redis, or while it is in trouble: the caller then
    counts elsewhere.
    """
    answer = _ask(_SCRIPT, [key], [interval, burst * interval, least, most], numbers=3)
    return None if answer is None else (answer[0], answer[1], answer[2])


def take_each_in_redis(*, keys: Sequence[str], interval: int, burst: int) -> list[int] | None:
    """Take one from each bucket that holds one, in one exchange; microseconds to wait for each, 0 if taken.

    None as in `take_in_redis`.
    """
    return _ask(_EACH_SCRIPT, keys, [interval, burst * interval], numbers=len(keys))


def _ask(script: str, keys: Sequence[str], args: list[int], *, numbers: int) -> list[int] | None:
    url = settings.REDIS_URL
    if not url or time.monotonic() < _trouble(url).pause_until:
        return None
    try:
        answer = _script(url, script)(keys=[f"gosend:limit:{key}" for key in keys], args=args)
        found = [int(number) for number in answer]
        if len(found) != numbers:
            raise ValueError("an answer of another length")
        return found
    except (redis.RedisError, OSError, ValueError, TypeError) as error:
        _trouble(url).note(error)
        return None
