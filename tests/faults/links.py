"""F34: the hosts of media links are slow, dead, wrong, or change what they say."""

import time
from collections.abc import Callable

from tests.faults import observe
from tests.faults.api import text_body
from tests.faults.ledger import REACHED
from tests.faults.scenario import Run, scenario
from tests.faults.servers import free_port, wait_until
from tests.faults.servers_of_others import Behaviour, _Hook, answer, hang
from tests.faults.world import World

# All downloads of one message, as the product has it, and the tries for what might yet come.
_DOWNLOAD_SECONDS, _MAX_TRIES = 15.0, 5
# Longer than any wait between two tries.
_LONG = 400.0
# It begins and ends as a JPEG does.
_PICTURE = (
    b"\xff\xd8\xff\xe0\x00\x10JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00" + b"\x00" * 64 + b"\xff\xd9"
)
_JPEG = {"Content-Type": "image/jpeg"}


def _trickle(hook: _Hook) -> bool:
    hook.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
    until = time.monotonic() + 40
    while time.monotonic() < until and not hook.server.closing.is_set():
        hook.wfile.write(b"x")
        hook.wfile.flush()
        time.sleep(0.5)
    hook.close_connection = True
    return False


def _too_long(hook: _Hook) -> bool:
    hook.wfile.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + _PICTURE)
    for _ in range(8 * 16):
        hook.wfile.write(b"x" * 65_536)
    hook.close_connection = True
    return False


def _changes() -> Behaviour:
    """Hangs up in the middle first, then says 503, then gives the picture."""
    said: list[int] = []

    def behave(hook: _Hook) -> bool:
        said.append(1)
        if len(said) == 1:
            hook.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n" + _PICTURE)
            hook.close_connection = True
            return False
        return answer(503)(hook) if len(said) == 2 else answer(200, _JPEG, _PICTURE)(hook)

    return behave


# What a host does, whether the message gets out in the end, and how often it may be asked.
_HOSTS: dict[str, tuple[Callable[[], Behaviour], str, int]] = {
    "/well.jpg": (lambda: answer(200, _JPEG, _PICTURE), "sent", 1),
    "/changes.jpg": (_changes, "sent", 3),
    "/hangs.jpg": (lambda: hang, "failed", _MAX_TRIES),
    "/trickles.jpg": (lambda: _trickle, "failed", _MAX_TRIES),
    "/says-500.jpg": (lambda: answer(500), "failed", _MAX_TRIES),
    "/gone.jpg": (lambda: answer(404), "failed", 1),
    "/too-large.jpg": (lambda: _too_long, "failed", 1),
    "/no-picture.jpg": (lambda: answer(200, _JPEG, b"<html>no picture</html>"), "failed", 1),
}


@scenario("F34", "hosts of media links that hang, trickle, are dead, gone, wrong, or change")
def links(run: Run) -> None:
    settings = {"CLAIM_LEASE_SECONDS": "30", "META_TIMEOUT_SECONDS": "10"}
    with run.world(workers=2, settings=settings) as world:
        number = world.acme.numbers[0]
        wanted: dict[str, tuple[str, str, int]] = {}
        for path, (make, status, most) in _HOSTS.items():
            world.receiver.behave(path, make())
            wanted[_send_picture(run, world, number, world.receiver.url(path))] = (path, status, most)
        dead = f"http://127.0.0.1:{free_port()}/dead.jpg"
        wanted[_send_picture(run, world, number, dead)] = ("/dead.jpg", "failed", 0)
        slowest = _others_flow(run, world, number)
        run.check(
            slowest <= 2.0 * run.slack, f"texts of the same number meanwhile: p95 {slowest:.2f} s (at most 2)"
        )
        _let_them_try(run, world)
        listed = world.api.listed()
        for one, (path, status, most) in wanted.items():
            asked = len(world.receiver.received(path, accepted=False))
            row = world.api.get(f"/v1/messages/{one}")
            ended = "sent" if listed[one].status in REACHED else listed[one].status
            reason = (row.get("error") or {}).get("message", "") if ended == "failed" else ""
            run.check(
                ended == status and asked <= most and bool(reason) == (status == "failed"),
                f"{path}: {ended}, asked {asked} times (at most {most}){': ' if reason else ''}{reason}",
            )
        world.hear_all(seconds=60 * run.slack)
        account = run.settle(world)
        run.check(account.counts.unknown == 0, f"unknown: {account.counts.unknown}")
        run.note("the waits between tries pass by moving every stored moment back")


def _send_picture(run: Run, world: World, number: str, url: str) -> str:
    body = {"phone_number_id": number, "to": run.person(), "type": "image", "image": {"link": url}}
    taken = world.api.insist("/v1/messages?async=true", body)
    world.api.keep([taken.body["id"]])
    return str(taken.body["id"])


def _others_flow(run: Run, world: World, number: str) -> float:
    """Texts while the first downloads hang; the 95th percentile of their seconds from accepted to sent."""
    texts: list[str] = []
    until = time.monotonic() + _DOWNLOAD_SECONDS - 3
    while time.monotonic() < until:
        texts += world.api.batch([text_body(number, run.person()) for _ in range(5)])
        time.sleep(0.5)
    wait_until(
        lambda: world.count(
            "SELECT count(*) FROM messaging_message WHERE id = ANY(%s::bigint[]) AND sent_at IS NULL", [texts]
        ) == 0,
        seconds=60 * run.slack, what="the texts are sent",
    )  # fmt: skip
    waits = world.sql(
        """SELECT extract(epoch FROM sent_at - created_at)::float FROM messaging_message
            WHERE id = ANY(%s::bigint[])""",
        [texts],
    )
    return observe.percentile([wait for (wait,) in waits], 0.95)


def _let_them_try(run: Run, world: World) -> None:
    """Let time pass between tries, until every message has ended."""
    due = "SELECT count(*) FROM messaging_dispatch WHERE state <> 'queued' OR due_at <= now()"
    for _ in range(_MAX_TRIES + 1):
        wait_until(
            lambda: world.count(due) == 0,
            seconds=(_DOWNLOAD_SECONDS + 30) * run.slack, what="the downloads that are due end", every=0.2,
        )  # fmt: skip
        if world.unsettled() == 0:
            return
        world.advance(_LONG)
    world.drain(seconds=10)
