"""The doors: accept, batch accept, Meta's callbacks, each against the bare view or one COPY."""

import json
import pickle
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import median
from typing import Any

import requests
from django.db import connection, transaction

from gosend.lib import signing
from tests.benchmarks import measure, seed, world
from tests.benchmarks.load import request
from tests.benchmarks.measure import Result
from tests.benchmarks.seed import Stand

CONNECTIONS = 32
SECONDS = 3.0
ROUNDS = 5
# More requests than any door here answers in a round.
_PREPARED = 20_000
_NUMBERS = 20
# Whom the headline writes to: each is known to its number before the first round.
_KNOWN = 1_000
_BATCH = 1_000
_BATCH_ROUNDS = 7
# What a batch writes to, and by which column its rows are told.
# The table of `yardstick.py`, which is a server's module: importing it here would change our own settings.
_BARE = """
CREATE TABLE IF NOT EXISTS bench_bare
    (id bigserial PRIMARY KEY, body text NOT NULL, created_at timestamptz NOT NULL DEFAULT now())
"""
_KEYS = {
    "messaging_message": "id",
    "messaging_messagecontent": "message_id",
    "messaging_dispatch": "message_id",
}


@dataclass(frozen=True, slots=True)
class Doors:
    """The product's web server and the bare one, both up, and who knocks."""

    port: int
    bare_port: int
    stand: Stand

    def bare(self, _round: int) -> float:
        body = json.dumps({"to": "4917012345678", "type": "text", "text": {"body": "x" * 100}}).encode()
        shot = request("POST", "/bare", headers={"Content-Type": "application/json"}, body=body)
        return fire(self.bare_port, [shot] * _PREPARED)["rate"]


def accept(doors: Doors) -> Result:
    """`POST /v1/messages?async=true` with key, validation, idempotency, limits and commit."""
    stand = doors.stand
    # All of them are written to once, however slow that is; then the processes are warm as well.
    fire(doors.port, sends(stand, -1)[:_KNOWN], seconds=60)
    fire(doors.port, sends(stand, -2))
    ratio, pairs = measure.alternate(
        lambda number: fire(doors.port, sends(stand, number))["rate"], doors.bare, rounds=ROUNDS
    )
    notes = [
        "to people whom the number has written to before;"
        f" {measure.told(pairs, unit='requests/s', names=('accept', 'bare insert view'))}"
    ]
    calm = fire(doors.port, sends(stand, 99), connections=4)
    notes.append(f"latency at 4 connections: p50 {calm['p50_ms']:.1f} ms, p99 {calm['p99_ms']:.1f} ms")
    strangers, to_strangers = measure.alternate(
        lambda number: fire(doors.port, sends(stand, 100 + number, first=(number + 1) * _PREPARED))["rate"],
        doors.bare,
        rounds=3,
    )
    told = measure.told(to_strangers, unit="requests/s", names=("accept", "bare insert view"))
    notes.append(f"each to somebody new: {strangers:.2f}; {told}")
    rate = median(rate for rate, _ in pairs)
    return Result("accept", "requests/s by the bare insert view's", ratio, 0.60, notes=notes, figure=rate)


def callbacks_in(doors: Doors) -> Result:
    """Meta's status webhooks, signed, stored and answered."""
    fire(doors.port, list(_callbacks(doors.stand, -1))[:4000])
    ratio, pairs = measure.alternate(
        lambda number: fire(doors.port, list(_callbacks(doors.stand, number)))["rate"],
        doors.bare,
        rounds=ROUNDS,
    )
    told = measure.told(pairs, unit="requests/s", names=("callbacks", "bare insert view"))
    return Result("callbacks-in", "callbacks/s by the bare insert view's", ratio, 0.90, notes=[told])


def batch_accept(doors: Doors) -> Result:
    """A thousand messages with one call, against the same rows by COPY in one transaction."""
    with requests.Session() as session:
        session.headers["X-API-Key"] = doors.stand.key

        def measured(first: int) -> tuple[float, list[tuple[float, float]]]:
            return measure.alternate(
                lambda number: _BATCH / _post_batch(doors, session, first + number),
                lambda _number: _BATCH / _copy_latest(doors.stand),
                rounds=_BATCH_ROUNDS,
            )

        _post_batch(doors, session, -1)
        # Each number writes to the same people twice: the second time it knows them.
        strangers, to_strangers = measured(0)
        ratio, pairs = measured(_BATCH_ROUNDS)
    names = ("batch", "COPY")
    notes = [
        f"to people whom the number has written to before; {measure.told(pairs, unit='rows/s', names=names)}",
        f"each to somebody new: {strangers:.2f}; {measure.told(to_strangers, unit='rows/s', names=names)}",
    ]
    return Result("batch-accept", "rows/s by those of one COPY", ratio, 0.25, notes=notes)


def sends(stand: Stand, number: int, *, first: int | None = None) -> list[bytes]:
    """Requests with a text and a key each: to the known in turn, or to people of their own from `first`."""
    whom = range(_PREPARED) if first is None else range(first, first + _PREPARED)
    return [
        _send(stand, number, index, person % _KNOWN if first is None else person)
        for index, person in enumerate(whom)
    ]


def _send(stand: Stand, number: int, index: int, person: int) -> bytes:
    whom = f"4917{2_000_000 + person}0"  # none of the sandbox's magic numbers
    body = {
        "phone_number_id": stand.numbers[index % len(stand.numbers)].phone_number_id,
        "to": whom,
        "type": "text",
        "text": {"body": "Your order 4711 is on its way. Reply STOP to hear no more of us."},
    }
    headers = {
        "X-API-Key": stand.key,
        "Content-Type": "application/json",
        "Idempotency-Key": f"bench-{stand.tenant.pk}-{number}-{index}",
    }
    return request("POST", "/v1/messages?async=true", headers=headers, body=json.dumps(body).encode())


def status_body(stand: Stand, *, wamid: str, status: str, at: int) -> bytes:
    """One status as Meta posts it."""
    number = stand.numbers[0]
    value = {
        "messaging_product": "whatsapp",
        "metadata": {
            "display_phone_number": number.display_phone_number_normalized,
            "phone_number_id": number.phone_number_id,
        },
        "statuses": [
            {
                "id": wamid,
                "status": status,
                "timestamp": str(at),
                "recipient_id": "4917012345678",
                "pricing": {
                    "billable": True,
                    "pricing_model": "PMP",
                    "category": "utility",
                    "type": "regular",
                },
            }
        ],
    }
    change = {"field": "messages", "value": value}
    entry = {"id": number.business_account.waba_id, "changes": [change]}
    return json.dumps({"object": "whatsapp_business_account", "entry": [entry]}).encode()


def _callbacks(stand: Stand, number: int) -> Iterator[bytes]:
    at = int(time.time())
    for index in range(_PREPARED):
        wamid = f"wamid.bench-{stand.tenant.pk}-{number}-{index}"
        body = status_body(stand, wamid=wamid, status="delivered", at=at)
        headers = {
            "Content-Type": "application/json",
            "X-Hub-Signature-256": signing.hub_signature(seed.APP_SECRET, body),
        }
        yield request("POST", "/meta/webhook", headers=headers, body=body)


def _post_batch(doors: Doors, session: requests.Session, number: int) -> float:
    stand = doors.stand
    sender = stand.numbers[number % _BATCH_ROUNDS].phone_number_id
    messages = [
        {
            "phone_number_id": sender,
            "to": f"4917{3_000_000 + index}0",
            "type": "text",
            "text": {"body": f"Your order {index} is on its way."},
        }
        for index in range(_BATCH)
    ]
    headers = {"Idempotency-Key": f"bench-batch-{stand.tenant.pk}-{number}"}
    began = time.perf_counter()
    answer = session.post(
        f"http://127.0.0.1:{doors.port}/v1/messages/batch", json={"messages": messages}, headers=headers
    )
    took = time.perf_counter() - began
    if answer.json().get("accepted") != _BATCH:
        raise world.CannotBench(f"the batch was not accepted: {answer.status_code} {answer.text[:500]}")
    return took


def _copy_latest(stand: Stand) -> float:
    """The latest thousand messages' rows once more, under other ids, by COPY in one transaction."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT array_agg(id) FROM (SELECT id FROM messaging_message WHERE tenant_id = %s"
            " ORDER BY id DESC LIMIT %s) latest",
            [stand.tenant.pk, _BATCH],
        )
        latest = cursor.fetchone()[0]
        copies = {table: _copy_out(cursor, table, latest) for table in _KEYS}
    began = time.perf_counter()
    with transaction.atomic(), connection.cursor() as cursor:
        for table, rows in copies.items():
            with cursor.copy(f"COPY {table} FROM STDIN") as copy:
                copy.write(rows)
    return time.perf_counter() - began


def _copy_out(cursor: Any, table: str, ids: list[int]) -> bytes:
    key = _KEYS[table]
    cursor.execute(
        "SELECT string_agg(CASE column_name WHEN %s THEN format('%%I - (1::bigint << 55)', column_name)"
        " ELSE quote_ident(column_name) END, ', ' ORDER BY ordinal_position)"
        " FROM information_schema.columns WHERE table_name = %s AND table_schema = current_schema()",
        [key, table],
    )
    (columns,) = cursor.fetchone()
    chosen = ", ".join(map(str, ids))
    source = f"COPY (SELECT {columns} FROM {table} WHERE {key} IN ({chosen}) ORDER BY {key}) TO STDOUT"  # noqa: S608
    with cursor.copy(source) as copy:
        return b"".join(bytes(part) for part in copy)


def fire(
    port: int, shots: list[bytes], *, seconds: float = SECONDS, connections: int = CONNECTIONS
) -> dict[str, float]:
    """Let the load generator, a process of its own, send these requests; none may be refused."""
    with tempfile.NamedTemporaryFile(suffix=".load") as file:
        shot = {"port": port, "requests": shots, "connections": connections, "seconds": seconds}
        pickle.dump(shot, file)
        file.flush()
        done = subprocess.run(  # noqa: S603 -- our own command
            [sys.executable, "-m", "tests.benchmarks.load", file.name],
            cwd=world.ROOT,
            capture_output=True,
            text=True,
            timeout=120,
        )
    if done.returncode:
        raise world.CannotBench(f"the load generator failed:\n{done.stderr[-2000:]}")
    tally: dict[str, float] = json.loads(done.stdout)
    if tally["refused"]:
        raise world.CannotBench(f"{tally['refused']} of {tally['count']} requests were refused")
    return tally


@contextmanager
def opened() -> Iterator[Doors]:
    """Both servers up, with a tenant of twenty numbers."""
    with connection.cursor() as cursor:
        cursor.execute(_BARE)
    stand = seed.stand("Bench doors", count=_NUMBERS)
    port, bare_port = world.free_port(), world.free_port()
    with (
        world.web(port=port),
        world.web(port=bare_port, application="tests.benchmarks.yardstick:application"),
    ):
        world.wait_for(f"http://127.0.0.1:{port}/readyz")
        yield Doors(port, bare_port, stand)
