"""F13 to F16: Meta cannot be reached, lies, hangs up, throttles, or has it and does not say so."""

import math
import time
from collections import Counter

from tests.faults import observe
from tests.faults.api import text_body
from tests.faults.ledger import REACHED
from tests.faults.proxy import (
    ANSWER_LOST,
    GARBAGE_200,
    HANG,
    HANG_AFTER,
    HTML_500,
    JSON_500,
    PAIR_LIMIT,
    PASS,
    RESET_EARLY,
    RESET_LATE,
    THROTTLED,
    TRUNCATED,
    Act,
    Request,
)
from tests.faults.scenario import Run, scenario
from tests.faults.servers import wait_until
from tests.faults.world import World

# Meta may have it or not, and we cannot know.
AMBIGUOUS = (RESET_EARLY, RESET_LATE, HANG, HTML_500, JSON_500, TRUNCATED, GARBAGE_200, ANSWER_LOST)


def once(world: World, by_recipient: dict[str, Act]) -> None:
    """Let each recipient's first request meet its act, the later ones pass."""
    met: set[str] = set()

    def plan(request: Request) -> Act:
        to = request.to.lstrip("+")
        if to in met:
            return PASS
        met.add(to)
        return by_recipient.get(to, PASS)

    world.proxy.plan = plan


@scenario("F13", "Meta refuses, resets, hangs, answers 500, throttles, truncates, talks garbage", quick=True)
def lies(run: Run) -> None:
    each = run.pick(quick=5, full=30)
    with run.world(workers=2) as world:
        world.post_office.hold()
        numbers = world.acme.numbers[:4]
        refused = _refused(run, world, numbers[0])
        acts: dict[str, Act] = {}
        for act in (*AMBIGUOUS, THROTTLED, PASS):
            acts |= {run.person(): act for _ in range(each)}
        once(world, acts)
        people = list(acts)
        run.random.shuffle(people)
        for start in range(0, len(people), 50):
            world.api.batch([text_body(run.random.choice(numbers), to) for to in people[start : start + 50]])
        world.drain(seconds=120 * run.slack)
        ids = dict(world.sql("SELECT peer, id::text FROM messaging_message"))
        listed, at_meta = world.api.listed(), world.at_meta()
        for act in (*AMBIGUOUS, THROTTLED, PASS):
            wanted = "unknown" if act in AMBIGUOUS else "sent"
            mine = [ids[to] for to, its in acts.items() if its is act]
            found = Counter(listed[one].status for one in mine)
            reached = sum(len(at_meta.get(one, ())) for one in mine)
            expected = len(mine) if act.forwards or act is THROTTLED else 0
            run.check(
                found == {wanted: len(mine)} and reached == expected,
                f"{act.name}: {observe.tally(found)}, {reached} at Meta"
                f" (expected {wanted}, {expected} at Meta)",
            )
        doubted = world.in_doubt()
        run.check(
            len(doubted) == each * len(AMBIGUOUS),
            f"unknown are exactly the {each * len(AMBIGUOUS)} ambiguous ones: {len(doubted)}",
        )
        run.check(refused == 0, f"connections refused for 2 s: {refused} left the queue for it")
        observe.recovered_by_report(run, world, doubted)
        run.settle(world, ever_unknown=doubted)
        run.note(
            "TLS resets are played as resets on plain HTTP; TLS failures before a request are unit tests"
        )


def _refused(run: Run, world: World, number: str) -> int:
    world.proxy.refuse()
    world.api.batch([text_body(number, run.person()) for _ in range(10)])
    time.sleep(2.0)
    left = sum(seen.status not in ("queued", "sending") for seen in world.api.listed().values())
    world.proxy.listen()
    return left


@scenario("F14", "Meta has it, the answer is lost, its report comes (also before the call ends)")
def answer_lost(run: Run) -> None:
    count = run.pick(quick=15, full=100)
    with run.world(workers=2) as world:
        number = world.acme.numbers[0]
        world.subscribe(number, "whatsapp.message.sent")
        acts = {run.person(): (ANSWER_LOST if index % 2 else HANG_AFTER) for index in range(count)}
        once(world, acts)
        with observe.watching_doubt(world) as doubted:
            world.api.batch([text_body(number, to) for to in acts])
            for index in range(4):  # and four that wait for the answer
                once(world, acts | {(to := run.person()): HANG_AFTER if index % 2 else ANSWER_LOST})
                world.api.send(number, to, is_async=False)
            world.drain(seconds=60 * run.slack)
            started = time.monotonic()
            wait_until(
                lambda: not world.api.listed(status="unknown"), seconds=60, what="the reports settle them all"
            )
            took = time.monotonic() - started
        run.check(took <= 5 * run.slack, f"all settled {took:.1f} s after the last call (at most 5)")
        world.hear_all(seconds=60 * run.slack)
        listed = world.api.listed()
        reached = {one for one, seen in listed.items() if seen.status in REACHED}
        run.check(reached == set(world.api.accepted), f"sent or further: {len(reached)} of {len(listed)}")
        observe.webhooks_complete(run, world, event="whatsapp.message.sent", expected=reached)
        run.settle(world, ever_unknown=doubted)


@scenario("F15", "Meta has it, and neither the answer nor any report arrives")
def nothing_heard(run: Run) -> None:
    count = run.pick(quick=10, full=60)
    with run.world(workers=2, settings={"UNCONFIRMED_AFTER_SECONDS": "4"}) as world:
        number = world.acme.numbers[0]
        world.subscribe(number, "whatsapp.message.unconfirmed", "whatsapp.message.sent")
        world.proxy.plan = lambda _request: ANSWER_LOST
        world.post_office.drops = lambda _body: True
        ids = world.api.batch([text_body(number, run.person()) for _ in range(count)])
        started = time.monotonic()
        wait_until(
            lambda: len(world.api.listed(status="unconfirmed")) == count,
            seconds=60 * run.slack,
            what="they become unconfirmed",
            every=0.3,
        )
        took = time.monotonic() - started
        run.check(True, f"unconfirmed after {took:.1f} s with UNCONFIRMED_AFTER_SECONDS=4")
        wait_until(
            lambda: len(world.receiver.received()) >= count, seconds=30, what="the webhooks arrive", every=0.2
        )
        time.sleep(3)
        observe.webhooks_complete(run, world, event="whatsapp.message.unconfirmed", expected=set(ids))
        run.check(
            len(world.receiver.received()) == count, "the webhook came once for each, and none says sent"
        )
        times = Counter(request.opaque for request in world.proxy.requests if request.opaque)
        run.check(set(times.values()) == {1}, f"each was handed to Meta once: {len(times)} calls")
        run.settle(world, ever_unknown=ids)


@scenario("F16", "Meta throttles one number (130429) and one pair (131056)")
def throttled(run: Run) -> None:
    seconds = run.pick(quick=6, full=20)
    with run.world(workers=2) as world:
        slow, mixed, free = world.acme.numbers[:3]
        pair = run.person()
        until = time.time() + seconds + 1.0

        def plan(request: Request) -> Act:
            if time.time() < until and request.phone_number_id == slow:
                return THROTTLED
            if time.time() < until and request.to.lstrip("+") == pair:
                return PAIR_LIMIT
            return PASS

        world.proxy.plan = plan
        world.api.batch([text_body(slow, run.person()) for _ in range(40)])
        ordered = [world.api.send(mixed, pair, text=str(index)).body["id"] for index in range(3)]
        others: list[str] = []
        while time.time() < until - 1:
            others += world.api.batch([text_body(to, run.person()) for to in (mixed, free) for _ in range(5)])
            time.sleep(0.5)
        calls = [one for one in world.proxy.requests if one.phone_number_id == slow and one.act is THROTTLED]
        world.drain(seconds=(60 + seconds * 6) * run.slack)
        waits = world.sql(
            "SELECT id::text, extract(epoch FROM sent_at - created_at)::float FROM messaging_message"
        )
        slowest = observe.percentile([wait for one, wait in waits if one in set(others)], 0.95)
        run.check(
            slowest <= 2.0 * run.slack, f"others: p95 from accepted to sent {slowest:.2f} s (at most 2)"
        )
        # Tries 1, 2, 4, 8 … seconds apart.
        most = 40 * (1 + int(math.log2(seconds + 1)))
        run.check(
            len(calls) <= most,
            f"the throttled number asked {len(calls)} times for 40 messages in {seconds} s (at most {most})",
        )
        order = {
            message["biz_opaque_callback_data"].split(":")[1]: n
            for n, message in enumerate(world.meta_received())
        }
        places = [order[one] for one in ordered]
        run.check(places == sorted(places), "the throttled pair's three messages kept their order")
        world.hear_all(seconds=90 * run.slack)
        run.settle(world)
