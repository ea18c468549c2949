"""F20 and F21: a storm of Meta's callbacks, and processes that die while they take one in."""

import http.client
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from tests.faults import observe
from tests.faults.api import text_body
from tests.faults.scenario import Run, scenario
from tests.faults.servers import wait_until
from tests.faults.servers_of_others import Letter
from tests.faults.world import DOOR, World

_PER_SECOND = 240
_P99_SECONDS = 0.25
EVENTS = ("whatsapp.message.sent", "whatsapp.message.delivered", "whatsapp.message.read")


def gather(run: Run, world: World, *, count: int, number: str) -> list[Letter]:
    """Send messages, and return Meta's callbacks for them, none of which has reached us."""
    world.post_office.hold()
    for start in range(0, count, 50):
        world.api.batch([text_body(number, run.person()) for _ in range(min(50, count - start))])
    world.drain(seconds=120 * run.slack)
    wait_until(
        lambda: world.post_office.waiting() >= count * 3, seconds=60 * run.slack, what="Meta tells of all"
    )
    return world.post_office.take_away()


@scenario("F20", "240 callbacks a second, each three times, shuffled, one in twenty badly signed")
def storm(run: Run) -> None:
    count = run.pick(quick=60, full=400)
    with run.world(workers=2) as world:
        number = world.acme.numbers[0]
        world.subscribe(number, *EVENTS)
        letters = gather(run, world, count=count, number=number)
        before = world.count("SELECT count(*) FROM messaging_metaevent")
        posts = [(letter, True) for letter in letters * 3]
        forged = {**letters[0].headers, "X-Hub-Signature-256": "sha256=" + "0" * 64}
        posts += [(Letter(letters[0].body + b" " * n, forged), False) for n in range(len(posts) // 20)]
        run.random.shuffle(posts)
        answers = _post_all(world, posts)
        good = Counter(status for is_good, status, _ in answers if is_good)
        bad = Counter(status for is_good, status, _ in answers if not is_good)
        run.check(set(good) == {200}, f"signed ones were answered {observe.tally(good)}")
        run.check(set(bad) <= {401, 403}, f"badly signed ones were answered {observe.tally(bad)}")
        slow = observe.percentile([seconds for _, _, seconds in answers], 0.99)
        run.check(
            slow <= _P99_SECONDS * run.slack,
            f"p99 of {len(answers)} answers {slow * 1000:.0f} ms (at most 250)",
        )
        world.post_office.release()
        world.hear_all(seconds=240 * run.slack)
        rows = world.count("SELECT count(*) FROM messaging_metaevent") - before
        run.check(rows == len(letters), f"{len(letters)} callbacks kept once each, none badly signed: {rows}")
        listed = world.api.listed()
        read = sum(seen.status == "read" for seen in listed.values())
        run.check(read == count, f"in the furthest state: {read} of {count} read")
        for event in EVENTS:
            observe.webhooks_complete(run, world, event=event, expected=set(listed))
        run.settle(world)


def _post_all(world: World, posts: list[tuple[Letter, bool]]) -> list[tuple[bool, int, float]]:
    """At the rate, from sixteen connections; each answer's status and seconds."""
    started, local = time.monotonic(), threading.local()

    def post(index: int) -> tuple[bool, int, float]:
        letter, is_good = posts[index]
        time.sleep(max(0.0, started + index / _PER_SECOND - time.monotonic()))
        if getattr(local, "link", None) is None:
            local.link = http.client.HTTPConnection("127.0.0.1", world.webs[0].port, timeout=30)
        asked = time.monotonic()
        local.link.request("POST", DOOR, body=letter.body, headers=letter.headers)
        answer = local.link.getresponse()
        answer.read()
        return is_good, answer.status, time.monotonic() - asked

    with ThreadPoolExecutor(16) as pool:
        return list(pool.map(post, range(len(posts))))


@scenario("F21", "processes killed around a callback: before the 200, after it, while it is handled")
def killed(run: Run) -> None:
    count = run.pick(quick=5, full=20)
    with run.world(workers=1) as world:
        number = world.acme.numbers[0]
        world.subscribe(number, *EVENTS)
        for what, begin in FAULTS.items():
            letters = gather(run, world, count=count, number=number)
            mend = begin(run, world)
            world.post_office.release()
            for letter in letters:
                world.post_office.take(letter)
            mend()
            world.hear_all(seconds=120 * run.slack)
            listed = world.api.listed()
            read = sum(seen.status == "read" for seen in listed.values())
            run.check(read == len(listed), f"{what}: all {read} of {len(listed)} messages read")
        for event in EVENTS:
            observe.webhooks_complete(run, world, event=event, expected=set(world.api.listed()))
        run.settle(world)
        again = Counter(one.status for one in world.post_office.postings)
        run.note(f"Meta's post was answered {observe.tally(again)} (0: no answer, posted again)")


def _web_dies(point: str) -> Callable[[Run, World], Callable[[], None]]:
    def begin(run: Run, world: World) -> Callable[[], None]:
        web = world.webs[0]
        web.stop()
        web.start({**world.environment, "FAULTS_KILL": point, "FAULTS_KILL_AT": "3"})
        wait_until(web.answers, seconds=60 * run.slack, what="the web server answers")
        mortal = web.serving_pid()

        def mend() -> None:
            wait_until(
                lambda: web.serving_pid() != mortal, seconds=60 * run.slack, what="the web process dies"
            )
            world.restart_web(web)

        return mend

    return begin


def _worker_dies(point: str) -> Callable[[Run, World], Callable[[], None]]:
    def begin(run: Run, world: World) -> Callable[[], None]:
        world.kill_workers()
        mortal = world.start_worker(FAULTS_KILL=point)

        def mend() -> None:
            wait_until(
                lambda: not world.nursery.lives(mortal), seconds=60 * run.slack, what="the worker dies"
            )
            world.kill_worker(mortal)
            world.start_worker()

        return mend

    return begin


# Each begins a fault, and returns what waits for the death and puts a sound process in its place.
FAULTS: dict[str, Callable[[Run, World], Callable[[], None]]] = {
    "web killed before it kept one": _web_dies("callback not stored"),
    "web killed when it had kept one, before the 200": _web_dies("callback stored"),
    "worker killed before it committed what one says": _worker_dies("callback handled before commit"),
    "worker killed after that": _worker_dies("callback handled after commit"),
}
