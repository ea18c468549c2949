"""F35: no broker and no beat for good, which the sources' catalogue does not have."""

import itertools
import signal
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from tests.faults import observe
from tests.faults.kills import RECOVERY_SECONDS, only_in_flight
from tests.faults.proxy import delayed
from tests.faults.scenario import Run, scenario
from tests.faults.servers import wait_until
from tests.faults.world import World

# From the last doorbell to the first message sent without one: five sweeps of silence, and one look.
_FIRST_SECONDS = 8.0


@scenario("F35", "Redis and beat dead for good: the workers go on, also restarted by SIGTERM", quick=True)
def no_doorbells(run: Run) -> None:
    rounds = run.pick(quick=4, full=20)
    with run.world(workers=2) as world, ThreadPoolExecutor(6) as pool:
        numbers = world.acme.numbers[:4]
        world.subscribe(numbers[0], "whatsapp.message.sent")
        world.proxy.plan = lambda _request: delayed(0.1)
        world.redis.kill()
        world.nursery.signal(world.beat, signal.SIGKILL)
        killed_at = time.monotonic()
        results = observe.load(run, world, count=40, numbers=numbers, pool=pool)
        wait_until(world.meta_received, seconds=60 * run.slack, what="a message goes out without Redis")
        first = time.monotonic() - killed_at
        run.check(
            first <= _FIRST_SECONDS * run.slack,
            f"first sent {first:.1f} s after Redis and beat had died (at most {_FIRST_SECONDS:.0f})",
        )
        for _ in range(rounds):
            results += observe.load(run, world, count=40, numbers=numbers, pool=pool)
            time.sleep(0.5)
        for worker in list(world.workers):
            _restart(run, world, worker)
        for result in results:
            result()
        took = world.drain(seconds=120 * run.slack)
        world.hear_all(seconds=120 * run.slack)
        run.note(f"the last of {len(world.api.accepted)} was sent {took:.1f} s after the load had ended")
        _swept_again(run, world, numbers)
        account = run.settle(world)
        run.check(account.counts.unknown == 0, f"unknown, also by planned restarts: {account.counts.unknown}")
        observe.number_heard(run, world, numbers[0])
    _beat_alone(run)


def _restart(run: Run, world: World, worker: int) -> None:
    world.start_worker()
    world.kill_worker(worker, signal.SIGTERM)
    wait_until(
        lambda: not world.nursery.lives(worker), seconds=60 * run.slack, what="the worker ends by itself"
    )
    world.workers.remove(worker)


def _swept_again(run: Run, world: World, numbers: Sequence[str]) -> None:
    """With Redis and beat back sweeps come by them, and the rounds end."""
    world.redis.start()
    world.start_beat()
    on_rounds = "SELECT count(*) FROM gosend_heartbeat WHERE kind = 'rounds'"
    run.check(world.count(on_rounds) > 0, f"workers on their rounds until then: {world.count(on_rounds)}")
    wait_until(lambda: world.count(on_rounds) == 0, seconds=90 * run.slack, what="the rounds end", every=0.5)
    ended = world.raise_the_dead()
    run.check(ended == 0, f"processes that gave up without Redis: {ended}")
    world.api.send(numbers[0], run.person(), is_async=True)
    took = world.drain(seconds=60 * run.slack)
    run.check(took <= 2.0 * run.slack, f"with both back, a message was sent after {took:.1f} s (at most 2)")


def _beat_alone(run: Run) -> None:
    """Doorbells ring all the time, and yet somebody must look for what nobody rings for."""
    with run.world(workers=2) as world, ThreadPoolExecutor(6) as pool:
        numbers = world.acme.numbers[:2]
        world.post_office.hold()
        world.proxy.plan = lambda _request: delayed(0.5)
        world.nursery.signal(world.beat, signal.SIGKILL)
        is_over = threading.Event()
        trickle = threading.Thread(target=_trickle, args=(world, numbers[1], is_over))
        trickle.start()
        try:
            for result in observe.load(run, world, count=40, numbers=numbers[:1], pool=pool):
                result()
            wait_until(world.sending, seconds=30 * run.slack, what="sends are under way", every=0.01)
            world.kill_workers()
            flying = world.sending()
            held = world.count(
                "SELECT count(*) FROM messaging_dispatch WHERE state IN ('claimed', 'sending')"
            )
            run.check(held > 0, f"beat alone dead: two killed workers held {held} messages")
            for _ in range(2):
                world.start_worker()
            freed = observe.leases_gone(world, seconds=60 * run.slack)
        finally:
            is_over.set()
            trickle.join(60)
        run.check(
            freed <= RECOVERY_SECONDS * run.slack,
            f"beat alone dead: their claims were freed {freed:.1f} s later, while doorbells rang"
            f" (at most {RECOVERY_SECONDS:.0f})",
        )
        world.drain(seconds=60 * run.slack)
        doubted = world.in_doubt()
        only_in_flight(run, world, doubted, flying, "beat alone dead, a worker killed")
        observe.recovered_by_report(run, world, doubted)
        run.settle(world, ever_unknown=doubted)


def _trickle(world: World, number: str, is_over: threading.Event) -> None:
    people = (f"549115{index:05d}77" for index in itertools.count())
    while not is_over.wait(0.5):
        world.api.send(number, next(people), is_async=True)
