"""F03, F04 and F09: web processes killed in the middle of a send, a rolling restart, no workers at all."""

import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from tests.faults import observe
from tests.faults.api import Answer, text_body
from tests.faults.kills import only_in_flight
from tests.faults.proxy import delayed
from tests.faults.scenario import Run, scenario
from tests.faults.servers import wait_until
from tests.faults.world import World

_AT_ONCE = 8


@scenario("F03", "the web process killed during synchronous sends, the client asks again", quick=True)
def web_killed(run: Run) -> None:
    rounds = run.pick(quick=2, full=25)
    settings = {"CLAIM_LEASE_SECONDS": "4", "META_TIMEOUT_SECONDS": "3", "GRANIAN_RESPAWN_INTERVAL": "0.3"}
    with run.world(workers=1, settings=settings) as world, ThreadPoolExecutor(_AT_ONCE) as pool:
        world.post_office.hold()
        world.proxy.plan = lambda _request: delayed(0.4)
        number, flying, kills, raised = world.acme.numbers[0], set[str](), 0, 0
        answers: list[Answer] = []
        for _ in range(rounds):
            calls = len(world.proxy.requests)
            sends = [
                pool.submit(world.api.send, number, run.person(), is_async=False, timeout=20)
                for _ in range(_AT_ONCE)
            ]
            wait_until(
                lambda calls=calls: len(world.proxy.requests) > calls,  # type: ignore[misc]
                seconds=30 * run.slack, what="a send is under way", every=0.01,
            )  # fmt: skip
            time.sleep(run.random.uniform(0.0, 0.4))
            kills += world.webs[0].kill_serving_process()
            flying |= world.sending()
            time.sleep(0.1)
            # What the dead one had asked PostgreSQL to commit may have become visible only now.
            flying |= world.sending()
            while not all(send.done() for send in sends):
                raised += world.raise_the_dead()
                time.sleep(0.2)
            answers += [send.result() for send in sends]
        world.drain(seconds=60 * run.slack)
        doubted = world.in_doubt()
        run.check(kills == rounds, f"the process that serves was killed {kills} times")
        only_in_flight(run, world, doubted, flying, f"{rounds * _AT_ONCE} sends")
        odd = [status for one in answers for status in one.statuses[:-1] if status not in (0, 409, 429)]
        run.check(
            not odd, f"until then the client saw only no answer, 409 or 429; others: {observe.few(odd)}"
        )
        wrong = [one.status for one in answers if one.status not in (201, 202)]
        run.check(
            not wrong, f"in the end each of {len(answers)} was answered 2xx; others: {observe.few(wrong)}"
        )
        observe.recovered_by_report(run, world, doubted)
        run.settle(world, ever_unknown=doubted)
        run.note(f"the client asked {world.api.repeats()} times again with the same key")
        run.note(f"granian gave up {raised} times, killed too soon after its last start: a supervisor's work")


@scenario("F04", "every process restarted by SIGTERM, one after the other, under 80 messages a second")
def rolling_restart(run: Run) -> None:
    with run.world(workers=2, webs=2) as world, under_load(run, world):
        restart_each(run, world)


def restart_each(run: Run, world: World) -> None:
    """Have the web hosts stop and start, then put a new worker in the place of each."""
    for web in world.webs:
        world.restart_web(web, how=signal.SIGTERM)
    for worker in list(world.workers):
        world.start_worker()
        world.kill_worker(worker, signal.SIGTERM)
        wait_until(
            lambda worker=worker: not world.nursery.lives(worker),  # type: ignore[misc]
            seconds=60 * run.slack, what="the worker ends by itself",
        )  # fmt: skip
        world.workers.remove(worker)


@contextmanager
def under_load(run: Run, world: World) -> Iterator[None]:
    """Send 80 messages a second for as long as the block takes; nothing of that may come to harm."""
    numbers, is_over = world.acme.numbers[:4], threading.Event()
    world.proxy.plan = lambda _request: delayed(0.1)
    with observe.watching_doubt(world) as doubted, ThreadPoolExecutor(8) as pool:
        loader = threading.Thread(target=_eighty_a_second, args=(run, world, numbers, is_over, pool))
        loader.start()
        try:
            time.sleep(2)
            yield
            time.sleep(2)
        finally:
            is_over.set()
            loader.join(120)
        world.drain(seconds=120 * run.slack)
    run.check(not doubted, f"nothing became unknown by a planned restart: {len(doubted)}")
    statuses = [status for one in world.api.answers for status in one.statuses]
    bad = [status for status in statuses if status >= 500]
    run.check(not bad, f"{len(statuses)} requests, answered 5xx: {len(bad)}")
    slowest = observe.percentile([one.seconds for one in world.api.answers], 0.99)
    run.check(slowest <= 2.0 * run.slack, f"p99 of the answers {slowest:.2f} s (at most 2)")
    run.note(
        f"asked again after a refused or ended connection: {statuses.count(0)}; clients come to a host"
        " while it stops, and again once it answers, as through a balancer"
    )
    world.hear_all(seconds=120 * run.slack)
    run.settle(world)


def _eighty_a_second(
    run: Run, world: World, numbers: list[str], is_over: threading.Event, pool: ThreadPoolExecutor
) -> None:
    """Each half second a batch of 35 and five single ones."""
    while not is_over.is_set():
        bodies = [text_body(run.random.choice(numbers), run.person()) for _ in range(40)]
        futures = [pool.submit(world.api.batch, bodies[5:])]
        futures += [
            pool.submit(observe.send, world, body["phone_number_id"], body["to"], True) for body in bodies[:5]
        ]
        is_over.wait(0.5)
        for future in futures:
            future.result()


@scenario("F09", "all workers and beat dead for a while")
def nobody_works(run: Run) -> None:
    dead_for = run.pick(quick=5, full=20)
    with run.world(workers=2) as world:
        number = world.acme.numbers[0]
        world.subscribe(number, "whatsapp.message.sent")
        world.kill_workers()
        world.nursery.signal(world.beat, signal.SIGKILL)
        until, sync, waiting = time.monotonic() + dead_for, [], []
        while time.monotonic() < until:
            sync.append(world.api.send(number, run.person(), is_async=False))
            waiting += world.api.batch([text_body(number, run.person()) for _ in range(5)])
            time.sleep(0.4)
        at_once = sum(one.body["status"] == "sent" for one in sync)
        run.check(
            at_once == len(sync), f"synchronous sends went out without workers: {at_once} of {len(sync)}"
        )
        for _ in range(2):
            world.start_worker()
        world.start_beat()
        took = world.drain(seconds=120 * run.slack)
        bound = 15.0 + len(waiting) / 80
        run.check(
            took <= bound * run.slack,
            f"{len(waiting)} that waited went out within {took:.1f} s of the workers' return"
            f" (at most {bound:.0f})",
        )
        world.hear_all(seconds=120 * run.slack)
        observe.webhooks_complete(run, world, event="whatsapp.message.sent", expected=set(world.api.accepted))
        account = run.settle(world)
        run.check(account.counts.unknown == 0, f"unknown: {account.counts.unknown}")
        run.note(
            f"dead for {dead_for} s, not for the catalogue's ten minutes: asynchronous messages wait for a"
            " worker by design"
        )
