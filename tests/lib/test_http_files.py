"""Bodies in pieces, and answers that go somewhere else than into memory."""

import contextlib
import os
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from mmap import ACCESS_READ, mmap
from pathlib import Path

from gosend.lib import http


class _Echo(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("X-Length", str(len(body)))
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        with contextlib.suppress(OSError):  # whoever asked may have had enough
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


@contextlib.contextmanager
def echoing() -> Iterator[str]:
    """A server that answers with what it is sent."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Echo)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_body_goes_out_in_pieces_and_arrives_whole(tmp_path: Path) -> None:
    large = os.urandom(3 * 1024 * 1024)
    (tmp_path / "file").write_bytes(large)
    with (tmp_path / "file").open("rb") as file, mmap(file.fileno(), 0, access=ACCESS_READ) as mapped:
        pieces = http.Pieces(b"head", mapped, b"", b"tail")
        with echoing() as url:
            response = http.fetch(
                method="POST",
                url=url,
                headers={"Content-Type": "text/plain"},
                body=pieces,
                timeout_seconds=10,
                max_bytes=len(large) + 100,
                guard=None,
            )

    assert response.headers["x-length"] == str(pieces.size) == str(len(large) + 8)
    assert response.body == b"head" + large + b"tail"


def test_an_answer_goes_to_a_sink_until_it_has_enough() -> None:
    kept: list[bytes] = []

    def take(data: bytes) -> bool:
        kept.append(data)
        return sum(map(len, kept)) < 100_000

    with echoing() as url:
        small = http.fetch(
            method="POST", url=url, body=b"x" * 50, timeout_seconds=10, max_bytes=10**7, guard=None, sink=take
        )
        large = http.fetch(
            method="POST",
            url=url,
            body=b"y" * 10**6,
            timeout_seconds=10,
            max_bytes=10**7,
            guard=None,
            sink=take,
        )

    assert (small.truncated, small.body, kept[0]) == (False, b"", b"x" * 50)
    assert large.truncated
    assert sum(map(len, kept)) < 10**6


def test_a_sink_gets_no_more_than_was_asked_for() -> None:
    kept: list[bytes] = []

    def take(data: bytes) -> bool:
        kept.append(data)
        return True

    with echoing() as url:
        response = http.fetch(
            method="POST",
            url=url,
            body=b"y" * 10**6,
            timeout_seconds=10,
            max_bytes=1000,
            guard=None,
            sink=take,
        )

    assert response.truncated
    assert sum(map(len, kept)) <= 1000
