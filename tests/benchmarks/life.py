"""One message's whole life, and what it costs: accept, send, three statuses, four webhooks."""

import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import psutil  # type: ignore[import-untyped]
from django.conf import settings

from messaging.models import Message
from tests.benchmarks import doors, measure, seed, world
from tests.benchmarks.measure import Result
from webhooks_app import endpoints
from webhooks_app.models import Delivery

_COUNT = 6_000
_CONNECTIONS = 8
_SETTLE_SECONDS = 240


@dataclass(frozen=True, slots=True)
class Stage:
    """All processes at work, and a tenant whose events go to a receiver."""

    stand: seed.Stand
    port: int
    parts: dict[str, psutil.Process]


@contextmanager
def staged(*, graph_port: int, latency_ms: int) -> Iterator[Stage]:
    seed.clear()
    stand = seed.stand("Bench life", count=4)
    port, sink_port = world.free_port(), world.free_port()
    for number in stand.numbers:
        endpoints.add(
            tenant=stand.tenant, number=number, url=f"http://127.0.0.1:{sink_port}/hook", events=["*"]
        )
    worker = [sys.executable, "-m", "celery", "-A", "gosend", "worker", "--beat", "--pool", "threads"]
    worker += ["--concurrency", "8", "--loglevel", "warning", "--without-mingle", "--without-gossip"]
    worker += ["--schedule", str(settings.VAR_DIR / "beat-life")]
    with ExitStack() as stack:
        start = stack.enter_context
        parts: dict[str, psutil.Process] = {
            "web": start(world.web(port=port)),
            "worker": start(world.child(worker, name="worker")),
            "pretend Meta": start(
                world.sandbox(
                    port=graph_port,
                    latency_ms=latency_ms,
                    callback_url=f"http://127.0.0.1:{port}/meta/webhook",
                    secret=seed.APP_SECRET,
                )
            ),
            "receiver": start(world.sink(port=sink_port)),
            "PostgreSQL": measure.postgres(),
        }
        world.wait_for(f"http://127.0.0.1:{port}/readyz")
        yield Stage(stand, port, parts)


def whole(*, graph_port: int) -> list[Result]:
    """Everything at once on this machine, until every message is read and every webhook delivered."""
    with staged(graph_port=graph_port, latency_ms=100) as stage:
        before = {name: measure.cpu_of(process) for name, process in stage.parts.items()}
        shots = doors.sends(stage.stand, 0, first=0)[:_COUNT]
        began = time.perf_counter()
        load = doors.fire(stage.port, shots, seconds=120, connections=_CONNECTIONS)
        _wait_until_settled(stage.stand)
        took = time.perf_counter() - began
        spent = {name: measure.cpu_of(process) - before[name] for name, process in stage.parts.items()}
    spent["load generator"] = load["cpu"]
    each = ", ".join(f"{name} {1000 * cpu / _COUNT:.2f}" for name, cpu in spent.items())
    ours = sum(spent[name] for name in ("web", "worker", "PostgreSQL"))
    notes = [
        f"{_COUNT:,} messages accepted in {load['seconds']:.1f} s, each read and told of in {took:.1f} s",
        f"CPU milliseconds per message: {each}; GoSend and its database together {1000 * ours / _COUNT:.2f}",
    ]
    return [Result("life-messages-per-second", "messages", _COUNT / took, notes=notes)]


def _wait_until_settled(stand: seed.Stand) -> None:
    deadline = time.monotonic() + _SETTLE_SECONDS
    read = Message.objects.filter(tenant=stand.tenant, status=Message.Status.READ)
    told = Delivery.objects.filter(tenant=stand.tenant, status=Delivery.Status.DELIVERED)
    while time.monotonic() < deadline:
        if read.count() >= _COUNT and told.count() >= 4 * _COUNT:
            return
        time.sleep(0.5)
    raise world.CannotBench(
        f"only {read.count()} of {_COUNT} messages were read and {told.count()} of {4 * _COUNT} webhooks"
        " delivered in time"
    )
