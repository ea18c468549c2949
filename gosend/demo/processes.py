"""The demo's processes: start them, watch them, stop them."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import requests

from gosend.lib import ports

_STOP_SECONDS = 10
_TAIL_BYTES = 1500


class DemoFailed(Exception):
    """The demo cannot go on; the message says why and what to do."""


@dataclass(slots=True)
class Process:
    """One child and where its output goes."""

    name: str
    command: list[str]
    log: Path
    handle: subprocess.Popen[bytes] | None = None

    def start(self, environment: dict[str, str], directory: Path) -> None:
        self.log.parent.mkdir(parents=True, exist_ok=True)
        output: IO[bytes]
        with self.log.open("ab") as output:
            self.handle = subprocess.Popen(  # noqa: S603 -- our own commands
                self.command,
                env=environment,
                cwd=directory,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                # A Ctrl-C at the terminal is for the demo, which then stops its children in order.
                start_new_session=True,
            )

    def tail(self) -> str:
        data = self.log.read_bytes()[-_TAIL_BYTES:] if self.log.exists() else b""
        return data.decode(errors="replace").strip()


class Family:
    """All processes of the demo; use as a context manager, so that none outlives it."""

    def __init__(self, processes: list[Process], *, environment: dict[str, str], directory: Path) -> None:
        self.processes = processes
        self.environment = {**os.environ, **environment}
        self.directory = directory

    def __enter__(self) -> "Family":
        for process in self.processes:
            process.start(self.environment, self.directory)
        return self

    def __exit__(self, *_: object) -> None:
        running = [p.handle for p in self.processes if p.handle and p.handle.poll() is None]
        for handle in running:
            handle.terminate()  # it alone, as its own children are told by it
        deadline = time.monotonic() + _STOP_SECONDS
        for handle in running:
            try:
                handle.wait(timeout=max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                _signal_group(handle, signal.SIGKILL)
                handle.wait()
            _signal_group(handle, signal.SIGKILL)  # what it may have left behind

    def revive(self) -> list[str]:
        """Start again what has stopped; say what that was, in words."""
        notes = []
        for process in self.processes:
            status = process.handle.poll() if process.handle else None
            if process.handle and status is not None:
                _signal_group(process.handle, signal.SIGKILL)  # what it may have left behind
                cause = f"signal {-status}" if status < 0 else f"status {status}"
                notes.append(f"{process.name} stopped ({cause}); started again")
                process.start(self.environment, self.directory)
        return notes

    def require_alive(self) -> None:
        """Raise DemoFailed, with the end of its log, when a process has stopped."""
        for process in self.processes:
            if process.handle and (status := process.handle.poll()) is not None:
                raise DemoFailed(
                    f"{process.name} stopped with status {status}. Its last words:\n{process.tail()}"
                )


def _signal_group(handle: subprocess.Popen[bytes], number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(handle.pid, number)


def python(*arguments: str) -> list[str]:
    return [sys.executable, *arguments]


def require_free(port: int, *, what: str) -> None:
    """Raise DemoFailed when somebody listens on a port that we need."""
    try:
        ports.require_free(port)
    except ports.PortTaken as taken:
        raise DemoFailed(
            f"Port {port}, wanted for {what}, is taken. Choose another: make demo PORT={port + 100}"
        ) from taken


def wait_until_answers(url: str, *, family: Family, seconds: float) -> None:
    """Wait for a 200; raise DemoFailed when a process dies or the time is up."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        family.require_alive()
        try:
            if requests.get(url, timeout=2).ok:
                return
        except requests.RequestException:
            pass
        time.sleep(0.1)
    raise DemoFailed(f"{url} did not answer within {seconds:.0f} s")
