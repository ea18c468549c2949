"""Ids of the database, of requests and of clients."""

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection

from gosend.lib import ids

EPOCH_MS = 1_735_689_600_000  # 2025-01-01


def _next(count: int) -> list[int]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT gosend_next_id() FROM generate_series(1, %s)", [count])
        return [row[0] for row in cursor.fetchall()]


@pytest.mark.django_db
def test_ids_of_the_database_are_unique_and_ordered_by_time() -> None:
    before = round(time.time() * 1000) - EPOCH_MS

    first = _next(1000)
    time.sleep(0.005)
    later = _next(1000)

    assert len({*first, *later}) == 2000
    assert max(first) < min(later)
    assert abs((first[0] >> 22) - before) < 60_000
    assert max(later) < 2**63


def test_a_request_id_is_made_when_none_is_given() -> None:
    made = {ids.new_request_id() for _ in range(100)}

    assert len(made) == 100
    assert all(ids.request_id_from(one) == one for one in made)
    time.sleep(0.002)
    assert max(made) < ids.new_request_id(), "later ones come later in an index"


@pytest.mark.parametrize(
    "header", ["req_0123456789", "a" * 64, "A.b-c_d.", "550e8400-e29b-41d4-a716-446655440000"]
)
def test_a_well_formed_request_id_is_taken_over(header: str) -> None:
    assert ids.request_id_from(header) == header


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "short",
        "a" * 65,
        "with blank",
        "line\nbreaks",
        "12345678\n",
        "ünicode1",
        "<script>alert</script>",
    ],
)
def test_an_odd_request_id_is_replaced(header: str | None) -> None:
    made = ids.request_id_from(header)

    assert made != header
    assert made.startswith("req_")


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("0", 0),
        ("42", 42),
        ("9223372036854775807", 2**63 - 1),
        ("9223372036854775808", None),
        ("99999999999999999999", None),
        ("", None),
        ("-1", None),
        ("+1", None),
        (" 1", None),
        ("1\n", None),
        ("1_0", None),
        ("1.0", None),
        ("1e3", None),
        ("0x1", None),
        ("٤٢", None),
        ("²", None),
        ("null", None),
        ("9" * 5000, None),
    ],
)
def test_a_public_id_is_read_or_is_none(text: str, number: int | None) -> None:
    assert ids.parse_id(text) == number


@pytest.mark.django_db(transaction=True)
def test_sessions_of_the_database_never_share_an_id() -> None:
    def take(_: int) -> list[int]:
        try:
            return _next(200)
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        taken = [number for numbers in pool.map(take, range(8)) for number in numbers]

    assert len(set(taken)) == 1600


@pytest.mark.django_db
def test_a_moment_bounds_the_ids_made_since() -> None:
    now = datetime.now(UTC)

    (made,) = _next(1)

    assert ids.first_id(now - timedelta(seconds=5)) <= made < ids.first_id(now + timedelta(seconds=5))
    assert (
        ids.first_id(ids.moment_of(made))
        <= made
        < ids.first_id(ids.moment_of(made) + timedelta(milliseconds=1))
    )


@pytest.mark.parametrize(
    ("at", "bound"),
    [
        (datetime(2025, 1, 1, tzinfo=UTC), 0),
        (datetime(2025, 1, 1, 0, 0, 0, 1999, tzinfo=UTC), 1 << 22),
        (datetime(1970, 1, 1, tzinfo=UTC), 0),
        (datetime(9000, 1, 1, tzinfo=UTC), 2**63 - 1),
    ],
)
def test_a_moment_before_or_after_all_ids_bounds_them_too(at: datetime, bound: int) -> None:
    assert ids.first_id(at) == bound
