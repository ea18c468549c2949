"""The sandbox as a Graph server of its own: real HTTP, everything in memory."""

import heapq
import json
import logging
import re
import threading
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar
from urllib.parse import parse_qsl, urlsplit

from gosend.sandbox import callbacks, graph
from gosend.sandbox.callbacks import Callback
from gosend.sandbox.graph import FILES_AT, Accepted, Uploaded
from gosend.sandbox.world import Line, MemoryWorld
from gosend.whatsapp.wire import GraphRequest, GraphResponse

log = logging.getLogger(__name__)

MAX_BODY_BYTES = 105 * 1024 * 1024
IDLE_SECONDS = 120.0
POSTING_THREADS = 4

_VERSION = re.compile(r"/v\d+\.\d+(?=/)")


class Courier:
    """Posts callbacks when they are due, from a few threads, until `stop`."""

    def __init__(self, *, url: str, secret: str) -> None:
        self._url, self._secret = url, secret
        self._heap: list[tuple[float, int, int, bytes]] = []
        self._wake = threading.Condition()
        self._is_stopped = False
        self._count = 0
        self.tally: Counter[str] = Counter()
        for number in range(POSTING_THREADS if url else 0):
            threading.Thread(target=self._run, name=f"courier-{number}", daemon=True).start()

    def schedule_all(self, coming: Iterable[Callback]) -> None:
        if self._url:
            for callback in coming:
                self._push(callback.delay_seconds, 1, callbacks.to_bytes(callback.payload))

    def waiting(self) -> int:
        with self._wake:
            return len(self._heap)

    def forget(self) -> None:
        with self._wake:
            self._heap.clear()
            self.tally.clear()

    def stop(self) -> None:
        with self._wake:
            self._is_stopped = True
            self._wake.notify_all()

    def _push(self, delay: float, attempt: int, body: bytes) -> None:
        with self._wake:
            self._count += 1
            heapq.heappush(self._heap, (time.monotonic() + delay, self._count, attempt, body))
            self._wake.notify()

    def _run(self) -> None:
        while (due := self._next()) is not None:
            attempt, body = due
            if callbacks.post(url=self._url, secret=self._secret, body=body):
                self._mark("posted")
            elif attempt < callbacks.MAX_ATTEMPTS:
                self._mark("retried")
                self._push(callbacks.backoff_seconds(attempt), attempt + 1, body)
            else:
                self._mark("given_up")

    def _mark(self, what: str) -> None:
        with self._wake:
            self.tally[what] += 1

    def _next(self) -> tuple[int, bytes] | None:
        """Wait for the next callback that is due; None once stopped."""
        with self._wake:
            while not self._is_stopped:
                wait = self._heap[0][0] - time.monotonic() if self._heap else None
                if wait is not None and wait <= 0:
                    _, _, attempt, body = heapq.heappop(self._heap)
                    return attempt, body
                self._wake.wait(wait)
            return None


class SandboxServer(ThreadingHTTPServer):
    """Serves the Graph paths, with or without a version, and what tests ask under `/_sandbox/`."""

    daemon_threads = True
    request_queue_size = 1024

    def __init__(
        self,
        address: tuple[str, int],
        *,
        secret: str,
        callback_url: str = "",
        latency_seconds: float = 0.0,
        lines: tuple[Line, ...] = (),
        has_starters: bool = False,
        is_open: bool = False,
    ) -> None:
        super().__init__(address, _Door, bind_and_activate=False)
        self.world = MemoryWorld(lines, has_starters=has_starters, is_open=is_open)
        self.courier = Courier(url=callback_url, secret=secret)
        self.latency_seconds = latency_seconds
        self._accepted: list[tuple[float, Accepted]] = []
        self._uploaded: list[Uploaded] = []
        self._lock = threading.Lock()
        try:
            self.server_bind()
            self.server_activate()
        except OSError:
            self.server_close()
            raise

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    def server_close(self) -> None:
        self.courier.stop()
        super().server_close()

    def answer(self, request: GraphRequest, *, files_at: str = FILES_AT) -> GraphResponse | None:
        """Let the sandbox act, note what it accepted, and take the time a network would."""
        reply = graph.answer(request, world=self.world, files_at=files_at)
        with self._lock:
            if reply.accepted is not None:
                self._accepted.append((time.time(), reply.accepted))
            if reply.uploaded is not None:
                self._uploaded.append(reply.uploaded)
        self.courier.schedule_all(reply.callbacks)
        if self.latency_seconds:
            time.sleep(self.latency_seconds)
        return reply.response

    def received(self) -> dict[str, Any]:
        """Every accepted message and file, and how often each `biz_opaque_callback_data` was seen."""
        with self._lock:
            accepted, uploaded = list(self._accepted), list(self._uploaded)
        return {
            "count": len(accepted),
            "messages": [
                {
                    "wamid": message.wamid,
                    "biz_opaque_callback_data": message.opaque,
                    "phone_number_id": message.phone_number_id,
                    "to": message.to,
                    "type": message.type,
                    "content": message.content,
                    "at": at,
                }
                for at, message in accepted
            ],
            "uploads": [asdict(upload) for upload in uploaded],
            "times_seen": Counter(message.opaque for _, message in accepted if message.opaque is not None),
            "callbacks": {"waiting": self.courier.waiting(), **self.courier.tally},
        }

    def forget(self) -> None:
        with self._lock:
            self._accepted.clear()
            self._uploaded.clear()
        self.courier.forget()
        self.world.forget()


class _Door(BaseHTTPRequestHandler):
    """One connection, kept alive. Each answer is one write, or Nagle and delayed ACKs cost 40 ms."""

    server: SandboxServer
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    timeout = IDLE_SECONDS
    _REASONS: ClassVar = {200: "OK", 400: "Bad Request", 401: "Unauthorized", 404: "Not Found"}

    def do_GET(self) -> None:
        self._serve()

    def do_POST(self) -> None:
        self._serve()

    def do_DELETE(self) -> None:
        self._serve()

    def log_message(self, format: str, *args: Any) -> None:
        log.debug(format, *args)

    def _serve(self) -> None:
        body = self._body()
        if body is None:
            return
        url = urlsplit(self.path)
        if url.path.startswith("/_sandbox/"):
            self._serve_tests(url.path)
            return
        query = dict(parse_qsl(url.query))
        scheme, _, token = self.headers.get("Authorization", "").partition(" ")
        request = GraphRequest(
            method=self.command,
            path=_VERSION.sub("", url.path, count=1),
            query=query,
            token=token.strip() if scheme.lower() in {"bearer", "oauth"} else query.get("access_token", ""),
            body=body,
            content_type=self.headers.get("Content-Type"),
        )
        host = self.headers.get("Host") or f"127.0.0.1:{self.server.port}"
        response = self.server.answer(request, files_at=f"http://{host}")
        if response is None:
            self.close_connection = True
        else:
            self._write(response.status, response.body, response.headers)

    def _serve_tests(self, path: str) -> None:
        if (self.command, path) == ("GET", "/_sandbox/received"):
            self._write_json(200, self.server.received())
        elif (self.command, path) == ("POST", "/_sandbox/reset"):
            self.server.forget()
            self._write_json(200, {"success": True})
        else:
            self._write_json(404, {"error": "GET /_sandbox/received or POST /_sandbox/reset"})

    def _body(self) -> bytes | None:
        """Read the request's body; None when it was refused already."""
        declared = self.headers.get("Content-Length", "0").strip()
        is_chunked = self.headers.get("Transfer-Encoding") is not None
        if is_chunked or not (declared.isascii() and declared.isdigit()):
            self._refuse(411, "a Content-Length is required")
            return None
        if len(declared) > 12 or int(declared) > MAX_BODY_BYTES:
            self._refuse(413, "the body is too large")
            return None
        body = self.rfile.read(int(declared))
        if len(body) < int(declared):
            self.close_connection = True
            return None
        return body

    def _refuse(self, status: int, why: str) -> None:
        self.close_connection = True
        self._write_json(status, {"error": {"message": why, "type": "OAuthException", "code": 100}})

    def _write_json(self, status: int, value: dict[str, Any]) -> None:
        self._write(status, json.dumps(value).encode(), {"content-type": "application/json"})

    def _write(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        lines = [f"HTTP/1.1 {status} {self._REASONS.get(status, 'Status')}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        lines.append(f"content-length: {len(body)}")
        if self.close_connection:
            lines.append("connection: close")
        self.wfile.write("\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body)
