"""A host that cannot be reached in time costs its own request, and no other of the same thread."""

import json
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from gosend.lib import handles, http
from gosend.lib.handles import Closer
from tests.lib import lame_names
from tests.lib.calls import failure, fetch
from tests.lib.raw_server import RawServer, keeps_alive


def test_name_servers_that_do_not_answer_hold_up_no_other_host_and_no_thread(tmp_path: Path) -> None:
    command = lame_names.command(tmp_path / "resolv.conf")
    if command is None:
        pytest.skip("this system gives a test no namespaces")
    began = time.monotonic()
    output = subprocess.run(command, check=True, capture_output=True, timeout=90).stdout  # noqa: S603
    whole = time.monotonic() - began

    found = json.loads(output)
    assert found["slow"]["said"] == ["connect_timeout", "ok", "connect_timeout", "ok", "connect_timeout"]
    assert found["half"]["said"] == ["ok"] * 4
    assert max(found["slow"]["took"] + found["half"]["took"]) < 3
    assert max(found["slow"]["end"], found["half"]["end"]) < 1
    assert whole < 12  # its look-ups would go on for longer


@contextmanager
def _full_listener() -> Iterator[str]:
    """An address whose connections are never accepted: Linux drops what comes when the queue is full."""
    with socket.socket() as listener, socket.socket() as first, socket.socket() as second:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for waiting in (first, second):
            waiting.setblocking(False)
            waiting.connect_ex(listener.getsockname())
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/"


def test_a_handle_whose_request_timed_out_before_it_was_sent_is_closed_and_not_used_again() -> None:
    left = threading.Event()

    def talk(connection: socket.socket, server: RawServer) -> None:
        keeps_alive()(connection, server)
        left.set()

    with RawServer(talk) as server, _full_listener() as stuck:
        fetch(server.url())
        assert failure(stuck, timeout_seconds=0.3) == ("connect_timeout", http.Outcome.NOT_SENT)
        assert left.wait(2)
        fetch(server.url())
        fetch(server.url())

    assert server.connections == 2


def test_a_handle_whose_request_was_sent_or_refused_is_kept() -> None:
    def says_nothing(connection: socket.socket, server: RawServer) -> None:
        server.read_request(connection)
        server.stopping.wait(3)

    with RawServer(keeps_alive()) as server, RawServer(says_nothing) as mute:
        fetch(server.url())
        assert failure(mute.url(), timeout_seconds=0.3)[0] == "timeout"
        assert failure("http://127.0.0.1:1/")[0] == "refused"
        fetch(server.url())

    assert server.connections == 1


class _Lame:
    """A handle as pycurl's, whose look-up ends when the test says so."""

    def __init__(self, answered: threading.Event) -> None:
        self._answered = answered
        self.is_closed = False

    def close(self) -> None:
        self._answered.wait(10)
        self.is_closed = True


def test_a_thousand_lame_hosts_take_one_thread_and_no_more_handles_than_are_allowed() -> None:
    closer, answered = Closer(name="closes-test"), threading.Event()
    given = [_Lame(answered) for _ in range(1000)]

    before = threading.active_count()
    taken = [lame for lame in given if closer.take(lame)]
    assert taken == given[: handles.MOST_WAITING]
    assert threading.active_count() == before + 1

    answered.set()
    stop_at = time.monotonic() + 5
    while len(closer) and time.monotonic() < stop_at:
        time.sleep(0.01)
    assert [lame.is_closed for lame in given] == [lame in taken for lame in given]
    assert closer.take(_Lame(answered))
