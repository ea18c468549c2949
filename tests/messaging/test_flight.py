"""Calls to Meta in the air: so many at once, and the next in the threads of those that are over."""

import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace

import orjson
import pytest

from gosend.whatsapp.client import Accepted, GraphClient, HttpTransport
from gosend.whatsapp.errors import GraphError, Outcome
from messaging import claims, flight
from messaging.flight import Flight
from messaging.intents import Intent
from messaging.outcomes import Landed
from tests.lib.raw_server import RawServer

_BODY = b'{"messages": [{"id": "wamid.HBgN"}]}'
_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(_BODY), _BODY)


@pytest.fixture
def gate() -> threading.Event:
    """Meta answers nobody before this is set."""
    return threading.Event()


@pytest.fixture
def meta(gate: threading.Event) -> Iterator[RawServer]:
    def talk(connection: socket.socket, server: RawServer) -> None:
        while server.read_request(connection):
            gate.wait(10)
            connection.sendall(_ANSWER)

    with RawServer(talk) as server:
        yield server
        gate.set()


@pytest.fixture
def air(meta: RawServer, monkeypatch: pytest.MonkeyPatch) -> Flight:
    monkeypatch.setattr(flight, "CALLS_AT_ONCE", 4)
    monkeypatch.setattr(flight, "_AHEAD", 3)
    transport = HttpTransport(meta.url("").rstrip("/"), "v25.0", timeout_seconds=10)
    return Flight(GraphClient(transport, "EAAsample"))


def _intents(count: int) -> list[Intent]:
    before = time.monotonic() + 10
    return [
        Intent(claims.Claim(pk, uuid.uuid4(), 1), "998000000000001", {"n": pk}, 1, "", before)
        for pk in range(count)
    ]


def _until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def _all(air: Flight) -> list[Landed]:
    landed: list[Landed] = []
    deadline = time.monotonic() + 5
    while air.in_air:
        assert time.monotonic() < deadline
        landed += air.landed(most=1, seconds=0.1)
    return landed


def _asked(meta: RawServer) -> list[int]:
    return [orjson.loads(request.partition(b"\r\n\r\n")[2])["n"] for request in meta.requests]


def test_so_many_calls_are_made_at_once_and_the_next_follow_in_their_threads(
    air: Flight, meta: RawServer, gate: threading.Event
) -> None:
    assert air.room == 7
    air.start(_intents(7))
    _until(lambda: len(meta.requests) == 4)
    time.sleep(0.2)

    assert (air.room, sorted(_asked(meta))) == (0, [0, 1, 2, 3])

    gate.set()
    landed = _all(air)
    assert sorted(one.intent.claim.message_id for one in landed) == list(range(7))
    assert all(isinstance(one.answer, Accepted) for one in landed)
    assert sorted(_asked(meta)) == list(range(7))
    assert meta.connections <= 4  # each in a thread whose call was over, and on its connection
    assert air.room == 7


def test_after_the_air_was_empty_it_fills_again(air: Flight, meta: RawServer, gate: threading.Event) -> None:
    gate.set()
    for _ in range(20):
        air.start(_intents(7))
        assert len(_all(air)) == 7
    gate.clear()
    meta.requests.clear()

    air.start(_intents(7))

    _until(lambda: len(meta.requests) == 4)
    gate.set()
    assert len(_all(air)) == 7


def test_what_waited_too_long_behind_a_meta_that_hangs_is_not_called(
    air: Flight, meta: RawServer, gate: threading.Event
) -> None:
    intents = _intents(7)
    air.start(intents[:4])
    air.start([replace(intent, begin_before=time.monotonic()) for intent in intents[4:]])
    _until(lambda: len(meta.requests) == 4)
    gate.set()

    landed = {one.intent.claim.message_id: one for one in _all(air)}

    assert sorted(_asked(meta)) == [0, 1, 2, 3]
    late = [landed[pk].answer for pk in (4, 5, 6)]
    assert [one.outcome for one in late if isinstance(one, GraphError)] == [Outcome.NOT_SENT] * 3
    assert [landed[pk].is_begun for pk in range(7)] == [True] * 4 + [False] * 3


def test_what_waits_is_recalled_and_not_called(air: Flight, meta: RawServer, gate: threading.Event) -> None:
    air.start(_intents(7))

    recalled = air.recall()

    assert [intent.claim.message_id for intent in recalled] == [4, 5, 6]
    assert (air.in_air, air.room, air.recall()) == (4, 3, [])
    gate.set()
    assert len(_all(air)) == 4
    assert sorted(_asked(meta)) == [0, 1, 2, 3]
