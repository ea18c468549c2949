"""Callbacks turned into rows and events, and webhooks posted."""

import hashlib
import time
from concurrent.futures import ThreadPoolExecutor
from statistics import median
from typing import Any

from django.db import connection

from messaging.models import MetaEvent
from tests.benchmarks import doors, lists, measure, seed, world
from tests.benchmarks.measure import Result
from tests.benchmarks.seed import Stand
from webhooks_app import endpoints

_ENDPOINTS = 20
_ROUNDS = 3


def processed(*, rows: int, statuses: int, accepted: float) -> list[Result]:
    """Status webhooks that wait, handled in batches: how fast, and whether a full table makes it dearer."""
    small = [_process(statuses) for _ in range(_ROUNDS)]
    lists.fill(rows)
    large = [_process(statuses) for _ in range(_ROUNDS)]
    figures = small + large
    rate = median(one["count"] / one["seconds"] for one in figures)
    cost_small, cost_large = (median(map(_cost, side)) for side in (small, large))
    in_database = median(one["database"] / one["count"] for one in large)
    statements = median(one["statements"] / one["count"] for one in figures)
    note = (
        f"{rate:,.0f} statuses/s in 2 processes; CPU per status {1e6 * cost_small:.0f} µs with few messages,"
        f" {1e6 * cost_large:.0f} µs with {rows:,}, {1e6 * in_database:.0f} µs of them PostgreSQL"
    )
    of = "CPU a status over many messages, by that over few"
    results = [
        Result("status-cost-by-table-size", of, cost_large / cost_small, 1.5, is_most=True, notes=[note]),
        Result("statements-per-processed-status", "statements", statements, 0.20, is_most=True),
    ]
    if accepted:
        against = f"{rate:,.0f} statuses/s against {accepted:,.0f} messages accepted/s"
        by = "statuses/s by messages accepted/s"
        results.insert(0, Result("callbacks-processed", by, rate / accepted, 3.0, notes=[against]))
    return results


def delivered(*, count: int) -> list[Result]:
    """Webhooks to a receiver that answers at once, against the bare client loop."""
    port = world.free_port()
    ratios, notes, statements = [], [], 0.0
    with world.sink(port=port):
        for _ in range(_ROUNDS):
            seed.clear()
            stand = seed.stand("Bench webhooks", count=_ENDPOINTS)
            seed.owe(stand, endpoint_ids=_listen(stand, port), count=count)
            ours, database = _measured("deliver", seconds=300)
            if ours["count"] < count:
                raise world.CannotBench(f"only {ours['count']} of {count} deliveries were made")
            bare = world.work(
                "bare_calls",
                url=f"http://127.0.0.1:{port}/hook",
                count=count,
                concurrency=ours["concurrency"],
                body="x" * 350,
                headers=7,
            )
            cost, yard = (ours["cpu"] + database) / count, bare["cpu"] / bare["count"]
            ratios.append(cost / yard)
            statements = ours["statements"] / count
            notes.append(
                f"{count / ours['seconds']:,.0f} deliveries/s, CPU per delivery"
                f" {1e6 * ours['cpu'] / count:.0f} µs worker + {1e6 * database / count:.0f} µs"
                f" PostgreSQL; bare loop {1e6 * yard:.0f} µs"
            )
    return [
        Result("webhooks-out-cpu", measure.CPU_BY_BARE, median(ratios), 4.0, is_most=True, notes=notes),
        Result("statements-per-delivery", "statements", statements, 0.20, is_most=True),
    ]


def _process(statuses: int) -> dict[str, Any]:
    """Three statuses of each fresh message, each in a callback of its own, told to one endpoint."""
    seed.clear()
    stand = seed.stand("Bench statuses")
    number = stand.numbers[0]
    endpoints.add(tenant=stand.tenant, number=number, url="http://127.0.0.1:9/hook", events=["*"])
    mark = f"{stand.tenant.pk}-"
    seed.sent(number, statuses // 3, mark=mark)
    at = int(time.time())
    bodies = [
        doors.status_body(stand, wamid=f"wamid.{mark}{n}", status=status, at=at)
        for status in ("sent", "delivered", "read")
        for n in range(1, statuses // 3 + 1)
    ]
    MetaEvent.objects.bulk_create(
        (MetaEvent(app=stand.app, body=body, digest=hashlib.sha256(body).digest()) for body in bodies),
        batch_size=1000,
    )
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE messaging_message, messaging_metaevent")
    figures, database = _ingested()
    if figures["count"] < statuses // 3 * 3:
        raise world.CannotBench(f"only {figures['count']} of {statuses} callbacks were handled")
    return {**figures, "database": database}


def _ingested() -> tuple[dict[str, Any], float]:
    """Handled by as many processes as accept messages in `accept`."""
    server = measure.postgres()
    before = measure.cpu_of(server)
    with ThreadPoolExecutor(world.WEB_WORKERS) as pool:
        each = list(pool.map(lambda _: world.work("ingest", seconds=300), range(world.WEB_WORKERS)))
    figures = {name: sum(one[name] for one in each) for name in ("count", "cpu", "statements")}
    figures["seconds"] = max(one["seconds"] for one in each)
    return figures, measure.cpu_of(server) - before


def _cost(figures: dict[str, Any]) -> float:
    return float((figures["cpu"] + figures["database"]) / figures["count"])


def _measured(task: str, **arguments: Any) -> tuple[dict[str, Any], float]:
    server = measure.postgres()
    before = measure.cpu_of(server)
    figures = world.work(task, **arguments)
    return figures, measure.cpu_of(server) - before


def _listen(stand: Stand, port: int) -> list[int]:
    """One endpoint for each number of the tenant."""
    made = [
        endpoints.add(tenant=stand.tenant, number=number, url=f"http://127.0.0.1:{port}/hook", events=["*"])[
            0
        ]
        for number in stand.numbers
    ]
    return [endpoint.pk for endpoint in made]
