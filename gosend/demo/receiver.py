"""A customer's server, as small as it gets: takes webhooks and lists what it got."""

import json
import threading
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

_MAX_BODY_BYTES = 5_000_000
_MAX_KEPT = 1000


class Receiver(ThreadingHTTPServer):
    """Answers every POST with 200 and keeps it; `GET /received` returns all, oldest first."""

    daemon_threads = True
    # Webhooks come side by side; of more than five that knock at once, the rest would be hung up on.
    request_queue_size = 128

    def __init__(self, *, port: int) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.received: list[dict[str, Any]] = []
        self.lock = threading.Lock()


class _Handler(BaseHTTPRequestHandler):
    server: Receiver
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        length = min(int(self.headers.get("Content-Length") or 0), _MAX_BODY_BYTES)
        entry = {
            "received_at": datetime.now(UTC).isoformat(),
            "path": self.path,
            "headers": {name.lower(): value for name, value in self.headers.items()},
            "body": self.rfile.read(length).decode(errors="replace"),
        }
        with self.server.lock:
            self.server.received.append(entry)
            del self.server.received[:-_MAX_KEPT]
        self._answer({"ok": True})

    def do_GET(self) -> None:
        if self.path != "/received":
            self.send_error(404)
            return
        with self.server.lock:
            self._answer(list(self.server.received))

    def _answer(self, value: object) -> None:
        body = json.dumps(value).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass
