"""F07 and F08: Redis that hangs, dawdles, refuses to write or wants another password."""

import signal
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import requests

from tests.faults import observe
from tests.faults.api import Answer
from tests.faults.kills import overshoot
from tests.faults.proxy import Relay
from tests.faults.scenario import Run, scenario
from tests.faults.servers import free_port, wait_until
from tests.faults.world import World

_P95_SECONDS = 0.5
# Five sweeps of silence, and the rest of the queue.
_ROUNDS_SECONDS = 15.0


@scenario("F07", "Redis frozen, and Redis 200 ms slow")
def frozen_and_slow(run: Run) -> None:
    seconds = run.pick(quick=6, full=30)
    relay = Relay(upstream=(port := free_port()))
    try:
        made = World(run.ground, workers=2, redis_port=relay.port)
        made.redis.port = port
        with made as world, ThreadPoolExecutor(4) as pool:
            _steady(run, world, pool, 2)
            world.api.answers.clear()
            world.redis.signal(signal.SIGSTOP)
            try:
                _steady(run, world, pool, seconds)
                _drains_without(run, world, "frozen")
            finally:
                world.redis.signal(signal.SIGCONT)
            _judge(run, world, f"frozen for {seconds} s")
            time.sleep(2)
            relay.delay = 0.2
            _steady(run, world, pool, seconds * 2 / 3)
            _judge(run, world, "200 ms slow")
            relay.delay = 0.0
            world.drain(seconds=120 * run.slack)
            world.hear_all(seconds=120 * run.slack)
            account = run.settle(world)
            run.check(account.counts.unknown == 0, f"unknown: {account.counts.unknown}")
    finally:
        relay.close()


def _steady(run: Run, world: World, pool: ThreadPoolExecutor, seconds: float) -> None:
    """Ten requests a second, one in five synchronous."""
    until, futures = time.monotonic() + seconds, []
    while time.monotonic() < until:
        for index in range(5):
            number, to = run.random.choice(world.acme.numbers), run.person()
            futures.append(pool.submit(world.api.send, number, to, is_async=index > 0))
        time.sleep(0.5)
    for future in futures:
        future.result()


def _judge(run: Run, world: World, what: str) -> None:
    answers: list[Answer] = list(world.api.answers)
    world.api.answers.clear()
    slow = observe.percentile([one.seconds for one in answers], 0.95)
    bad = [status for one in answers for status in one.statuses if status == 0 or status >= 500]
    run.check(
        slow <= _P95_SECONDS * run.slack,
        f"{what}: p95 of {len(answers)} answers {slow * 1000:.0f} ms (at most 500)",
    )
    run.check(not bad, f"{what}: no 5xx and no silence: {len(bad)}")


def _full(world: World) -> None:
    with world.redis.client() as client:
        client.config_set("maxmemory-policy", "noeviction")
        client.config_set("maxmemory", "1")


def _read_only(world: World) -> None:
    with world.redis.client() as client:
        client.replicaof("127.0.0.1", str(free_port()))
        client.config_set("replica-serve-stale-data", "yes")


def _locked(world: World) -> None:
    with world.redis.client() as client:
        client.config_set("requirepass", "another")
        client.client_kill_filter(_type="normal", skipme=True)


TROUBLES: dict[str, Callable[[World], None]] = {
    "full, noeviction": _full,
    "read-only": _read_only,
    "wrong password": _locked,
}


@scenario("F08", "Redis full (noeviction), read-only, or with another password")
def refuses(run: Run) -> None:
    for what, begin in TROUBLES.items():
        with run.world(workers=2) as world, ThreadPoolExecutor(4) as pool:
            _steady(run, world, pool, 1)
            begin(world)
            _steady(run, world, pool, run.pick(quick=3, full=6))
            bad = [s for one in world.api.answers for s in one.statuses if s not in (201, 202, 429)]
            run.check(not bad, f"{what}: each request was answered 2xx or 429; others: {observe.few(bad)}")
            ready = requests.get(f"{world.webs[0].url}/readyz", timeout=10).json()
            run.check(ready["status"] == "degraded", f"{what}: readiness says {ready['status']}")
            warned = "limits are counted without it" in world.logs()
            run.check(warned, f"{what}: the log warns of it")
            _drains_without(run, world, what)
            world.redis.kill()
            world.redis.start()
            wait_until(lambda: _is_well(world), seconds=30, what="readiness is ok again")
            time.sleep(1.0)
            _steady(run, world, pool, 1)
            ended = world.raise_the_dead()
            run.check(ended == 0, f"{what}: of two workers and beat {ended} gave up")
            world.drain(seconds=120 * run.slack)
            times = sorted(message["at"] for message in world.meta_received())
            over = overshoot(times, rate=80 * 8, burst=80 * 8)
            run.check(
                over <= 80 * 8, f"{what}: sends beyond the budgets of 8 numbers: {over}, one burst allowed"
            )
            world.hear_all(seconds=120 * run.slack)
            account = run.settle(world)
            run.check(account.counts.unknown == 0, f"{what}: unknown {account.counts.unknown}")


def _drains_without(run: Run, world: World, what: str) -> None:
    """Workers that hear no doorbell send what is queued all the same."""
    took = world.drain(seconds=60 * run.slack)
    run.check(
        took <= _ROUNDS_SECONDS * run.slack,
        f"{what}: the queue is empty {took:.1f} s after the load, still without Redis"
        f" (at most {_ROUNDS_SECONDS:.0f})",
    )


def _is_well(world: World) -> bool:
    told = requests.get(f"{world.webs[0].url}/readyz", timeout=10).json()
    return bool(told["status"] == "ok")
