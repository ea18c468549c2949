"""webhooks_app/retries.py"""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webhooks_app import retries

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


def test_the_default_schedule_is_the_documented_one() -> None:
    assert retries.SCHEDULES["default"] == (0, 60, 300, 1800, 7200)
    assert retries.max_attempts("default") == 5
    assert retries.max_attempts("extended") == 8


@given(
    schedule=st.sampled_from(["default", "extended"]),
    made=st.integers(1, 12),
    asked=st.none() | st.floats(0, 1e12),
)
def test_a_retry_comes_never_early_and_never_after_twice_the_wait(
    schedule: str, made: int, asked: float | None
) -> None:
    delays = retries.SCHEDULES[schedule]

    delay = retries.delay_before_next(schedule=schedule, attempts_made=made, retry_after=asked)

    if made >= len(delays):
        assert delay is None
    else:
        assert delay is not None
        assert delays[made] <= delay <= delays[made] * 2


def test_retry_after_within_the_bounds_is_kept_exactly() -> None:
    assert retries.delay_before_next(schedule="default", attempts_made=1, retry_after=90.0) == 90.0


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("90", 90.0),
        (" 7 ", 7.0),
        ("1000000000", 1e9),
        ("9" * 400, 999999999999.0),
        ("Sat, 21 Nov 2026 12:01:30 GMT", 90.0),
        ("Sat, 21 Nov 2026 11:00:00 GMT", 0.0),
        ("-5", None),
        ("1.5", None),
        ("soon", None),
        ("", None),
        (None, None),
        ("Sat, 21 Nov 2026 12:01:30", None),
        ("Sat, 21 Nov 99999999999999999999 12:01:30 GMT", None),
        ("٣", None),
    ],
)
def test_retry_after_is_seconds_or_a_date_or_nothing(header: str | None, seconds: float | None) -> None:
    assert retries.parse_retry_after(header, now=NOW) == seconds


@given(st.text())
def test_no_retry_after_raises(header: str) -> None:
    delay = retries.parse_retry_after(header, now=NOW)

    assert delay is None or delay >= 0


def test_jitter_spreads_retries() -> None:
    delays = {
        retries.delay_before_next(schedule="default", attempts_made=1, retry_after=None) for _ in range(20)
    }

    assert len(delays) > 1
    assert timedelta(seconds=max(d or 0 for d in delays)) <= timedelta(seconds=66)
