"""When to try again, and when to give up."""

import random
from collections.abc import Mapping
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime

from webhooks_app.models import WebhookEndpoint

# Seconds between an attempt and the one before it; the first follows the event.
SCHEDULES: Mapping[str, tuple[int, ...]] = {
    WebhookEndpoint.Schedule.DEFAULT: (0, 60, 300, 1_800, 7_200),
    WebhookEndpoint.Schedule.EXTENDED: (0, 5, 300, 1_800, 7_200, 18_000, 36_000, 36_000),
    # The session gateway's: 15 attempts, two seconds after the first, then twice as long each time.
    WebhookEndpoint.Schedule.DOUBLING: (0, *(2**n for n in range(1, 15))),
}
# Retries come up to this much late, never early: receivers that fell together do not rise together.
JITTER = 0.1
# An endpoint is disabled when it has failed for so long and so many deliveries were given up on it.
DISABLE_AFTER = timedelta(days=5)
DISABLE_AFTER_GIVEN_UP = 20
# Before that its owner is warned, once at each of these percentages of the time.
WARN_AT_PERCENT = (50, 70, 90)


def max_attempts(schedule: str) -> int:
    return len(SCHEDULES[schedule])


def delay_before_next(*, schedule: str, attempts_made: int, retry_after: float | None) -> float | None:
    """Seconds until the next attempt; None when none is left.

    The receiver's Retry-After may stretch the wait to at most twice what the schedule says.
    """
    delays = SCHEDULES[schedule]
    if attempts_made >= len(delays):
        return None
    base = float(delays[attempts_made])
    if retry_after is not None and retry_after > base:
        return min(retry_after, 2 * base)
    return base + random.uniform(0, JITTER * base)  # noqa: S311 -- spreads load, guards nothing


def parse_retry_after(header: str | None, *, now: datetime) -> float | None:
    """Read seconds or an HTTP date; anything else says nothing."""
    text = (header or "").strip()
    if text.isascii() and text.isdigit():
        return float(text[:12])
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    if moment.tzinfo is None:
        return None
    return max(0.0, (moment - now).total_seconds())


def is_hopeless(endpoint: WebhookEndpoint, *, now: datetime) -> bool:
    """Whether an endpoint has failed long and often enough to be disabled."""
    return (
        endpoint.failing_since is not None
        and now - endpoint.failing_since >= DISABLE_AFTER
        and endpoint.given_up_count >= DISABLE_AFTER_GIVEN_UP
    )


def warning_due(endpoint: WebhookEndpoint, *, now: datetime) -> int:
    """The highest percentage that is reached and was not warned of yet, or 0."""
    if endpoint.failing_since is None:
        return 0
    percent = (now - endpoint.failing_since) / DISABLE_AFTER * 100
    reached = max((stage for stage in WARN_AT_PERCENT if stage <= percent), default=0)
    return reached if reached > endpoint.warned_percent else 0
