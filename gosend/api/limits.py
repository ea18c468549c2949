"""Requests per key, and the headers that say so."""

import math
from collections.abc import Mapping

from django.conf import settings

from accounts.models import ApiKey
from gosend.lib import rate_limit
from gosend.lib.errors import DomainError


class KeyOverLimit(DomainError):
    code = "rate_limited_api_key"


def take(key: ApiKey) -> rate_limit.Verdict:
    """Count one request against the key's plan; a test key has the sandbox's."""
    is_test = key.environment == ApiKey.Environment.TEST
    limits: Mapping[str, int] = settings.API_RATE_LIMITS
    per_second = limits["sandbox"] if is_test else limits.get(key.tenant.plan, limits["standard"])
    return rate_limit.take(key=f"api_key:{key.pk}", per_second=per_second, burst=per_second)


def require(verdict: rate_limit.Verdict) -> None:
    if not verdict.allowed:
        raise KeyOverLimit(
            "Rate limit exceeded for API key", retry_after=max(1, math.ceil(verdict.retry_after))
        )


def headers(verdict: rate_limit.Verdict) -> dict[str, str]:
    """Write the documented trio, and the two of the IETF draft."""
    wait = 1 if verdict.allowed else max(1, math.ceil(verdict.retry_after))
    return {
        "X-RateLimit-Limit": str(verdict.limit),
        "X-RateLimit-Remaining": str(verdict.remaining),
        "X-RateLimit-Reset": str(verdict.reset_at),
        "RateLimit-Policy": f'"key";q={verdict.limit};w=1',
        "RateLimit": f'"key";r={verdict.remaining};t={wait}',
    }
