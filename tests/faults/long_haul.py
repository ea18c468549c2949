"""F32: steady load for a while, and meanwhile what F01, F04, F06 and F13 do, mixed.

The catalogue asks for two hours, which `MINUTES=120` gives; by default it is ten minutes.
"""

import signal
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from random import Random
from statistics import median

import psutil  # type: ignore[import-untyped]

from gosend.lib import ids
from tests.faults import observe
from tests.faults.kills import crash_postgres, kill_random_worker, only_in_flight
from tests.faults.meta_lies import AMBIGUOUS
from tests.faults.proxy import THROTTLED, Act, Request, delayed
from tests.faults.scenario import Run, scenario
from tests.faults.world import World

# Messages a second: twice what `make soak` sends, which is what one machine is planned for.
_RATE = 40
_STEP_SECONDS = 2.5
_PEOPLE = 800
_META_SECONDS = 0.1
# Of Meta's answers, how many are lies, and how many say 130429, after which a number goes at half its rate.
_LIES, _THROTTLES = 0.02, 0.0005
# What happens at each step, how many times in a hundred; else nothing does.
_TOLLS = {"worker killed": 30, "worker told to stop": 5, "Redis killed": 3, "PostgreSQL stopped": 1.5}
# Memory, and bytes a row, may grow by so much from the first quarter after the warm-up to the last.
_GROWTH = 1.10
_WARM_UP = 0.25
# A message may pass an older one to the same person if both were accepted within so many seconds.
_SAME_MOMENT_SECONDS = 5.0
_BYTES_A_MESSAGE = (
    "SELECT pg_relation_size('messaging_message') / greatest(count(*), 1) FROM messaging_message"
)
# Those that Meta never got stay in the queue's table; with what was settled as well it would hold ten times
# as much after ten minutes.
_BYTES_OF_QUEUE = "SELECT pg_total_relation_size('messaging_dispatch')"
_QUEUE_MIB = 4


@dataclass
class Weather:
    """What Meta does to each call, and whose calls it lied about."""

    random: Random
    lied: set[str] = field(default_factory=set)
    is_fair: bool = False

    def act(self, request: Request) -> Act:
        drawn = self.random.random()
        if self.is_fair or not request.opaque:
            return delayed(_META_SECONDS)
        if drawn < _LIES:
            self.lied.add(request.opaque.split(":")[1])
            return self.random.choice(AMBIGUOUS)
        return THROTTLED if drawn < _LIES + _THROTTLES else delayed(_META_SECONDS)


# So that a machine which has all this to do at once is late for none of the calls by itself.
_PATIENT = {"META_TIMEOUT_SECONDS": "8", "CLAIM_LEASE_SECONDS": "20"}
_RECOVERY_SECONDS = 29.0  # the lease, and as much more as elsewhere


@scenario("F32", "steady load, and Meta lying, workers, Redis and PostgreSQL killed at random, for a while")
def long_haul(run: Run) -> None:
    weather = Weather(Random(f"{run.seed}:weather"))
    with run.world(workers=4, settings=_PATIENT) as world, ThreadPoolExecutor(12) as pool:
        numbers = world.acme.numbers[:4]
        world.subscribe(numbers[0], "whatsapp.message.sent")
        world.proxy.plan = weather.act
        elder = world.workers[0]
        with observe.watching_doubt(world) as doubted:
            flying, samples = _fire(run, world, pool, elder=elder)
            weather.is_fair = True
            freed = observe.leases_gone(world, seconds=60 * run.slack)
            run.check(
                freed <= _RECOVERY_SECONDS * run.slack,
                f"claims of the dead were freed {freed:.1f} s after the last kill"
                f" (at most {_RECOVERY_SECONDS:.0f})",
            )
            took = world.drain(seconds=300 * run.slack)
            world.hear_all(seconds=240 * run.slack)
        run.note(f"the queues were empty {took:.0f} s after the load had ended")
        run.check(world.nursery.lives(elder), "the one worker that was never killed lived through it all")
        only_in_flight(run, world, doubted, flying | weather.lied, "kills and lies")
        observe.recovered_by_report(run, world, doubted)
        run.settle(world, ever_unknown=doubted)
        _in_order(run, world)
        observe.number_heard(run, world, numbers[0])
        for name, found in samples.items():
            if name.startswith("threads"):
                run.note(
                    f"{name}: {found[0]:.0f} at first, {found[-1]:.0f} at last, at most {max(found):.0f}"
                )
            else:
                _flat(run, name, found)
        queue = world.count(_BYTES_OF_QUEUE) / 2**20
        run.check(
            queue <= _QUEUE_MIB,
            f"the queue's table, indexes included: {queue:.1f} MiB (at most {_QUEUE_MIB})",
        )


def _fire(run: Run, world: World, pool: ThreadPoolExecutor, *, elder: int) -> tuple[set[str], "Samples"]:
    """The load and what is done to it; who was in flight at a kill, and what was measured at each step."""
    people = [run.person() for _ in range(_PEOPLE)]
    samples: Samples = {}
    results: list[Callable[[], None]] = []
    flying, tolls, raised = set[str](), Counter[str](), 0
    began = time.monotonic()
    for step in range(max(1, round(run.minutes * 60 / _STEP_SECONDS))):
        count = round(_RATE * _STEP_SECONDS)
        results += observe.load(
            run, world, count=count, numbers=world.acme.numbers[:4], pool=pool, sync=2, people=people
        )
        time.sleep(run.random.uniform(0.1, 0.6))
        (what,) = run.random.choices([*_TOLLS, ""], [*_TOLLS.values(), 100 - sum(_TOLLS.values())])
        flying |= _toll(run, world, what, elder)
        tolls[what] += 1
        raised += world.raise_the_dead()
        for name, value in _measured(world, elder).items():
            samples.setdefault(name, []).append(value)
        time.sleep(max(0.0, began + (step + 1) * _STEP_SECONDS - time.monotonic()))
    for result in results:
        result()
    raised += world.raise_the_dead()
    took = time.monotonic() - began
    done = ", ".join(f"{count} times {what}" for what, count in sorted(tolls.items()) if what)
    run.note(f"{len(world.api.accepted) / took:.0f} messages a second for {took / 60:.0f} minutes; {done}")
    run.note(f"the client asked {world.api.repeats()} times again with the same key: no answer, or 5xx")
    run.note(f"a supervisor had to start anew what gave up by itself {raised} times")
    return flying, samples


def _toll(run: Run, world: World, what: str, elder: int) -> set[str]:
    """Do one thing; return the messages that were in flight where it was a kill."""
    if what == "worker killed":
        return kill_random_worker(run, world, spared=[elder])
    if what == "worker told to stop":
        told = run.random.choice([pid for pid in world.workers if pid != elder])
        world.kill_worker(told, signal.SIGTERM)
        world.workers.remove(told)
        world.start_worker()
    elif what == "Redis killed":
        world.redis.kill()
        time.sleep(run.random.uniform(0.1, 1.0))
        world.redis.start()
    elif what == "PostgreSQL stopped":
        return crash_postgres(world)
    return set()


Samples = dict[str, list[float]]


def _measured(world: World, elder: int) -> dict[str, float]:
    found = {"bytes a message": float(world.count(_BYTES_A_MESSAGE))}
    for name, pid in (("memory of web", world.webs[0].serving_pid()), ("memory of a worker", elder)):
        if pid and psutil.pid_exists(pid):
            process = psutil.Process(pid)
            found[f"{name} (bytes)"] = float(process.memory_info().rss)
            found[f"threads {name.removeprefix('memory ')}"] = float(process.num_threads())
    return found


def _flat(run: Run, name: str, found: list[float]) -> None:
    settled = found[int(len(found) * _WARM_UP) :]
    quarter = max(1, len(settled) // 4)
    first, last = median(settled[:quarter]), median(settled[-quarter:])
    run.check(
        last <= _GROWTH * first,
        f"{name}: {first:,.0f} in the first quarter after the warm-up, {last:,.0f} in the last"
        f" (at most {_GROWTH:.2f} times)",
    )


def _in_order(run: Run, world: World) -> None:
    """Whoever got several messages from a number got them as they were accepted."""
    latest: dict[tuple[str, str], float] = {}
    pairs, passed = set[tuple[str, str]](), 0
    for message in world.meta_received():
        parts = (message["biz_opaque_callback_data"] or "").split(":")
        accepted_at = ids.moment_of(int(parts[1])).timestamp()
        pair = message["phone_number_id"], message["to"]
        if pair in latest:
            pairs.add(pair)
        passed += accepted_at < latest.get(pair, 0.0) - _SAME_MOMENT_SECONDS
        latest[pair] = max(accepted_at, latest.get(pair, 0.0))
    run.check(passed == 0, f"messages that came after a younger one of theirs: {passed} ({len(pairs)} pairs)")
