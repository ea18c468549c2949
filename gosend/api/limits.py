"""Requests per key, by the second and by the day, and the headers that say so."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from django.conf import settings

from accounts import quota
from accounts.models import ApiKey
from gosend.lib import rate_limit
from gosend.lib.errors import DomainError


class KeyOverLimit(DomainError):
    code = "rate_limited_api_key"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was left of the key's limits when a request came."""

    second: rate_limit.Verdict
    day: quota.Day | None


def take(key: ApiKey) -> Verdict:
    """Count one request against the key's limits; one that the second refuses costs the day nothing."""
    per_second = _limit(key, settings.API_RATE_LIMITS, key.tenant.requests_per_second)
    per_day = _limit(key, settings.API_DAILY_LIMITS, key.tenant.requests_per_day)
    second = rate_limit.take_from_slice(key=f"api_key:{key.id}", per_second=per_second, burst=per_second)
    day = (quota.take if second.allowed else quota.peek)(key=key, limit=per_day)
    return Verdict(second, day)


def require(verdict: Verdict) -> None:
    if not verdict.second.allowed:
        raise _over("second", verdict.second.limit, _wait(verdict.second))
    if verdict.day is not None and not verdict.day.allowed:
        raise _over("day", verdict.day.limit, verdict.day.retry_after)


def headers(verdict: Verdict) -> dict[str, str]:
    """Write the documented trio, the two of the IETF draft, and the day's."""
    second, day = verdict.second, verdict.day
    written = {
        "X-RateLimit-Limit": str(second.limit),
        "X-RateLimit-Remaining": str(second.remaining),
        "X-RateLimit-Reset": str(second.reset_at),
        "RateLimit-Policy": f'"key";q={second.limit};w=1',
        "RateLimit": f'"key";r={second.remaining};t={1 if second.allowed else _wait(second)}',
    }
    if day is not None:
        written["X-RateLimit-Limit-Day"] = str(day.limit)
        written["X-RateLimit-Remaining-Day"] = str(day.remaining)
        written["RateLimit-Policy"] += f', "day";q={day.limit};w=86400'
        written["RateLimit"] += f', "day";r={day.remaining};t={day.retry_after}'
    return written


def _limit(key: ApiKey, by_plan: Mapping[str, int], own: int | None) -> int:
    """A test key has the sandbox's limit, a live one its project's own or else its plan's."""
    if key.environment == ApiKey.Environment.TEST:
        return by_plan["sandbox"]
    return own or by_plan.get(key.tenant.plan, by_plan["standard"])


def _over(period: str, limit: int, wait: int) -> KeyOverLimit:
    return KeyOverLimit(
        "Rate limit exceeded for API key", details={"limit": limit, "period": period}, retry_after=wait
    )


def _wait(second: rate_limit.Verdict) -> int:
    return max(1, math.ceil(second.retry_after))
