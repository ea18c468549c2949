"""A door of our own to post callbacks to: a small real server on 127.0.0.1."""

import hashlib
import hmac
import json
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest


class Receiver(ThreadingHTTPServer):
    """Keeps what was posted, and answers with `status`."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Post)
        self.status = 200
        self.posts: list[tuple[dict[str, str], bytes]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/meta/webhook"

    def payloads(self) -> list[dict[str, Any]]:
        return [json.loads(body) for _, body in list(self.posts)]

    def statuses(self) -> list[str]:
        values = [payload["entry"][0]["changes"][0]["value"] for payload in self.payloads()]
        return [status["status"] for value in values for status in value.get("statuses", ())]

    def is_signed_with(self, secret: str) -> list[bool]:
        """Check each post over its raw bytes, without any code of ours."""
        return [
            headers.get("x-hub-signature-256")
            == "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
            for headers, body in list(self.posts)
        ]


class _Post(BaseHTTPRequestHandler):
    server: Receiver
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.posts.append(({name.lower(): value for name, value in self.headers.items()}, body))
        self.send_response(self.server.status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    server = Receiver()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


def wait_until(is_so: Callable[[], bool], *, seconds: float = 8.0) -> None:
    stop_at = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < stop_at, "waited in vain"
        time.sleep(0.01)
