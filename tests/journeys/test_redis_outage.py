"""Redis is killed and comes back while a client sends: nobody notices but the operator."""

# ruff: noqa: S603 -- the programs are our own server and the redis-server of this machine
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

import pytest
import redis
import requests
from django.db import connection

from accounts import keys, tenants
from messaging.models import Message

pytestmark = [
    pytest.mark.journey,
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(shutil.which("redis-server") is None, reason="this machine has no redis-server"),
]
ROOT = Path(__file__).parent.parent.parent
PER_SECOND = 10  # of a test key
CONNECTIONS = 3


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


@contextmanager
def _redis(port: int) -> Iterator[subprocess.Popen[bytes]]:
    command = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--daemonize", "no"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        with redis.Redis(port=port, socket_timeout=1) as client:
            _wait_for(lambda: _answers(client))
        yield process
    finally:
        process.kill()
        process.wait()


def _answers(client: redis.Redis) -> bool:
    try:
        return bool(client.ping())
    except redis.ConnectionError:
        return False


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _wait_for(condition: Callable[[], bool], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@contextmanager
def _web(redis_port: int, output: Path) -> Iterator[str]:
    """One server process with threads, as production runs several."""
    port, found = _free_port(), connection.settings_dict
    host = found["HOST"]
    where = (
        f"/{found['NAME']}?host={quote(host)}"
        if host.startswith("/")
        else f"{host}:{found['PORT']}/{found['NAME']}"
    )
    environment = os.environ | {
        "DJANGO_SETTINGS_MODULE": "tests.settings",
        "DATABASE_URL": f"postgres://{quote(found['USER'])}:{quote(found['PASSWORD'])}@{where}",
        "REDIS_URL": f"redis://127.0.0.1:{redis_port}/0",
    }
    command = [
        str(Path(sys.executable).with_name("granian")),
        *("--interface", "wsgi", "--host", "127.0.0.1", "--port", str(port)),
        *("--workers", "1", "--blocking-threads", "4", "gosend.wsgi:application"),
    ]
    with output.open("wb") as log:
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=log)
    try:
        _wait_for(lambda: _listens(port))
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(20)


@dataclass
class _Seen:
    """What a client saw that sent without a pause."""

    statuses: list[int] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    took: float = 0.0

    @property
    def accepted(self) -> int:
        return self.statuses.count(202)


def _send_on(url: str, key: str, phone_number_id: str, *, seconds: float) -> _Seen:
    """Send from several connections at once, more than the key's limit allows."""
    seen, started = _Seen(), time.monotonic()
    body = {
        "phone_number_id": phone_number_id, "to": "5491140123456", "type": "text", "text": {"body": "Hola"},
    }  # fmt: skip

    def client(_n: int) -> None:
        with requests.Session() as session:
            session.headers["X-API-Key"] = key
            while time.monotonic() < started + seconds:
                before = time.monotonic()
                answer = session.post(f"{url}/v1/messages?async=true", json=body, timeout=10)
                seen.statuses.append(answer.status_code)
                seen.seconds.append(time.monotonic() - before)

    with ThreadPoolExecutor(CONNECTIONS) as pool:
        list(pool.map(client, range(CONNECTIONS)))
    seen.took = time.monotonic() - started
    return seen


def test_a_killed_redis_stops_no_send_and_lifts_no_limit(tmp_path: Path) -> None:
    tenant = tenants.open_tenant(name="Acme")
    number = tenants.add_sandbox(tenant=tenant)
    _, key = keys.mint(tenant=tenant, label="journey", environment="test")
    port, output = _free_port(), tmp_path / "output"

    with _redis(port) as server, _web(port, output) as url:
        before = _send_on(url, key, number.phone_number_id, seconds=1)
        server.kill()
        server.wait()
        during = _send_on(url, key, number.phone_number_id, seconds=2.5)
        with _redis(port):
            time.sleep(1.2)  # for so long a Redis that failed is left alone
            after = _send_on(url, key, number.phone_number_id, seconds=1)
            with redis.Redis(port=port) as client:
                counted_in_redis = list(client.scan_iter("gosend:limit:api_key:*"))

    for seen in (before, during, after):
        assert set(seen.statuses) <= {202, 429}
        assert seen.accepted <= PER_SECOND + PER_SECOND * seen.took + 1
        assert max(seen.seconds) < 2
    assert 429 in during.statuses
    assert Message.objects.count() == before.accepted + during.accepted + after.accepted
    assert output.read_text().count("Redis failed, limits are counted without it") == 1
    assert counted_in_redis
