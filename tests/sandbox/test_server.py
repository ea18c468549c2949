"""The sandbox over real HTTP."""

import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from gosend.lib import http as our_http
from gosend.sandbox.server import SandboxServer
from tests.sandbox.conftest import Receiver, wait_until

SECRET = "the app's secret"
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def server(receiver: Receiver) -> Iterator[SandboxServer]:
    server = SandboxServer(("127.0.0.1", 0), secret=SECRET, callback_url=receiver.url)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def base(server: SandboxServer) -> str:
    return f"http://127.0.0.1:{server.port}"


@pytest.fixture
def api() -> Iterator[requests.Session]:
    with requests.Session() as session:
        session.headers["Authorization"] = "Bearer EAAtest"
        yield session


def text(to: str = "+5491123456789", opaque: str = "m1.1") -> dict[str, Any]:
    return {
        "messaging_product": "whatsapp",
        "to": to,
        "type": "text",
        "text": {"body": "Hi"},
        "biz_opaque_callback_data": opaque,
    }


def test_message_is_accepted_listed_and_reported_with_signed_statuses(
    base: str, api: requests.Session, receiver: Receiver
) -> None:
    answer = api.post(f"{base}/v25.0/106540352242922/messages", json=text())
    wamid = answer.json()["messages"][0]["id"]
    wait_until(lambda: receiver.statuses() == ["sent", "delivered"])
    wait_until(lambda: api.get(f"{base}/_sandbox/received").json()["callbacks"].get("posted") == 2)
    listed = api.get(f"{base}/_sandbox/received").json()

    assert answer.status_code == 200
    assert receiver.is_signed_with(SECRET) == [True, True]
    at = listed["messages"][0].pop("at")
    assert abs(at - time.time()) < 10
    assert listed == {
        "count": 1,
        "messages": [
            {
                "wamid": wamid,
                "biz_opaque_callback_data": "m1.1",
                "phone_number_id": "106540352242922",
                "to": "5491123456789",
                "type": "text",
                "content": {"body": "Hi"},
            }
        ],
        "uploads": [],
        "times_seen": {"m1.1": 1},
        "callbacks": {"waiting": 1, "posted": 2},
    }


def test_doubles_are_counted_and_reset_forgets_them(base: str, api: requests.Session) -> None:
    for _ in range(2):
        api.post(f"{base}/v25.0/106540352242922/messages", json=text(opaque="m7"))
    api.post(f"{base}/v25.0/106540352242922/messages", json=text(opaque="m8"))
    api.post(f"{base}/v25.0/106540352242922/messages", json=text(to="nobody", opaque="m9"))

    before = api.get(f"{base}/_sandbox/received").json()
    api.post(f"{base}/_sandbox/reset")
    after = api.get(f"{base}/_sandbox/received").json()

    assert (before["count"], before["times_seen"]) == (3, {"m7": 2, "m8": 1})
    assert (after["count"], after["messages"], after["callbacks"]) == (0, [], {"waiting": 0})


def test_one_connection_serves_many_requests(server: SandboxServer) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", server.port)
    connection.connect()
    first = connection.sock.getsockname()
    for _ in range(5):
        connection.request("GET", "/v25.0/106540352242922", headers={"Authorization": "Bearer EAAtest"})
        answer = connection.getresponse()
        assert json.loads(answer.read())["id"] == "106540352242922"
    last = connection.sock.getsockname()
    connection.close()

    assert first == last


def test_throttle_is_http_400_once(base: str, api: requests.Session) -> None:
    answers = [
        api.post(f"{base}/v25.0/106540352242922/messages", json=text("+5491123450005")) for _ in range(2)
    ]

    assert [answer.status_code for answer in answers] == [400, 200]
    assert answers[0].json()["error"]["code"] == 130429


def test_missing_token_is_401(base: str) -> None:
    answer = requests.post(f"{base}/v25.0/106540352242922/messages", json=text(), timeout=5)

    assert answer.status_code == 401
    assert answer.json()["error"]["code"] == 190


def test_media_upload_by_a_real_client(base: str, api: requests.Session) -> None:
    answer = api.post(
        f"{base}/v25.0/106540352242922/media",
        data={"messaging_product": "whatsapp", "type": "image/png"},
        files={"file": ("a.png", bytes(range(256)) * 10, "image/png")},
    )

    assert answer.status_code == 200
    assert answer.json()["id"].isdigit()


def test_cut_off_message_is_accepted_once_though_its_connection_dies(
    base: str, receiver: Receiver, api: requests.Session
) -> None:
    """Over a connection already in use, where a client may be tempted to send again by itself."""
    url = f"{base}/v25.0/106540352242922"
    headers = {"Authorization": "Bearer EAAtest", "Content-Type": "application/json"}
    options: dict[str, Any] = {"timeout_seconds": 5, "max_bytes": 10_000, "guard": None, "headers": headers}
    our_http.fetch(method="POST", url=f"{url}/messages", body=json.dumps(text()).encode(), **options)

    body = json.dumps(text("+5491123450006", opaque="cut")).encode()
    with pytest.raises(our_http.Failed) as caught:
        our_http.fetch(method="POST", url=f"{url}/messages", body=body, **options)

    assert caught.value.outcome is our_http.Outcome.UNKNOWN
    assert api.get(f"{base}/_sandbox/received").json()["times_seen"] == {"m1.1": 1, "cut": 1}
    wait_until(lambda: any(b'"cut"' in body for _, body in list(receiver.posts)))


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"POST /v25.0/12345/messages HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n", 411),
        (b"POST /v25.0/12345/messages HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n", 411),
        (b"POST /v25.0/12345/messages HTTP/1.1\r\nHost: x\r\nContent-Length: 999999999999\r\n\r\n", 413),
        (b"GET /_sandbox/nothing HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 404),
    ],
    ids=["chunked", "negative", "huge", "unknown"],
)
def test_odd_request_is_refused_and_closed(server: SandboxServer, head: bytes, status: int) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=3) as client:
        client.sendall(head)
        answer = b"".join(iter(lambda: client.recv(4096), b""))

    assert answer.startswith(f"HTTP/1.1 {status} ".encode())


def test_refused_callback_is_posted_again(base: str, api: requests.Session, receiver: Receiver) -> None:
    receiver.status = 503
    api.post(f"{base}/v25.0/106540352242922/messages", json=text("+5491123450001"))
    wait_until(lambda: len(receiver.posts) == 1)
    receiver.status = 200

    wait_until(lambda: len(receiver.posts) == 2)

    assert receiver.posts[0][1] == receiver.posts[1][1]


@pytest.fixture
def process(receiver: Receiver) -> Iterator[tuple["subprocess.Popen[str]", str]]:
    command = [sys.executable, "manage.py", "sandbox_meta", "--port", "0", "--app-secret", SECRET]
    command += ["--callback-url", receiver.url, "--latency-ms", "300"]
    command += ["--number", "106540352242922:200000000000001:15550783881"]
    environment = os.environ | {"DATABASE_URL": "postgres://nobody@127.0.0.1:9/none", "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(  # noqa: S603 -- our own command
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as started:
        assert started.stdout is not None
        found = re.search(r"http://127\.0\.0\.1:\d+", started.stdout.readline())
        assert found, started.stdout.read()
        yield started, found[0]
        if started.poll() is None:
            started.kill()


def test_command_serves_without_a_database_and_stops_when_told(
    process: tuple["subprocess.Popen[str]", str], receiver: Receiver, api: requests.Session
) -> None:
    started, base = process

    before = time.monotonic()
    answer = api.post(f"{base}/v25.0/106540352242922/messages", json=text("+5491123450001"))
    elapsed = time.monotonic() - before
    unknown = api.post(f"{base}/v25.0/106540352242923/messages", json=text())
    wait_until(lambda: receiver.statuses() == ["failed"])
    started.send_signal(signal.SIGTERM)

    assert answer.status_code == 200
    assert elapsed >= 0.3
    assert unknown.json()["error"]["error_subcode"] == 33
    assert receiver.is_signed_with(SECRET) == [True]
    assert receiver.payloads()[0]["entry"][0]["id"] == "200000000000001"
    assert started.wait(timeout=5) == 0


def test_command_names_a_taken_port(receiver: Receiver) -> None:
    port = str(receiver.server_address[1])
    done = subprocess.run(  # noqa: S603 -- our own command
        [sys.executable, "manage.py", "sandbox_meta", "--port", port],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )

    assert done.returncode == 1
    assert f"Cannot listen on 127.0.0.1:{port}" in done.stderr
    assert "Choose another --port" in done.stderr
