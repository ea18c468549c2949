"""F36: a worker ended with its air full, which the sources' catalogue does not ask."""

import signal

from tests.faults import observe
from tests.faults.api import text_body
from tests.faults.kills import only_in_flight
from tests.faults.proxy import delayed
from tests.faults.scenario import Run, scenario
from tests.faults.servers import wait_until
from tests.faults.world import World

# What a drain makes side by side; a test holds it against the product's.
CALLS_AT_ONCE = 192
# Intents out by which the air is full, and some wait ahead for a thread.
_FULL = CALLS_AT_ONCE + 16
# So slow that a number's 80 a second, after its burst, fill the air before the first answer comes.
_META_SECONDS = 4.0
_PATIENT = {"META_TIMEOUT_SECONDS": "8", "CLAIM_LEASE_SECONDS": "20"}
_QUEUED = 500


@scenario("F36", "a worker killed, and one told to stop, with a drain's air full and intents waiting ahead")
def full_air(run: Run) -> None:
    kills = run.pick(quick=1, full=3)
    with run.world(workers=1, settings=_PATIENT) as world:
        world.post_office.hold()
        world.proxy.plan = lambda _request: delayed(_META_SECONDS)
        flying: set[str] = set()
        for _ in range(kills):
            _fill(run, world)
            world.kill_workers()
            caught = world.sending()
            run.check(
                len(caught) >= _FULL,
                f"killed with {len(caught)} intents out (a drain makes {CALLS_AT_ONCE} calls side by side)",
            )
            world.start_worker()
            # What the dead one had asked PostgreSQL to commit may have become visible only now.
            flying |= caught | world.sending()
            world.drain(seconds=120 * run.slack)
        doubted = world.in_doubt()
        only_in_flight(run, world, doubted, flying, f"{kills} kills")
        _told_to_stop(run, world, doubted)
        observe.recovered_by_report(run, world, doubted)
        run.settle(world, ever_unknown=doubted)


def _fill(run: Run, world: World) -> None:
    number = world.acme.numbers[0]
    world.api.batch([text_body(number, run.person()) for _ in range(_QUEUED)])
    wait_until(
        lambda: len(world.sending()) >= _FULL,
        seconds=60 * run.slack, what="the air is full", every=0.02,
    )  # fmt: skip


def _told_to_stop(run: Run, world: World, doubted: set[str]) -> None:
    """What is in the air comes back, what has not begun is recalled: nothing more is in doubt."""
    _fill(run, world)
    caught = world.sending()
    (worker,) = world.workers
    world.kill_worker(worker, signal.SIGTERM)
    wait_until(
        lambda: not world.nursery.lives(worker), seconds=60 * run.slack, what="the worker ends by itself"
    )
    world.workers.remove(worker)
    left = world.sending()
    run.check(not left, f"told to stop with {len(caught)} intents out, it left {len(left)} behind")
    world.start_worker()
    world.drain(seconds=120 * run.slack)
    more = world.in_doubt() - doubted
    run.check(not more, f"nothing became unknown by that: {len(more)}")
