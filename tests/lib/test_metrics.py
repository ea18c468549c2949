"""Counts of several processes add up, are never lost with the database away, and cost next to nothing."""

import time
from collections.abc import Iterator

import orjson
import pytest
from django.db import DatabaseError, connection
from prometheus_client.parser import text_string_to_metric_families

from gosend.lib import exposition, heartbeat, metrics
from gosend.models import Heartbeat, Tally


@pytest.fixture(autouse=True)
def _nothing_counted() -> Iterator[None]:
    metrics.forget()
    yield
    metrics.forget()


def samples(text: str) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """What Prometheus's own parser reads."""
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


@pytest.mark.django_db
def test_what_processes_bring_adds_up() -> None:
    metrics.MESSAGES.add("sent")
    metrics.MESSAGES.add("sent", amount=2)
    metrics.flush()
    metrics.MESSAGES.add("sent")
    metrics.MESSAGES.add("failed")
    metrics.flush()
    metrics.flush()  # nothing was counted meanwhile

    told = samples(exposition.text([], metrics.totals()))

    assert told["gosend_message_statuses_total", (("status", "sent"),)] == 4
    assert told["gosend_message_statuses_total", (("status", "failed"),)] == 1
    assert Tally.objects.count() == 2


@pytest.mark.django_db
def test_a_histogram_tells_each_bucket_with_all_below_it() -> None:
    metrics.SEND_SECONDS.observe(0.02, "sent")
    metrics.SEND_SECONDS.observe(0.025, "sent")
    metrics.SEND_SECONDS.observe(0.3, "sent", count=2)
    metrics.SEND_SECONDS.observe(1_000, "unknown")
    metrics.flush()

    told = samples(exposition.text([], metrics.totals()))

    def bucket(outcome: str, end: str) -> float:
        return told["gosend_send_seconds_bucket", (("le", end), ("outcome", outcome))]

    assert [bucket("sent", end) for end in ("0.01", "0.025", "0.25", "0.5", "+Inf")] == [0, 2, 2, 4, 4]
    assert [bucket("unknown", end) for end in ("60.0", "+Inf")] == [0, 1]
    assert told["gosend_send_seconds_count", (("outcome", "sent"),)] == 4
    assert told["gosend_send_seconds_sum", (("outcome", "sent"),)] == pytest.approx(0.645)


@pytest.mark.django_db(transaction=True)
def test_counts_wait_while_the_database_refuses_them() -> None:
    metrics.CALLBACKS.add("handled", amount=3)
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE gosend_tally RENAME TO gone")
    try:
        with pytest.raises(DatabaseError):
            metrics.flush()
        metrics.CALLBACKS.add("handled")
    finally:
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE gone RENAME TO gosend_tally")

    metrics.flush()

    assert Tally.objects.get().value == 4


@pytest.mark.django_db
def test_a_heartbeat_is_one_row_that_moves_on_and_forgets_the_dead() -> None:
    Heartbeat.objects.create(name="worker@gone:1", kind="worker", at="2020-01-01T00:00:00Z")
    Heartbeat.objects.create(name="a sweep", kind="sweep", at="2020-01-01T00:00:00Z")
    heartbeat.stamp(kind="web", name="web@here:1")
    first = Heartbeat.objects.get(name="web@here:1")
    heartbeat.stamp(kind="web", name="web@here:1")

    second = Heartbeat.objects.get(name="web@here:1")
    assert second.at > first.at
    assert second.rss_bytes > 1_000_000
    assert set(Heartbeat.objects.values_list("name", flat=True)) == {"web@here:1", "a sweep"}


def test_a_label_that_holds_a_quote_breaks_no_line() -> None:
    gauge = exposition.Gauge("gosend_x", "X.", ("a",)).put(1.5, 'b"\\\n')

    assert samples(exposition.text([gauge], {}))["gosend_x", (("a", 'b"\\\n'),)] == 1.5


def test_counting_costs_no_more_than_reading_a_small_body_three_times() -> None:
    """Both are about two microseconds; a ratio in one run."""
    body = orjson.dumps({"to": "5491140123456", "text": {"body": "x" * 500}, "list": list(range(100))})
    rounds = 20_000
    started = time.process_time()
    for _ in range(rounds):
        orjson.loads(body)
    reading = time.process_time() - started
    started = time.process_time()
    for _ in range(rounds):
        metrics.HTTP_SECONDS.observe(0.004, "v1", "send", "2xx")
    counting = time.process_time() - started

    assert counting < 3 * reading
