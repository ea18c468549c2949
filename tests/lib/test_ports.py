"""gosend/lib/ports.py"""

import socket
import subprocess
import sys
from collections.abc import Iterator

import pytest

from gosend.lib import ports


@pytest.fixture(params=["127.0.0.1", "0.0.0.0"])  # noqa: S104 -- as a server does
def taken(request: pytest.FixtureRequest) -> Iterator[int]:
    """A port on which somebody listens who would share it, as granian does."""
    with socket.socket() as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        server.bind((request.param, 0))
        server.listen()
        yield server.getsockname()[1]


def test_a_taken_port_is_refused(taken: int) -> None:
    with pytest.raises(ports.PortTaken):
        ports.require_free(taken)


def test_a_free_port_is_free_twice() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]

    ports.require_free(port)
    ports.require_free(port)


def test_make_is_told_what_to_do(taken: int) -> None:
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-m", "gosend.lib.ports", str(taken), "run"],
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )

    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        f"Port {taken} is taken. Stop what listens there, or choose another: make run PORT={taken + 100}\n"
    )
