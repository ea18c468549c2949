"""The drain: a queue emptied through the sandbox server, against the bare client loop."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from statistics import median
from typing import Any

import psycopg
from django.db import connection

from accounts.models import PhoneNumber
from tests.benchmarks import measure, seed, world
from tests.benchmarks.measure import Result

_LATENCY_MS = 100
_ROUNDS = 2
_BODY = {
    "messaging_product": "whatsapp",
    "recipient_type": "individual",
    "to": "+491701234567",
    "biz_opaque_callback_data": "gs1:249744948428013590:1",
    "type": "text",
    "text": {"body": "Your order is on its way."},
}


def send(*, graph_port: int, count: int) -> list[Result]:
    """So many queued messages through a Meta that takes 100 ms, and the same calls without us."""
    seed.clear()
    stand = seed.stand("Bench sending")
    number = stand.numbers[0]
    ratios, shares, notes, limits, statements = [], [], [], [], 0.0
    with world.sandbox(port=graph_port, latency_ms=_LATENCY_MS):
        for _ in range(_ROUNDS):
            seed.queue(number, count)
            drained, database = _drain(number, seconds=300)
            _require_all(drained, count)
            bare = _bare(number, graph_port, count=count // 2, concurrency=drained["concurrency"])
            ours = (drained["cpu"] + database) / count
            ratios.append(ours / (bare["cpu"] / bare["count"]))
            rate, bare_rate = count / drained["seconds"], bare["count"] / bare["seconds"]
            allowed = drained["concurrency"] * 1000 / _LATENCY_MS
            shares.append(rate / min(allowed, bare_rate))
            limits.append(
                f"{rate:,.0f} messages/s; {drained['concurrency']} calls at once of {_LATENCY_MS} ms allow"
                f" {allowed:,.0f}, the processors {bare_rate:,.0f}, which the bare client loop came to"
            )
            statements = drained["statements"] / count
            notes.append(
                f"drain: {rate:,.0f} messages/s at {drained['concurrency']} calls at once, CPU per message"
                f" {1e6 * drained['cpu'] / count:.0f} µs sender"
                f" + {1e6 * database / count:.0f} µs PostgreSQL;"
                f" bare loop {bare_rate:,.0f} calls/s, {1e6 * bare['cpu'] / bare['count']:.0f} µs"
            )
    return [
        Result("send-cpu", measure.CPU_BY_BARE, median(ratios), 4.0, is_most=True, notes=notes),
        Result(
            "send-throughput",
            "messages/s by what latency, calls at once and CPU allow",
            median(shares),
            0.80,
            notes=limits,
        ),
        Result("statements-per-sent-message", "statements", statements, 0.20, is_most=True),
    ]


def claim(*, graph_port: int, count: int) -> list[Result]:
    """What claims cost at the end of a long drain, while somebody's old snapshot keeps dead rows."""
    seed.clear()
    number = seed.stand("Bench claims").numbers[0]
    seed.queue(number, count)
    with world.sandbox(port=graph_port), _old_snapshot():
        drained, _ = _drain(number, seconds=600)
    _require_all(drained, count)
    claims = drained["claims"]
    fifth = max(1, len(claims) // 5)
    first, last = sum(claims[:fifth]), sum(claims[-fifth:])
    note = (
        f"{len(claims)} claims; the first fifth took {1000 * first / fifth:.2f} ms each,"
        f" the last {1000 * last / fifth:.2f} ms"
    )
    return [
        Result(
            "claim-last-fifth",
            "time a claim, by the first fifth's",
            last / first,
            1.5,
            is_most=True,
            notes=[note],
        )
    ]


def _drain(number: PhoneNumber, *, seconds: float) -> tuple[dict[str, Any], float]:
    server = measure.postgres()
    before = measure.cpu_of(server)
    drained = world.work("drain", number_id=number.pk, seconds=seconds)
    return drained, measure.cpu_of(server) - before


def _bare(number: PhoneNumber, graph_port: int, *, count: int, concurrency: int) -> dict[str, Any]:
    return world.work(
        "bare_calls",
        url=f"http://127.0.0.1:{graph_port}/v25.0/{number.phone_number_id}/messages",
        count=count,
        concurrency=concurrency,
        body=json.dumps(_BODY),
        token=seed.TOKEN,
    )


def _require_all(drained: dict[str, Any], count: int) -> None:
    if drained["count"] < count:
        raise world.CannotBench(f"only {drained['count']} of {count} messages were sent")


@contextmanager
def _old_snapshot() -> Iterator[None]:
    """A transaction that read something and stays open, as a backup or a forgotten psql does."""
    settings = connection.get_connection_params()
    settings.pop("cursor_factory", None)
    with psycopg.connect(**{name: settings[name] for name in settings if name in _CONNECT}) as held:
        held.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        held.execute("SET idle_in_transaction_session_timeout = 0")
        held.commit()
        held.execute("SELECT count(*) FROM messaging_dispatch")
        yield
        held.rollback()


_CONNECT = {"dbname", "user", "password", "host", "port"}
