"""A web server with files on 127.0.0.1, and a Meta of our own that remembers its uploads."""

import contextlib
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 40


@dataclass
class Page:
    body: bytes = PNG
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    delay_seconds: float = 0.0


class MediaHost(ThreadingHTTPServer):
    """Serves `pages` by path and counts who asked; an unknown path is 404."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Get)
        self.pages: dict[str, Page] = {}
        self.asked: Counter[str] = Counter()
        self.authorizations: list[str | None] = []

    def put(self, path: str, page: Page | None = None) -> str:
        self.pages[path] = page or Page()
        return self.url(path)

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}{path}"


class _Get(BaseHTTPRequestHandler):
    server: MediaHost

    def do_GET(self) -> None:
        page = self.server.pages.get(self.path, Page(b"no such page", 404))
        self.server.asked[self.path] += 1
        self.server.authorizations.append(self.headers.get("Authorization"))
        time.sleep(page.delay_seconds)
        self.send_response(page.status)
        for name, value in page.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(page.body)))
        self.end_headers()
        with contextlib.suppress(OSError):  # whoever asked may have had enough
            self.wfile.write(page.body)

    def log_message(self, format: str, *args: object) -> None:
        pass


def serving(server: ThreadingHTTPServer) -> Callable[[], None]:
    """Serve in a thread; return what stops it."""
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()

    def stop() -> None:
        server.shutdown()
        server.server_close()
        thread.join()

    return stop
