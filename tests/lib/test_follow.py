"""A command that runs in our place: told what we are told, and gone when we are."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

_ROOT = Path(__file__).parents[2]
_LISTENER = """
import signal, sys, time
for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
    signal.signal(number, lambda got, _: sys.exit(int(got)))
print("listens", flush=True)
time.sleep(30)
"""


@pytest.mark.parametrize(
    ("told", "heard"),
    [
        (signal.SIGINT, signal.SIGINT),
        (signal.SIGTERM, signal.SIGTERM),
        # A terminal that is closed: granian would load itself anew, and stay.
        (signal.SIGHUP, signal.SIGTERM),
    ],
)
def test_what_ends_us_ends_the_command(told: signal.Signals, heard: signal.Signals) -> None:
    code = "import sys; from gosend.lib import follow; sys.exit(follow.run(sys.argv[1:]))"
    command = [sys.executable, "-c", code, sys.executable, "-c", _LISTENER]
    with subprocess.Popen(  # noqa: S603 -- our own command
        command, cwd=_ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "listens\n"

        process.send_signal(told)

        assert process.wait(20) == heard
