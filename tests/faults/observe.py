"""Checks that several scenarios share: in doubt and recovered, webhooks owed and received."""

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from tests.faults.api import text_body
from tests.faults.ledger import REACHED
from tests.faults.scenario import Run
from tests.faults.servers import wait_until
from tests.faults.world import World


def few(found: Sequence[object]) -> str:
    """The first of what should not be there, or that there is none."""
    return ", ".join(map(str, found[:5])) or "none"


def tally(counts: Mapping[Any, int]) -> str:
    """How often each came: `60 times 202, 3 times 409`."""
    return ", ".join(f"{count} times {what}" for what, count in counts.items()) or "none"


def percentile(values: Sequence[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else 0.0


def leases_gone(world: World, *, seconds: float) -> float:
    """Wait until nothing is held by a claim made before now; return the seconds that took."""
    started = time.monotonic()
    lease = int(world.environment["CLAIM_LEASE_SECONDS"])
    limit = world.sql("SELECT now() + make_interval(secs => %s)", [lease])[0][0]
    held = """SELECT count(*) FROM messaging_dispatch
              WHERE state IN ('claimed', 'sending') AND lease_expires_at <= %s"""
    wait_until(
        lambda: world.count(held, [limit]) == 0, seconds=seconds, what="dead claims are freed", every=0.1
    )
    return time.monotonic() - started


@contextmanager
def watching_doubt(world: World) -> Iterator[set[str]]:
    """Collect, through the API, every message that is ever shown as unknown or unconfirmed."""
    found: set[str] = set()
    is_over = threading.Event()
    api = world.api_of(world.acme.key)

    def look() -> None:
        while not is_over.is_set():
            for status in ("unknown", "unconfirmed"):
                found.update(api.listed(status=status))
            is_over.wait(0.25)

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    try:
        yield found
    finally:
        is_over.set()
        thread.join(30)


def recovered_by_report(run: Run, world: World, doubted: set[str]) -> None:
    """Let Meta's reports through: each in doubt that Meta has is settled, the others stay reported."""
    world.post_office.release()
    world.hear_all(seconds=240 * run.slack)
    listed, at_meta = world.api.listed(), world.at_meta()
    had = {one for one in doubted if one in at_meta}
    settled = {one for one in had if listed[one].status in ("sent", "delivered", "read")}
    open_ones = {one for one in doubted - had if listed[one].status in ("unknown", "unconfirmed")}
    run.check(
        settled == had,
        f"of {len(doubted)} in doubt Meta had {len(had)}, settled by its reports: {len(settled)}",
    )
    run.check(
        open_ones == doubted - had,
        f"the other {len(doubted - had)}, which Meta never got, stay reported as unknown: {len(open_ones)}",
    )


def webhooks_complete(run: Run, world: World, *, path: str = "/hook", event: str, expected: set[str]) -> None:
    """Each message has one event of a type at the receiver, the same id and bytes at every attempt."""
    bodies: dict[str, set[bytes]] = defaultdict(set)
    events: dict[str, set[str]] = defaultdict(set)
    attempts = 0
    for one in world.receiver.received(path, accepted=False):
        bodies[one.delivery_id].add(one.body)
        attempts += 1
        if one.is_accepted and one.json["event"] == event:
            events[one.json["message"]["gosendapi"]["id"]].add(one.delivery_id)
    missing = expected - set(events)
    run.check(not missing, f"webhooks {event}: {len(expected)} owed, missing at the receiver: {len(missing)}")
    twice = [one for one, ids in events.items() if len(ids) > 1]
    run.check(not twice, f"one event for each: {len(twice)} messages have more")
    changed = [one for one, seen in bodies.items() if len(seen) > 1]
    run.check(not changed, f"{attempts} attempts carried the same bytes for the same webhook-id")


def number_heard(run: Run, world: World, number: str) -> None:
    """Each message that left a number has its one event at the receiver."""
    listed = world.api.listed(phone_number_id=number)
    sent = {one for one, seen in listed.items() if seen.status in REACHED}
    webhooks_complete(run, world, event="whatsapp.message.sent", expected=sent)


def load(
    run: Run, world: World, *, count: int, numbers: Sequence[str], pool: ThreadPoolExecutor, sync: int = 0,
    people: Sequence[str] = (),
) -> list[Callable[[], None]]:  # fmt: skip
    """Hand a bulk of messages to the pool: most as one batch, some alone, some synchronous.

    Each goes to somebody new, or else to one of these people.
    """
    whom = [run.random.choice(people) if people else run.person() for _ in range(count)]
    bodies = [text_body(run.random.choice(numbers), to) for to in whom]
    singles, bulk = bodies[:4], bodies[4:]
    futures = [pool.submit(world.api.batch, bulk)] if bulk else []
    for index, body in enumerate(singles):
        is_async = index >= sync
        futures.append(pool.submit(send, world, body["phone_number_id"], body["to"], is_async))
    return [future.result for future in futures]  # type: ignore[misc]


def send(world: World, number: str, to: str, is_async: bool) -> list[str]:
    world.api.send(number, to, is_async=is_async, timeout=20)
    return []
