"""F22 to F25: receivers of webhooks that hang, misbehave, hear twice, or get a new secret."""

import base64
import gzip
import hashlib
import hmac
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import psutil  # type: ignore[import-untyped]

from tests.faults import observe
from tests.faults.api import text_body
from tests.faults.ledger import REACHED
from tests.faults.scenario import Run, scenario
from tests.faults.servers import wait_until
from tests.faults.servers_of_others import Behaviour, Received, _Hook, answer, hang
from tests.faults.world import World

_SENT = "whatsapp.message.sent"
# They said 200; we stop reading what follows, and their 200 counts.
_CUT = ("endless-body", "ten-gigabytes", "gzip-bomb")


@scenario("F22", "half of the endpoints hang to the timeout")
def half_hang(run: Run) -> None:
    seconds = run.pick(quick=6, full=25)
    with run.world(workers=2) as world:
        numbers = world.acme.numbers
        for index, number in enumerate(numbers):
            path = f"/{'hangs' if index % 2 else 'well'}-{index}"
            world.receiver.behave(path, hang if index % 2 else answer(200))
            world.subscribe(number, _SENT, path=path)
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            world.api.batch([text_body(number, run.person()) for number in numbers])
            time.sleep(0.5)
        world.drain(seconds=60 * run.slack)
        well = [f"/well-{index}" for index in range(0, len(numbers), 2)]
        owed = world.count(
            "SELECT count(*) FROM webhooks_app_delivery d JOIN webhooks_app_webhookendpoint e"
            " ON e.id = d.endpoint_id WHERE e.url LIKE '%%/well-%%'"
        )
        wait_until(
            lambda: sum(len(world.receiver.received(path)) for path in well) >= owed,
            seconds=60 * run.slack, what="the healthy ones are told",
        )  # fmt: skip
        born = dict(
            world.sql("SELECT d.delivery_id::text, extract(epoch FROM e.created_at)::float FROM"
                      " webhooks_app_delivery d JOIN webhooks_app_event e ON e.id = d.event_id")
        )  # fmt: skip
        waits = [one.at - born[one.delivery_id] for path in well for one in world.receiver.received(path)]
        slow = observe.percentile(waits, 0.95)
        run.check(
            slow <= 2.0 * run.slack,
            f"healthy endpoints: p95 of {len(waits)} from event to receiver {slow:.2f} s (at most 2)",
        )
        tried = world.count(
            "SELECT count(*) FROM webhooks_app_attempt a JOIN webhooks_app_delivery d ON d.id = a.delivery_id"
            " JOIN webhooks_app_webhookendpoint e ON e.id = d.endpoint_id WHERE e.url LIKE '%%/hangs-%%'"
        )
        run.check(tried > 0, f"the hanging ones were tried {tried} times meanwhile")
        run.settle(world)


# --- F23 ------------------------------------------------------------------------------------------
def _raw(*parts: bytes, every: float = 0.0, endless: bool = False) -> Behaviour:
    """Write pieces as they are, one after the other, for up to half a minute; then hang up."""

    def behave(hook: _Hook) -> bool:
        hook.close_connection = True
        hook.wfile.write(parts[0])
        until = time.monotonic() + 30
        while time.monotonic() < until and not hook.server.closing.is_set():
            for part in parts[1:]:
                hook.wfile.write(part)
                hook.wfile.flush()
                time.sleep(every)
            if not endless:
                break
        return False

    return behave


def _head(status: int, *lines: str) -> bytes:
    return ("\r\n".join((f"HTTP/1.1 {status} X", *lines)) + "\r\n\r\n").encode()


def _misbehaviours(world: World) -> dict[str, Behaviour]:
    soon = format_datetime(datetime.now(UTC) + timedelta(seconds=90), usegmt=True)
    bomb = gzip.compress(b"\0" * 20_000_000)
    waits = {"seconds": "90", "date": soon, "negative": "-5", "huge": "1000000000", "garbage": "soon"}
    return {
        "500": answer(500),
        "301": answer(301, {"Location": world.receiver.url("/elsewhere")}),
        "410": answer(410),
        **{f"429-{name}": answer(429, {"Retry-After": value}) for name, value in waits.items()},
        "closes-mid-body": _raw(_head(200, "Content-Length: 1000"), b"half"),
        "endless-body": _raw(_head(200, "Connection: close"), b"x" * 65_536, endless=True),
        "one-byte-a-second": _raw(_head(200, "Content-Length: 1000"), b"x", every=1.0, endless=True),
        "ten-gigabytes": _raw(_head(200, "Content-Length: 10000000000"), b"x" * 65_536, endless=True),
        "gzip-bomb": answer(200, {"Content-Encoding": "gzip"}, bomb),
        "header-of-100-kB": answer(200, {"X-Long": "x" * 100_000}),
    }


@scenario("F23", "receivers that redirect, throttle, hang up, never end, or answer with a bomb", quick=True)
def misbehave(run: Run) -> None:
    with run.world(workers=1) as world:
        number = world.acme.numbers[0]
        kinds = _misbehaviours(world)
        ids = {}
        for name, behaviour in kinds.items():
            world.receiver.behave(f"/{name}", behaviour)
            ids[name] = int(world.subscribe(number, _SENT, path=f"/{name}")["id"])
        world.subscribe(number, _SENT)
        worker = psutil.Process(world.workers[0])
        world.api.send(number, run.person())
        wait_until(
            lambda: len(world.receiver.received()) == 1, seconds=30 * run.slack, what="the first webhook"
        )
        _wait_for_attempts(run, world, len(kinds))
        resident = worker.memory_info().rss
        for _ in range(run.pick(quick=3, full=8)):
            world.api.send(number, run.person())
        owed = len(world.api.accepted)
        wait_until(
            lambda: len(world.receiver.received()) == owed,
            seconds=40 * run.slack,
            what="the sound one is told",
        )
        # Of the 410 one attempt is enough: it is disabled.
        _wait_for_attempts(run, world, (len(kinds) - 1) * owed + 1)
        grown = (worker.memory_info().rss - resident) / 2**20
        run.check(grown < 20, f"the worker's memory grew by {grown:.0f} MB (less than 20)")
        _attempts_as_they_should_be(run, world, ids)
        run.check(not world.receiver.received("/elsewhere", accepted=False), "the redirect was not followed")
        world.drain(seconds=60 * run.slack)
        run.settle(world)


def _wait_for_attempts(run: Run, world: World, count: int) -> None:
    failed = (
        "SELECT count(*) FROM webhooks_app_attempt a JOIN webhooks_app_delivery d ON d.id = a.delivery_id"
    )
    failed += " JOIN webhooks_app_webhookendpoint e ON e.id = d.endpoint_id WHERE e.url NOT LIKE '%%/hook'"
    wait_until(
        lambda: world.count(failed) >= count, seconds=60 * run.slack, what=f"{count} attempts are recorded"
    )


def _attempts_as_they_should_be(run: Run, world: World, ids: dict[str, int]) -> None:
    rows = world.sql(
        """SELECT e.id, a.response_status, a.error, a.duration_ms, d.status, length(a.response_body),
                  extract(epoch FROM d.next_attempt_at - a.started_at)::float
             FROM webhooks_app_attempt a JOIN webhooks_app_delivery d ON d.id = a.delivery_id
             JOIN webhooks_app_webhookendpoint e ON e.id = d.endpoint_id"""
    )
    slowest = max(row[3] for row in rows) / 1000
    timeout = int(world.environment["WEBHOOK_TIMEOUT_SECONDS"])
    run.check(slowest <= (timeout + 2) * run.slack, f"each slot was free again after {slowest:.1f} s at most")
    longest = max(row[5] for row in rows)
    run.check(longest <= 2048, f"of the answers at most {longest} characters were kept (2,048)")
    for name, endpoint in ids.items():
        mine = [row for row in rows if row[0] == endpoint]
        delays = [row[6] for row in mine if row[6] is not None]
        told = Counter(f"{row[1] or row[2]} {row[4]}" for row in mine)
        if name == "410":
            good = bool(mine) and all(row[4] == "failed" for row in mine)
        elif name == "429-seconds":
            good = bool(delays) and all(90 <= delay <= 90 + timeout + 5 for delay in delays)
        elif name == "429-date":
            good = bool(delays) and all(60 <= delay <= 120 + timeout for delay in delays)
        elif name == "429-huge":
            good = bool(delays) and all(110 <= delay <= 120 + timeout + 5 for delay in delays)
        elif name == "header-of-100-kB":
            good = bool(mine)  # a long header is no reason to refuse a 200, nor to accept it
        elif name in _CUT:
            good = bool(mine) and all(row[1] == 200 and row[4] == "delivered" for row in mine)
        else:
            good = bool(delays) and all(60 <= delay <= 66 + timeout + 5 for delay in delays)
        word = f", next after {min(delays):.0f} to {max(delays):.0f} s" if delays else ""
        run.check(good, f"{name}: {observe.tally(told)}{word}")


# --- F24 and F25 ----------------------------------------------------------------------------------
@scenario("F24", "the receiver has it and said 200, the worker dies before it writes that down")
def killed_before_recording(run: Run) -> None:
    kills = run.pick(quick=3, full=10)
    with run.world(workers=1) as world:
        number = world.acme.numbers[0]
        world.subscribe(number, _SENT)
        for index in range(kills):
            world.api.send(number, run.person(), is_async=index % 2 == 0)
        world.drain(seconds=60 * run.slack)
        deaths, in_flight = 0, 0
        world.kill_workers()
        for _ in range(kills):
            world.api.batch([text_body(number, run.person()) for _ in range(4)])
            mortal = world.start_worker(FAULTS_KILL="webhook answer read")
            wait_until(
                lambda mortal=mortal: not world.nursery.lives(mortal),  # type: ignore[misc]
                seconds=60 * run.slack, what="the worker dies",
            )  # fmt: skip
            world.kill_worker(mortal)
            deaths += 1
            in_flight += world.count(
                "SELECT count(*) FROM webhooks_app_delivery WHERE lease_expires_at > now()"
            )
        world.start_worker()
        world.drain(seconds=60 * run.slack)
        world.hear_all(seconds=120 * run.slack)
        observe.webhooks_complete(
            run, world, event=_SENT,
            expected={one for one, seen in world.api.listed().items() if seen.status in REACHED},
        )  # fmt: skip
        heard = Counter(one.delivery_id for one in world.receiver.received())
        again = sum(times - 1 for times in heard.values())
        run.check(
            0 < again <= in_flight,
            f"{deaths} deaths: {again} came again under the same webhook-id, at most {in_flight}",
        )
        doubted = world.in_doubt()
        run.settle(world, ever_unknown=doubted)


@scenario("F25", "the secret is rotated while deliveries are in flight")
def rotated(run: Run) -> None:
    count = run.pick(quick=100, full=1000)
    with run.world(workers=2) as world:
        number = world.acme.numbers[0]
        made = world.subscribe(number, _SENT)
        secrets = [made["secret"]]
        path = f"/v1/webhooks/{made['id']}"
        for start in range(0, count, 100):
            world.api.batch([text_body(number, run.person()) for _ in range(min(100, count - start))])
        wait_until(
            lambda: len(world.receiver.received()) >= count // 4,
            seconds=120 * run.slack,
            what="a quarter is out",
        )
        told = world.api.call("POST", f"{path}/rotate-secret", body={"overlap_hours": 24})
        run.check(told.status_code == 200, f"rotation under way: {told.status_code}")
        secrets.append(told.json()["secret"])
        world.drain(seconds=120 * run.slack)
        world.hear_all(seconds=120 * run.slack)
        received = world.receiver.received()
        for old, name in enumerate(("old", "new")):
            run.note(
                f"verify with the {name} secret: {sum(_verifies(one, secrets[old]) for one in received)}"
            )
        neither = [one for one in received if not any(_verifies(one, secret) for secret in secrets)]
        run.check(
            len(received) == count and not neither,
            f"{len(received)} of {count} came, verify with neither secret: {len(neither)}",
        )
        ended = world.api.call("DELETE", f"{path}/previous-secret")
        run.check(ended.status_code == 204, f"the overlap is ended: {ended.status_code}")
        before = len(received)
        world.api.batch([text_body(number, run.person()) for _ in range(20)])
        world.drain(seconds=60 * run.slack)
        world.hear_all(seconds=60 * run.slack)
        later = world.receiver.received()[before:]
        only_new = sum(_verifies(one, secrets[1]) and not _verifies(one, secrets[0]) for one in later)
        run.check(
            only_new == len(later) == 20, f"after the overlap only the new secret signs: {only_new} of 20"
        )
        run.settle(world)


def _verifies(one: Received, secret: str) -> bool:
    """Standard Webhooks, written down here a second time: the product's own code proves nothing."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = f"{one.delivery_id}.{one.headers['webhook-timestamp']}.".encode() + one.body
    wanted = base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()
    return f"v1,{wanted}" in one.headers["webhook-signature"].split()
