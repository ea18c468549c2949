"""The two that are not us: Meta's post office for callbacks, and a customer's webhook receiver."""

import heapq
import http.client
import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True, slots=True)
class Letter:
    """One callback of Meta's, as signed."""

    body: bytes
    headers: dict[str, str]


@dataclass(slots=True)
class Posting:
    """How one callback was answered at our door."""

    body: bytes
    status: int
    seconds: float


class PostOffice(ThreadingHTTPServer):
    """Takes the sandbox's callbacks at once and carries them to our door, as Meta does: until it says 200.

    While it holds, nothing is carried; what `drops` says is forgotten for good.
    """

    daemon_threads = True
    request_queue_size = 512

    def __init__(self, *, door: Callable[[], tuple[int, str]], carriers: int = 3) -> None:
        super().__init__(("127.0.0.1", 0), _Counter)
        self._door = door
        self._queue: list[tuple[float, int, Letter]] = []
        self._count = 0
        self._under_way = 0
        self._wake = threading.Condition()
        self._is_closed = False
        self.is_held = False
        self.drops: Callable[[bytes], bool] = lambda _body: False
        self.postings: list[Posting] = []
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True).start()
        for number in range(carriers):
            threading.Thread(target=self._carry, name=f"carrier-{number}", daemon=True).start()

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    def take(self, letter: Letter, *, after: float = 0.0) -> None:
        with self._wake:
            self._count += 1
            heapq.heappush(self._queue, (time.monotonic() + after, self._count, letter))
            self._wake.notify()

    def hold(self) -> None:
        self.is_held = True

    def release(self) -> None:
        with self._wake:
            self.is_held = False
            self._wake.notify_all()

    def take_away(self) -> list[Letter]:
        """What has not been carried yet, for a test to post in its own way."""
        with self._wake:
            letters = [letter for _, _, letter in sorted(self._queue, key=lambda row: row[:2])]
            self._queue.clear()
            return letters

    def waiting(self) -> int:
        with self._wake:
            return len(self._queue) + self._under_way

    def close(self) -> None:
        with self._wake:
            self._is_closed = True
            self._wake.notify_all()
        self.shutdown()
        self.server_close()

    def _next(self) -> Letter | None:
        with self._wake:
            while not self._is_closed:
                wait = self._queue[0][0] - time.monotonic() if self._queue else 1.0
                if wait <= 0 and not self.is_held:
                    self._under_way += 1
                    return heapq.heappop(self._queue)[2]
                self._wake.wait(min(max(wait, 0.02), 1.0))
        return None

    def _carry(self) -> None:
        link: http.client.HTTPConnection | None = None
        while (letter := self._next()) is not None:
            if self.drops(letter.body):
                self._done()
                continue
            port, path = self._door()
            started = time.monotonic()
            try:
                if link is None or link.port != port:
                    link = http.client.HTTPConnection("127.0.0.1", port, timeout=15)
                link.request("POST", path, body=letter.body, headers=letter.headers)
                answer = link.getresponse()
                answer.read()
                status = answer.status
            except (OSError, http.client.HTTPException):
                if link is not None:
                    link.close()
                link, status = None, 0
            self.postings.append(Posting(letter.body, status, time.monotonic() - started))
            if status == 0 or status >= 500:
                self.take(letter, after=0.3)
            self._done()

    def _done(self) -> None:
        with self._wake:
            self._under_way -= 1


class _Counter(BaseHTTPRequestHandler):
    server: PostOffice
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        kept = {name: self.headers[name] for name in ("Content-Type", "X-Hub-Signature-256")}
        self.server.take(Letter(body, kept))
        self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    def log_message(self, format: str, *args: object) -> None:
        pass


# --- A customer's server --------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Received:
    """One webhook as it came in."""

    path: str
    headers: dict[str, str]
    body: bytes
    at: float
    is_accepted: bool

    @property
    def delivery_id(self) -> str:
        return self.headers.get("webhook-id", "")

    @property
    def json(self) -> dict[str, Any]:
        value: dict[str, Any] = json.loads(self.body)
        return value


Behaviour = Callable[["_Hook"], bool]


def answer(status: int, headers: dict[str, str] | None = None, body: bytes = b"ok") -> Behaviour:
    def behave(hook: "_Hook") -> bool:
        lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(body)}"]
        lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
        hook.wfile.write("\r\n".join(lines).encode() + b"\r\n\r\n" + body)
        return 200 <= status < 300

    return behave


def hang(hook: "_Hook") -> bool:
    hook.server.closing.wait(30)
    hook.close_connection = True
    return False


@dataclass
class _State:
    received: list[Received] = field(default_factory=list)
    behaviours: dict[str, Behaviour] = field(default_factory=dict)


class Receiver(ThreadingHTTPServer):
    """Keeps what it gets; each path answers as told, 200 by default."""

    daemon_threads = True
    request_queue_size = 512

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Hook)
        self.state = _State()
        self.closing = threading.Event()
        self.lock = threading.Lock()
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True).start()

    def url(self, path: str = "/hook") -> str:
        return f"http://127.0.0.1:{self.server_address[1]}{path}"

    def behave(self, path: str, behaviour: Behaviour) -> None:
        self.state.behaviours[path] = behaviour

    def received(self, path: str = "/hook", *, accepted: bool = True) -> list[Received]:
        with self.lock:
            return [
                one for one in self.state.received if one.path == path and (one.is_accepted or not accepted)
            ]

    def note(self, one: Received) -> None:
        with self.lock:
            self.state.received.append(one)

    def close(self) -> None:
        self.closing.set()
        self.shutdown()
        self.server_close()


class _Hook(BaseHTTPRequestHandler):
    server: Receiver
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    timeout = 60

    def do_GET(self) -> None:
        self.do_POST()

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        headers = {name.lower(): value for name, value in self.headers.items()}
        at = time.time()
        is_accepted = False
        try:
            is_accepted = self.server.state.behaviours.get(self.path, answer(200))(self)
        except OSError:
            self.close_connection = True
        finally:
            self.server.note(Received(self.path, headers, body, at, is_accepted))

    def log_message(self, format: str, *args: object) -> None:
        pass
