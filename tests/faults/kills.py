"""F01, F05, F06, F10, F11: processes are killed, stopped and cut off under load."""

import signal
import time
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from tests.faults import observe
from tests.faults.proxy import delayed
from tests.faults.scenario import Run, scenario
from tests.faults.servers import wait_until
from tests.faults.world import World

RECOVERY_SECONDS = 15.0
# What a call to Meta takes, so that many are in flight when a process is killed.
_META_SECONDS = 0.3
# The same where the queue is a short one, and the database goes away a moment after it was filled.
_OUTAGE_META_SECONDS = 0.8


@scenario("F01", "workers, Redis and PostgreSQL killed at random under load (the bar)", quick=True)
def storm(run: Run) -> None:
    total, kills, others = (
        run.pick(quick=320, full=3200),
        run.pick(quick=8, full=40),
        run.pick(quick=1, full=5),
    )
    with run.world(workers=4) as world, ThreadPoolExecutor(12) as pool:
        numbers = world.acme.numbers[:4]
        world.subscribe(numbers[0], "whatsapp.message.sent")
        world.post_office.hold()
        world.proxy.plan = lambda _request: delayed(_META_SECONDS)
        tolls, in_flight, flying, raised = _tolls(run, world, kills, others), [], set[str](), 0
        for index, toll in enumerate(tolls):
            due = total * (index + 1) // len(tolls) - total * index // len(tolls)
            in_flight += observe.load(run, world, count=due, numbers=numbers, pool=pool, sync=2)
            time.sleep(run.random.uniform(0.15, 0.6))
            flying |= toll()
            raised += world.raise_the_dead()
        for result in in_flight:
            result()
        raised += world.raise_the_dead()
        freed = observe.leases_gone(world, seconds=60 * run.slack)
        run.check(
            freed <= RECOVERY_SECONDS * run.slack,
            f"claims of the dead were freed {freed:.1f} s after the last kill"
            f" (at most {RECOVERY_SECONDS:.0f})",
        )
        world.drain(seconds=300 * run.slack)
        doubted = world.in_doubt()
        only_in_flight(
            run, world, doubted, flying,
            f"{kills} kills of workers, {others} of Redis, {others} immediate stops of PostgreSQL",
        )  # fmt: skip
        observe.recovered_by_report(run, world, doubted)
        account = run.settle(world, ever_unknown=doubted)
        run.check(
            account.counts.accepted >= total, f"{account.counts.accepted} of {total} accepted in the end"
        )
        run.note(f"the client asked {world.api.repeats()} times again with the same key: no answer, or 5xx")
        run.note(f"a supervisor had to start anew what gave up by itself {raised} times")
        observe.number_heard(run, world, numbers[0])


def _tolls(run: Run, world: World, kills: int, others: int) -> list[Callable[[], set[str]]]:
    """The kills of one run in their random order, the rarer ones spread over it."""

    def worker() -> set[str]:
        return kill_random_worker(run, world)

    def redis() -> set[str]:
        world.redis.kill()
        time.sleep(run.random.uniform(0.1, 0.5))
        world.redis.start()
        return set()

    def postgres() -> set[str]:
        return crash_postgres(world)

    tolls: list[Callable[[], set[str]]] = [worker] * kills
    for toll in (redis, postgres):
        for index in range(others):
            spread = len(tolls) // others
            tolls.insert(run.random.randrange(index * spread, (index + 1) * spread) + 1, toll)
    return tolls


def kill_random_worker(run: Run, world: World, *, spared: Collection[int] = ()) -> set[str]:
    """SIGKILL one, start another; return the messages in flight just then, in all workers."""
    world.kill_worker(run.random.choice([pid for pid in world.workers if pid not in spared]))
    sending = world.sending()
    world.start_worker()
    # What the dead one had asked PostgreSQL to commit may have become visible only now.
    return sending | world.sending()


def crash_postgres(world: World) -> set[str]:
    """Stop immediately and start again; return the messages in flight just then."""
    before, stopped_at = world.sending(), time.time()
    world.postgres.stop(how=signal.SIGQUIT)
    world.postgres.start()
    return before | world.sending(doubted_since=stopped_at)


def why_doubted(world: World, ids: set[str]) -> str:
    """The reasons that the product gives for messages in doubt, with how often each is given."""
    rows = world.sql(
        """SELECT error->>'message', count(*) FROM messaging_message
            WHERE id = ANY(%s::bigint[]) GROUP BY 1 ORDER BY 2 DESC""",
        [list(ids)],
    )
    return "; ".join(f"{count} times {reason}" for reason, count in rows)


def only_in_flight(run: Run, world: World, doubted: set[str], flying: set[str], what: str) -> None:
    """Check that nothing is in doubt whose call was not in flight when a process was killed."""
    strange = doubted - flying
    words = f"{what}: {len(doubted)} unknown, each listed by the API, each one of the {len(flying)} whose"
    words += " calls were in flight then"
    run.check(not strange, words + (f"; others: {why_doubted(world, strange)}" if strange else ""))


@scenario("F06", "Redis killed and empty again, five times under load")
def redis_killed(run: Run) -> None:
    rounds = run.pick(quick=2, full=5)
    with run.world(workers=2) as world, ThreadPoolExecutor(6) as pool:
        number = world.acme.numbers[0]
        results = []
        for _ in range(rounds):
            results += observe.load(run, world, count=40, numbers=[number], pool=pool, sync=2)
            world.redis.kill()
            results += observe.load(run, world, count=60, numbers=[number], pool=pool, sync=2)
            time.sleep(1.0)
            world.redis.start()
            results += observe.load(run, world, count=20, numbers=[number], pool=pool, sync=2)
            time.sleep(1.0)
        for result in results:
            result()
        ended = world.raise_the_dead()
        run.check(ended == 0, f"of two workers and beat {ended} gave up")
        world.drain(seconds=120 * run.slack)
        refused = [
            status for one in world.api.answers for status in one.statuses if status not in (201, 202, 429)
        ]
        run.check(not refused, f"every request was answered 2xx or 429, others: {observe.few(refused)}")
        slowest = max(one.seconds for one in world.api.answers)
        run.check(slowest <= 2.0 * run.slack, f"the slowest answer took {slowest:.2f} s")
        times = sorted(message["at"] for message in world.meta_received())
        over = overshoot(times, rate=80, burst=80)
        run.check(
            over <= 80 * rounds,
            f"sends beyond burst + 80/s: {over}, one burst for each of {rounds} restarts allowed",
        )
        world.hear_all(seconds=120 * run.slack)
        account = run.settle(world)
        run.check(account.counts.unknown == 0, f"unknown: {account.counts.unknown}")


def overshoot(times: list[float], *, rate: float, burst: int) -> int:
    """The most that any window holds beyond burst + rate * window; 0 when none does."""
    worst = 0
    level, last = 0.0, times[0] if times else 0.0
    for at in times:  # the fullest a bucket that leaks at the rate ever was
        level = max(0.0, level - (at - last) * rate) + 1
        last = at
        worst = max(worst, int(level - burst))
    return worst


@scenario("F10", "PostgreSQL stopped immediately and started again under load", quick=True)
def postgres_crashes(run: Run) -> None:
    rounds = run.pick(quick=2, full=5)
    with run.world(workers=2) as world, ThreadPoolExecutor(8) as pool:
        world.post_office.hold()
        world.proxy.plan = lambda _request: delayed(_OUTAGE_META_SECONDS)
        results, flying = [], set[str]()
        for _ in range(rounds):
            results += observe.load(run, world, count=60, numbers=world.acme.numbers[:2], pool=pool, sync=3)
            time.sleep(run.random.uniform(0.3, 0.8))
            flying |= crash_postgres(world)
        _close_outage(run, world, results, flying, "immediate stops", rounds)


@scenario("F11", "every connection to PostgreSQL cut, ten times under load")
def connections_cut(run: Run) -> None:
    rounds = run.pick(quick=3, full=10)
    with run.world(workers=2) as world, ThreadPoolExecutor(8) as pool:
        world.post_office.hold()
        world.proxy.plan = lambda _request: delayed(_OUTAGE_META_SECONDS)
        results, flying = [], set[str]()
        for _ in range(rounds):
            results += observe.load(run, world, count=40, numbers=world.acme.numbers[:2], pool=pool, sync=3)
            time.sleep(run.random.uniform(0.2, 0.6))
            flying |= world.sending()
            world.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()")
            flying |= world.sending()
            started = time.monotonic()
            wait_until(world.webs[0].answers, seconds=30, what="the web server answers again")
            took = time.monotonic() - started
            if took > 5 * run.slack:
                run.check(False, f"the web answered again after {took:.1f} s (at most 5)")
        _close_outage(run, world, results, flying, "times all connections cut", rounds)


def _close_outage(
    run: Run, world: World, results: list[Callable[[], None]], flying: set[str], what: str, rounds: int
) -> None:
    for result in results:
        result()
    world.drain(seconds=120 * run.slack)
    doubted = world.in_doubt()
    only_in_flight(run, world, doubted, flying, f"{rounds} {what}")
    run.check(bool(flying), f"calls in flight then, of all {rounds} times: {len(flying)}")
    halves = """SELECT count(*) FROM messaging_message m
                LEFT JOIN messaging_messagecontent c ON c.message_id = m.id WHERE c.message_id IS NULL"""
    half_rows = world.count(halves)
    run.check(half_rows == 0, f"messages without their content: {half_rows}")
    lonely = world.count(
        """SELECT count(*) FROM messaging_message m LEFT JOIN messaging_dispatch d ON d.message_id = m.id
           WHERE m.status IN ('queued', 'sending', 'unknown') AND d.message_id IS NULL"""
    )
    run.check(lonely == 0, f"unsettled messages without a job: {lonely}")
    observe.recovered_by_report(run, world, doubted)
    run.settle(world, ever_unknown=doubted)
    run.note(f"the client asked {world.api.repeats()} times again with the same key: no answer, or 5xx")


@scenario("F05", "a sender stopped for longer than its lease, then let go on (zombie)", quick=True)
def zombie(run: Run) -> None:
    points = ("intent after commit", "claim after commit")
    for point in points[: run.pick(quick=1, full=2)]:
        with run.world(workers=0) as world:
            world.post_office.hold()
            number = world.acme.numbers[0]
            stopped = world.start_worker(FAULTS_KILL=point, FAULTS_KILL_HOW="STOP")
            time.sleep(1.5)
            for _ in range(6):
                world.api.send(number, run.person())
            wait_until(
                partial(is_stopped, stopped),
                seconds=40 * run.slack,
                what="the sender stops itself",
                every=0.1,
            )
            world.start_worker()
            world.drain(seconds=60 * run.slack)
            doubted = world.in_doubt()
            before = _rows(world)
            world.kill_worker(stopped, signal.SIGCONT)
            time.sleep(3.0)
            changed = [one for one, row in _rows(world).items() if before[one] != row and one not in doubted]
            run.check(
                not changed,
                f"stopped at {point!r}: the zombie changed {len(changed)} rows that were not its own",
            )
            at_meta = world.at_meta()
            run.check(
                all(len(wamids) == 1 for wamids in at_meta.values()),
                f"Meta has {len(at_meta)} messages, each once",
            )
            observe.recovered_by_report(run, world, doubted)
            run.settle(world, ever_unknown=doubted)


def is_stopped(pid: int) -> bool:
    with open(f"/proc/{pid}/stat") as stat:
        return stat.read().rpartition(")")[2].split()[0] == "T"


def _rows(world: World) -> dict[str, tuple[str, str]]:
    rows = world.sql("SELECT id, status, coalesce(wamid, '') FROM messaging_message")
    return {str(row[0]): (row[1], row[2]) for row in rows}
