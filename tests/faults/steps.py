"""F02 and F33: a process dies exactly at each step of a send; a message takes down whoever touches it."""

import time
from dataclasses import dataclass

from tests.faults import observe
from tests.faults.api import text_body
from tests.faults.proxy import HANG_AFTER, PASS
from tests.faults.scenario import Run, scenario
from tests.faults.servers import wait_until
from tests.faults.world import World

# Nothing waits long here, and a lease is longer than a call.
BRISK = {"CLAIM_LEASE_SECONDS": "4", "META_TIMEOUT_SECONDS": "3"}
MAX_CLAIMS = 5


@dataclass(frozen=True)
class Step:
    """A point, and what has to stand after the others have taken up what the dead one left."""

    point: str
    status: str
    at_meta: int
    quick: bool = False


STEPS = (
    Step("claim before commit", "sent", 1),
    Step("claim after commit", "sent", 1, quick=True),
    Step("intent before commit", "sent", 1),
    Step("intent after commit", "unknown", 0, quick=True),
    Step("request written", "unknown", 1),
    Step("answer read", "unknown", 1),
    Step("outcome before commit", "unknown", 1, quick=True),
    Step("outcome after commit", "sent", 1),
)


@scenario("F02", "a process killed exactly at each step of accept and send", quick=True)
def each_step(run: Run) -> None:
    with run.world(workers=0, settings=BRISK) as world:
        world.post_office.hold()
        doubted: set[str] = set()
        for step in STEPS:
            if step.quick or not run.is_quick:
                doubted |= _die_in_worker(run, world, step)
        accepting = (("accept after commit", 1), ("accept before commit", 0))
        for point, kept in accepting[: run.pick(quick=1, full=2)]:
            _die_in_web(run, world, point, kept)
        world.start_worker()
        observe.recovered_by_report(run, world, doubted)
        run.settle(world, ever_unknown=doubted)


def _die_in_worker(run: Run, world: World, step: Step) -> set[str]:
    is_written = step.point == "request written"
    world.proxy.plan = (lambda _request: HANG_AFTER) if is_written else (lambda _request: PASS)
    mortal = world.start_worker() if is_written else world.start_worker(FAULTS_KILL=step.point)
    calls = len(world.proxy.requests)
    sent = world.api.send(world.acme.numbers[0], run.person()).body["id"]
    if is_written:
        wait_until(
            lambda: len(world.proxy.requests) > calls and sent in world.at_meta(),
            seconds=40 * run.slack, what="the request reaches Meta",
        )  # fmt: skip
        world.kill_worker(mortal)
    wait_until(
        lambda: not world.nursery.lives(mortal), seconds=40 * run.slack, what=f"death at {step.point!r}"
    )
    world.kill_worker(mortal)
    world.proxy.plan = lambda _request: PASS
    started = time.monotonic()
    healthy = world.start_worker()
    world.drain(seconds=60 * run.slack)
    took = time.monotonic() - started
    seen = world.api.listed()[sent]
    reached = len(world.at_meta().get(sent, ()))
    run.check(
        (seen.status, reached) == (step.status, step.at_meta),
        f"{step.point}: {seen.status}, {reached} at Meta (expected {step.status}, {step.at_meta}),"
        f" taken up within {took:.1f} s",
    )
    world.kill_worker(healthy)
    return {sent} if seen.status == "unknown" else set()


def _die_in_web(run: Run, world: World, point: str, kept: int) -> None:
    """The web process dies while it accepts; the client asks again with the same key."""
    web = world.webs[0]
    web.stop()
    web.start({**world.environment, "FAULTS_KILL": point})
    wait_until(web.answers, seconds=60 * run.slack, what="the web server answers")
    number, to, key = world.acme.numbers[1], run.person(), f"dies-{point}"
    before = world.count("SELECT count(*) FROM messaging_message")
    try:
        told = world.api.call(
            "POST",
            "/v1/messages?async=true",
            body=text_body(number, to),
            headers={"Idempotency-Key": key},
            timeout=20,
        )
        first = str(told.status_code)
    except OSError:  # requests' errors are
        first = "no answer"
    stored = world.count("SELECT count(*) FROM messaging_message") - before
    world.restart_web(web)
    worker = world.start_worker()
    answer = world.api.send(number, to, key=key)
    world.drain(seconds=60 * run.slack)
    mine = world.at_meta().get(answer.body["id"], ())
    total = world.count("SELECT count(*) FROM messaging_message") - before
    run.check(
        first == "no answer" and (stored, total, len(mine)) == (kept, 1, 1),
        f"{point}: {first}, {stored} kept (expected {kept}); asked again: {answer.status},"
        f" {total} message, {len(mine)} at Meta",
    )
    world.kill_worker(worker)


@scenario("F33", "a message that kills whoever prepares it")
def poison(run: Run) -> None:
    word = "Belladonna"
    with run.world(workers=0, settings=BRISK) as world:
        number, others = world.acme.numbers[0], world.acme.numbers[1]
        poisoned = world.api.send(number, run.person(), text=word).body["id"]
        deaths = 0
        healthy: list[str] = []
        worker = world.start_worker(FAULTS_POISON=word)
        deadline = time.monotonic() + 150 * run.slack
        while time.monotonic() < deadline:
            if not world.nursery.lives(worker):
                world.kill_worker(worker)
                deaths += 1
                worker = world.start_worker(FAULTS_POISON=word)
            if len(healthy) < run.pick(quick=20, full=40):
                healthy.append(world.api.send(run.random.choice((number, others)), run.person()).body["id"])
            if world.api.listed()[poisoned].status == "failed":
                break
            time.sleep(0.3)
        row = world.api.get(f"/v1/messages/{poisoned}")
        run.check(row["status"] == "failed", f"the message is parked: {row['status']} after {deaths} deaths")
        run.check(deaths == MAX_CLAIMS, f"after {MAX_CLAIMS} claims: {deaths} workers died of it")
        run.check("workers stopped" in str(row), "the API names the reason")
        world.drain(seconds=60 * run.slack)
        listed = world.api.listed()
        gone = sum(listed[one].status in ("sent", "delivered", "read") for one in healthy)
        run.check(gone == len(healthy), f"the others flowed: {gone} of {len(healthy)} sent")
        world.hear_all(seconds=60 * run.slack)
        run.settle(world)
