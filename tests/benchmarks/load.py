"""A closed-loop load generator: so many connections, each with one request under way."""

import json
import pickle
import selectors
import socket
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import psutil  # type: ignore[import-untyped]

_READ = 65_536


@dataclass(slots=True)
class Connection:
    """One connection and what it has read of the present answer."""

    socket: socket.socket
    buffer: bytes = b""
    began: float = 0.0


def fire(*, port: int, requests: list[bytes], connections: int, seconds: float) -> dict[str, float]:
    """Send the requests one after another over all connections until they or the time run out."""
    selector = selectors.DefaultSelector()
    waiting = iter(requests)
    opened = [Connection(socket.create_connection(("127.0.0.1", port))) for _ in range(connections)]
    for connection in opened:
        connection.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        selector.register(connection.socket, selectors.EVENT_READ, connection)
    latencies: list[float] = []
    refused = 0
    began = time.perf_counter()
    deadline = began + seconds
    busy = sum(_next(connection, waiting, deadline) for connection in opened)
    while busy:
        for key, _ in selector.select(timeout=10):
            connection = key.data
            status = _read(connection)
            if status:
                latencies.append(time.perf_counter() - connection.began)
                refused += status >= 300
                busy -= not _next(connection, waiting, deadline)
    took = time.perf_counter() - began
    for connection in opened:
        connection.socket.close()
    latencies.sort()
    return {
        "count": len(latencies),
        "refused": refused,
        "seconds": took,
        "rate": (len(latencies) - refused) / took,
        "p50_ms": 1000 * latencies[len(latencies) // 2],
        "p99_ms": 1000 * latencies[int(len(latencies) * 0.99)],
        "cpu": sum(psutil.Process().cpu_times()[:2]),
    }


def _next(connection: Connection, waiting: "object", deadline: float) -> bool:
    now = time.perf_counter()
    request = next(waiting, None) if now < deadline else None  # type: ignore[call-overload]
    if request is None:
        return False
    connection.began = now
    connection.buffer = b""
    connection.socket.sendall(request)
    return True


def _read(connection: Connection) -> int:
    """Take what has come; the status once the answer is whole, 0 before."""
    data = connection.socket.recv(_READ)
    if not data:
        raise ConnectionError("the server closed a connection")
    connection.buffer += data
    head, mark, body = connection.buffer.partition(b"\r\n\r\n")
    if not mark or len(body) < _length(head):
        return 0
    return int(head[9:12])


def _length(head: bytes) -> int:
    _, found, rest = head.lower().partition(b"content-length:")
    if not found:
        raise ConnectionError(f"an answer without content-length: {head[:200]!r}")
    return int(rest.partition(b"\r\n")[0])


def request(method: str, path: str, *, headers: dict[str, str], body: bytes = b"") -> bytes:
    """One HTTP request, ready to be sent."""
    lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    lines += [f"Content-Length: {len(body)}", "", ""]
    return "\r\n".join(lines).encode() + body


if __name__ == "__main__":
    shot = pickle.loads(Path(sys.argv[1]).read_bytes())  # noqa: S301 -- the parent wrote it
    print(json.dumps(fire(**shot)))  # noqa: T201
