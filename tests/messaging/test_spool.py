"""messaging/spool.py"""

import os
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from django.db import connections
from pytest_django import Settings

from accounts.models import PhoneNumber
from gosend.whatsapp import files
from gosend.whatsapp.client import GraphClient, HttpTransport
from gosend.whatsapp.links import Link
from messaging import media, spool

MB = files.MB
# Serves a text of so many bytes to whoever asks, and counts what is posted, without holding either.
SERVER = """
import json, sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

class Door(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", str(int(sys.argv[1]) * 1024 * 1024))
        self.end_headers()
        for _ in range(int(sys.argv[1])):
            self.wfile.write(b"text" * 262144)

    def do_POST(self):
        left = int(self.headers["Content-Length"])
        size = left
        while left:
            left -= len(self.rfile.read(min(left, 65536)))
        answer = json.dumps({"id": str(size)}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *args):
        pass

server = ThreadingHTTPServer(("127.0.0.1", 0), Door)
print(server.server_port, flush=True)
server.serve_forever()
"""


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(settings: Settings, tmp_path: Path) -> None:
    settings.VAR_DIR = tmp_path


def test_a_small_file_and_a_large_one_come_out_as_they_went_in() -> None:
    for size in (0, 5, MB, MB + 1, 3 * MB):
        content = os.urandom(size)
        with spool.opened() as file:
            for start in range(0, size, 100_000):
                assert file.write(content[start : start + 100_000])

            assert file.data()[:] == content


def test_what_came_with_a_redirect_is_forgotten() -> None:
    with spool.opened() as file:
        file.write(b"x" * 2 * MB)
        file.empty()
        file.write(b"after")

        assert file.data()[:] == b"after"


def test_all_files_together_stay_within_their_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spool, "_ALL_BYTES", 100)
    with spool.opened() as first, spool.opened() as second:
        assert first.write(b"x" * 60)
        assert second.write(b"x" * 40)
        assert not second.write(b"x")
        assert (first.is_refused, second.is_refused) == (False, True)
        first.empty()
        assert second.write(b"x" * 60)

    with spool.opened() as third:
        assert third.write(b"x" * 100)
    assert spool._room.taken == 0


def test_nothing_is_left_on_disk(tmp_path: Path) -> None:
    with spool.opened() as file:
        file.write(b"x" * 2 * MB)
        assert list((tmp_path / "spool").iterdir()) == []


@pytest.fixture
def origin() -> Iterator[str]:
    """Files of 40 MB, from a process of its own."""
    with subprocess.Popen(  # noqa: S603
        [sys.executable, "-c", SERVER, "40"], stdout=subprocess.PIPE, text=True
    ) as server:
        assert server.stdout is not None
        yield f"http://127.0.0.1:{server.stdout.readline().strip()}"
        server.terminate()


@pytest.mark.django_db(transaction=True)
def test_large_files_side_by_side_are_not_held_in_memory(number: PhoneNumber, origin: str) -> None:
    client = GraphClient(transport=HttpTransport(origin, "v1", timeout_seconds=30), token="t")

    def bring(n: int) -> str:
        try:
            return media._bring(
                client, number, Link("document", f"{origin}/{n}"), time.monotonic() + 30, ask=media._ask_here
            )
        finally:
            connections.close_all()

    tracemalloc.start()
    try:
        with ThreadPoolExecutor(4) as pool:
            sizes = [int(size) for size in pool.map(bring, range(4))]
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert all(40 * MB < size < 41 * MB for size in sizes)
    assert peak < 16 * MB
