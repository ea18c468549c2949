"""Run a command as if it ran in our place: its signals, its exit status."""

import ctypes
import os
import signal
import subprocess
import sys

_PASSED_ON = (signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGHUP)
_MEANT: dict[int, signal.Signals] = {signal.SIGHUP: signal.SIGTERM}
_PR_SET_PDEATHSIG = 1


def run(command: list[str]) -> int:
    """Run a command, pass it every signal exactly once, and give back its exit status.

    A terminal that is closed (SIGHUP) ends it: a server would read that as "load yourself anew", and stay.

    What is typed at a terminal reaches the whole foreground group by itself; otherwise the command gets
    a group of its own, so that a signal to our group does not reach it twice.
    """
    shares_terminal = sys.stdin.isatty() and os.tcgetpgrp(sys.stdin.fileno()) == os.getpgrp()
    typed = {signal.SIGINT, signal.SIGQUIT} if shares_terminal else set()
    libc = ctypes.CDLL(None)

    def prepare() -> None:
        _unblock()
        if sys.platform == "linux":
            # Should we be killed outright, the command is asked to end, as if its group had been.
            libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)

    signal.pthread_sigmask(signal.SIG_BLOCK, _PASSED_ON)
    child = subprocess.Popen(  # noqa: S603 -- the command is the caller's own
        command,
        process_group=None if shares_terminal else 0,
        preexec_fn=prepare,
    )
    for number in _PASSED_ON:
        signal.signal(
            number, lambda got, _: None if got in typed else child.send_signal(_MEANT.get(got, got))
        )
    _unblock()
    status = child.wait()
    return status if status >= 0 else 128 - status


def _unblock() -> None:
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _PASSED_ON)
