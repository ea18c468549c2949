"""F17 to F19: the same idempotency key at once, for something else, and a day later."""

import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import requests

from tests.faults import observe
from tests.faults.api import Api, text_body
from tests.faults.scenario import Run, scenario
from tests.faults.world import World

_PARALLEL = 64
_PATH = "/v1/messages?async=true"


def _post(api: Api, key: str, body: Any, path: str = _PATH) -> tuple[int, Any]:
    """One request as it is answered; what was accepted is kept. A full house (429) is asked again."""
    while True:
        told = api.call("POST", path, body=body, headers={"Idempotency-Key": key}, timeout=30)
        if told.status_code != 429:
            break
        time.sleep(0.2)
    if told.status_code in (201, 202):
        api.keep([told.json()["id"]])
    return told.status_code, told.json()


@scenario("F17", "64 requests with one key at the same moment, at two web hosts", quick=True)
def at_once(run: Run) -> None:
    rounds = run.pick(quick=5, full=60)
    with run.world(workers=2, webs=2) as world, ThreadPoolExecutor(_PARALLEL) as pool:
        numbers = world.acme.numbers
        seen: Counter[int] = Counter()
        several, silent = 0, 0
        wrong: list[tuple[int, str | None]] = []
        for index in range(rounds):
            body = text_body(numbers[index % len(numbers)], run.person())
            sends = [pool.submit(_post, world.api, f"at-once-{index}", body) for _ in range(_PARALLEL)]
            answers = [send.result() for send in sends]
            seen.update(status for status, _ in answers)
            # All that were accepted heard the same, be it 202 or, when it was out by then, 201.
            heard = {(status, str(told)) for status, told in answers if status in (201, 202)}
            several += len(heard) > 1
            silent += not heard
            wrong += [
                (status, told.get("code"))
                for status, told in answers
                if status not in (201, 202) and (status, told.get("code")) != (409, "IDEMPOTENCY_IN_PROGRESS")
            ]
        world.drain(seconds=120 * run.slack)
        rows = world.count("SELECT count(*) FROM messaging_message")
        run.check(
            several == silent == 0 and rows == rounds,
            f"{rounds} rounds of {_PARALLEL}: {rows} messages, rounds with several answers"
            f" {several}, with none {silent}",
        )
        run.check(
            not wrong,
            f"answered {observe.tally(seen)}: only the same 2xx or 409 in progress,"
            f" others: {observe.few(wrong)}",
        )
        world.hear_all(seconds=120 * run.slack)
        run.settle(world)


@scenario("F18", "a key used again: other body, other endpoint, other tenant, other key of the tenant")
def reused(run: Run) -> None:
    with run.world(workers=1) as world:
        number, to = world.acme.numbers[0], run.person()
        # The suite's Meta signs for the live numbers' app; at the test number that counts for nothing.
        world.post_office.drops = lambda letter: world.acme.sandbox_number.encode() in letter
        body = text_body(number, to)
        first = _post(world.api, "order-7", body)
        run.check(first[0] == 202, f"first: {first[0]}")
        other_body = _post(world.api, "order-7", text_body(number, to, "Chau"))
        _conflict(run, "other body", other_body)
        _conflict(
            run, "other endpoint", _post(world.api, "order-7", {"messages": [body]}, "/v1/messages/batch")
        )
        stranger = world.api_of(world.globex.key)
        theirs = _post(stranger, "order-7", text_body(world.globex.numbers[0], to))
        run.check(
            theirs[0] == 202 and theirs[1]["id"] != first[1]["id"],
            f"other tenant: {theirs[0]}, a message of its own",
        )
        rotated = _post(world.api_of(world.acme.other_key), "order-7", body)
        run.check(
            rotated == first, f"other API key of the same tenant: {rotated[0]}, the first answer once more"
        )
        tested = _post(world.api_of(world.acme.test_key), "order-7", text_body(world.acme.sandbox_number, to))
        run.check(
            tested[0] == 202 and tested[1]["id"] != first[1]["id"],
            f"test key of the same tenant: {tested[0]}, a message of its own",
        )
        world.drain(seconds=60 * run.slack)
        world.hear_all(seconds=60 * run.slack)
        world.api.accepted[:] = sorted(set(world.api.accepted))
        listed = {**world.api.listed(), **stranger.listed(), **world.api_of(world.acme.test_key).listed()}
        rows = world.count("SELECT count(*) FROM messaging_message")
        run.check(rows == len(listed) == 3, f"{rows} messages, each seen by its own tenant and environment")
        mine = {*world.api.accepted, theirs[1]["id"], tested[1]["id"]}
        run.check(set(world.at_meta()) == mine, f"at Meta: {len(world.at_meta())}, each once")
        run.result.counts.accepted += len(mine)
        run.result.counts.duplicated += sum(len(wamids) - 1 for wamids in world.at_meta().values())
        run.result.counts.unexpected += len(set(world.at_meta()) - mine)
        run.result.counts.lost += len(mine - set(world.at_meta()))


def _conflict(run: Run, what: str, answer: tuple[int, Any]) -> None:
    status, told = answer
    run.check(
        (status, told.get("code")) == (409, "IDEMPOTENCY_KEY_CONFLICT"),
        f"{what}: {status} {told.get('code')}",
    )


@scenario("F19", "a key a moment before and a moment after its 24 hours, over a restart")
def a_day_later(run: Run) -> None:
    with run.world(workers=1) as world:
        number, to = world.acme.numbers[0], run.person()
        body = text_body(number, to)
        first = _raw(world, "daily", body)
        _age(world, "24 hours - 60 seconds")
        world.restart_web(world.webs[0])
        again = _raw(world, "daily", body)
        run.check(
            (again.status_code, again.content) == (first.status_code, first.content)
            and again.headers.get("Idempotent-Replayed") == "true",
            "a minute before 24 hours, after a restart: the same status and bytes, Idempotent-Replayed",
        )
        _age(world, "24 hours + 1 second")
        fresh = _raw(world, "daily", body)
        run.check(
            fresh.status_code == 202 and fresh.json()["id"] != first.json()["id"],
            "after 24 hours: a new message",
        )
        world.drain(seconds=60 * run.slack)
        world.hear_all(seconds=60 * run.slack)
        run.settle(world)
        run.note("the clock is not moved: the key's row is aged in the database")


def _raw(world: World, key: str, body: Any) -> requests.Response:
    told = world.api.call("POST", _PATH, body=body, headers={"Idempotency-Key": key})
    if told.status_code == 202:
        world.api.keep([told.json()["id"]])
    return told


def _age(world: World, by: str) -> None:
    operator = "-" if "-" in by else "+"
    day, _, rest = by.partition(f" {operator} ")
    world.sql(
        f"UPDATE messaging_idempotentanswer SET created_at = now() - (%s::interval {operator} %s::interval)",  # noqa: S608 -- our own sign
        [day, rest],
    )
