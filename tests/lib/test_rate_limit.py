"""The bucket counts exactly, in Redis and without it."""

import logging
import os
import socket
import threading
import time
import uuid
from typing import Any

import pytest
import redis
from pytest_django.fixtures import Settings

from gosend.lib import rate_limit
from tests.lib.raw_server import RawServer

REDIS_URL = os.environ.get("REDIS_URL", "")
needs_redis = pytest.mark.skipif(not REDIS_URL, reason="REDIS_URL names no Redis to test against")


@pytest.fixture(params=["in this process", pytest.param("in Redis", marks=needs_redis)])
def store(request: pytest.FixtureRequest, settings: Settings, caplog: pytest.LogCaptureFixture) -> Any:
    settings.REDIS_URL = REDIS_URL if request.param == "in Redis" else ""
    yield request.param
    # Else the fall-back would have been tested under the name of Redis.
    assert [record for record in caplog.records if record.name == "gosend.lib.rate_limit"] == []


@pytest.fixture
def key() -> str:
    return f"test:{uuid.uuid4()}"


@pytest.mark.usefixtures("store")
def test_a_burst_passes_and_the_next_one_waits_for_its_turn(key: str) -> None:
    verdicts = [rate_limit.take(key=key, per_second=1, burst=5) for _ in range(6)]

    assert [verdict.allowed for verdict in verdicts] == [True] * 5 + [False]
    assert [verdict.remaining for verdict in verdicts] == [4, 3, 2, 1, 0, 0]
    assert {verdict.limit for verdict in verdicts} == {5}
    assert [verdict.retry_after for verdict in verdicts[:5]] == [0] * 5
    assert 0.5 < verdicts[5].retry_after <= 1
    assert verdicts[5].reset_at - time.time() == pytest.approx(5, abs=1.1)


@pytest.mark.usefixtures("store")
def test_retry_after_is_kept(key: str) -> None:
    assert rate_limit.take(key=key, per_second=10, burst=1).allowed
    refused = rate_limit.take(key=key, per_second=10, burst=1)
    time.sleep(refused.retry_after + 0.002)

    assert not refused.allowed
    assert rate_limit.take(key=key, per_second=10, burst=1).allowed


@pytest.mark.usefixtures("store")
def test_a_refusal_takes_nothing(key: str) -> None:
    assert rate_limit.take(key=key, per_second=0.1, burst=5, cost=3).remaining == 2

    assert not rate_limit.take(key=key, per_second=0.1, burst=5, cost=3).allowed
    assert rate_limit.take(key=key, per_second=0.1, burst=5, cost=2).allowed


@pytest.mark.usefixtures("store")
def test_keys_do_not_know_each_other(key: str) -> None:
    assert rate_limit.take(key=key, per_second=1, burst=1).allowed
    assert rate_limit.take(key=key + "x", per_second=1, burst=1).allowed


@pytest.mark.usefixtures("store")
@pytest.mark.parametrize("per_second", [0.003, 0.007, 1 / 60])
def test_a_burst_is_counted_exactly_whatever_the_rate(key: str, per_second: float) -> None:
    verdicts = [rate_limit.take(key=key, per_second=per_second, burst=100) for _ in range(101)]

    assert [verdict.remaining for verdict in verdicts] == [*range(99, -1, -1), 0]
    assert [verdict.allowed for verdict in verdicts] == [True] * 100 + [False]


@pytest.mark.usefixtures("store")
def test_many_at_once_never_get_more_than_burst_and_rate(key: str) -> None:
    allowed = []
    started = time.monotonic()

    def hammer() -> None:
        while time.monotonic() < started + 0.5:
            if rate_limit.take(key=key, per_second=100, burst=10).allowed:
                allowed.append(1)
            time.sleep(0.0005)

    threads = [threading.Thread(target=hammer) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    elapsed = time.monotonic() - started

    assert 10 + 0.8 * 50 < len(allowed) <= 10 + 100 * elapsed + 1


@needs_redis
def test_a_key_in_redis_goes_when_its_bucket_is_full(key: str, settings: Settings) -> None:
    settings.REDIS_URL = REDIS_URL

    rate_limit.take(key=key, per_second=10, burst=5, cost=2)

    with redis.Redis.from_url(REDIS_URL) as client:
        assert 0 < client.pttl(f"gosend:limit:{key}") <= 202


@needs_redis
@pytest.mark.parametrize("held", ["soon", "nan", "-inf", ["a list"]])
def test_what_is_no_number_counts_as_absent(key: str, settings: Settings, held: str | list[str]) -> None:
    settings.REDIS_URL = REDIS_URL
    with redis.Redis.from_url(REDIS_URL) as client:
        if isinstance(held, str):
            client.set(f"gosend:limit:{key}", held)
        else:
            client.rpush(f"gosend:limit:{key}", *held)

    found = rate_limit.take_in_redis(key=key, interval=1_000_000, burst=5, least=1, most=1)

    assert found == (1, 0, 1_000_000)
    assert rate_limit.take_each_in_redis(keys=[key], interval=1_000_000, burst=5) == [0]


@pytest.mark.parametrize(
    ("per_second", "burst", "cost"), [(1, 5, 6), (1, 5, 0), (1, 5, -1), (0, 5, 1), (1, 0, 1)]
)
def test_what_could_never_be_allowed_is_a_mistake(key: str, per_second: float, burst: int, cost: int) -> None:
    with pytest.raises(ValueError, match="cost"):
        rate_limit.take(key=key, per_second=per_second, burst=burst, cost=cost)


def test_memory_stays_bounded_under_many_keys(settings: Settings) -> None:
    settings.REDIS_URL = ""

    for number in range(25_000):
        rate_limit.take(key=f"many:{number}", per_second=0.001, burst=1)

    assert len(rate_limit._local._full_at) <= 10_000


# --- Redis in trouble -----------------------------------------------------------------------------
def _redis_that_says(reply: bytes) -> RawServer:
    def talk(connection: socket.socket, server: RawServer) -> None:
        while data := connection.recv(65536):
            server.requests.append(data)
            if reply:
                connection.sendall(reply)

    return RawServer(talk)


def _counted(key: str) -> list[bool]:
    return [rate_limit.take(key=key, per_second=0.1, burst=2).allowed for _ in range(3)]


@pytest.mark.parametrize(
    "reply",
    [
        b"-READONLY You can't write against a read only replica.\r\n",
        b"-OOM command not allowed when used memory > 'maxmemory'.\r\n",
        b"-NOAUTH Authentication required.\r\n",
        b"-LOADING Redis is loading the dataset in memory\r\n",
        b"-ERR unknown command\r\n",
        b"$-1\r\n",
        b"*1\r\n:1\r\n",
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"",
    ],
)
def test_a_redis_that_refuses_or_hangs_is_replaced_by_this_process(
    key: str, settings: Settings, reply: bytes
) -> None:
    with _redis_that_says(reply) as server:
        settings.REDIS_URL = f"redis://127.0.0.1:{server.port}/0"
        started = time.monotonic()
        allowed = _counted(key)
        took = time.monotonic() - started

    assert allowed == [True, True, False]
    assert took < 0.4
    assert server.connections == 1  # left alone for a while


@pytest.mark.parametrize("url", ["redis://127.0.0.1:{port}/0", "redis://nowhere.invalid:1/0", "http://odd"])
def test_a_redis_that_is_not_there_is_replaced_by_this_process(
    key: str, settings: Settings, caplog: pytest.LogCaptureFixture, url: str
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    settings.REDIS_URL = url.format(port=port)

    assert _counted(key) == [True, True, False]
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert "odd" not in caplog.text


def test_redis_is_asked_again_after_a_pause_and_the_trouble_is_said_once(
    key: str, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    def talk(connection: socket.socket, server: RawServer) -> None:
        while data := connection.recv(65536):
            server.requests.append(data)
            broken = len(server.requests) <= 2
            connection.sendall(b"-READONLY no\r\n" if broken else b"*3\r\n:1\r\n:0\r\n:30000000\r\n")

    with RawServer(talk) as server:
        settings.REDIS_URL = f"redis://127.0.0.1:{server.port}/0"
        rate_limit.take(key=key, per_second=0.1, burst=7)
        time.sleep(1.05)
        rate_limit.take(key=key, per_second=0.1, burst=7)
        time.sleep(1.05)
        verdict = rate_limit.take(key=key, per_second=0.1, burst=7)

    assert len(server.requests) == 3
    assert verdict.remaining == 4  # as this Redis says
    assert len(caplog.records) == 1
