"""A web host of the suite: granian with one worker process, made to be killed."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil  # type: ignore[import-untyped]
import requests

from tests.faults.nursery import ROOT


@dataclass
class Web:
    """One web host: granian with one worker process."""

    port: int
    log: Path
    # Whose code it runs.
    root: Path = ROOT
    process: subprocess.Popen[bytes] | None = None
    # Whether clients are sent here; a balancer leaves out a host that has yet to answer.
    is_in_turn: bool = True

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self, environment: Mapping[str, str]) -> None:
        command = [str(Path(sys.executable).with_name("granian")), "--interface", "wsgi"]
        command += ["--host", "127.0.0.1", "--port", str(self.port), "--workers", "1"]
        command += ["--blocking-threads", "16", "--respawn-failed-workers", "--workers-kill-timeout", "35"]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(  # noqa: S603 -- our own server
                [*command, "tests.faults.wsgi:application"],
                cwd=self.root, env=dict(environment), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True,
            )  # fmt: skip

    def answers(self) -> bool:
        with contextlib.suppress(requests.RequestException):
            return requests.get(f"{self.url}/readyz", timeout=2).status_code == 200
        return False

    def serving_pid(self) -> int:
        """The process that serves, granian's child; 0 when there is none just now."""
        if self.process is not None:
            with contextlib.suppress(psutil.Error):
                for child in psutil.Process(self.process.pid).children():
                    is_dead = child.status() == psutil.STATUS_ZOMBIE
                    if not is_dead and "resource_tracker" not in " ".join(child.cmdline()):
                        return int(child.pid)
        return 0

    def kill_serving_process(self) -> bool:
        """SIGKILL the process that serves; granian starts another. False when there was none."""
        pid = self.serving_pid()
        if pid:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return bool(pid)

    def has_ended(self) -> bool:
        """Whether granian itself is gone; it gives up when a worker dies soon after it was started."""
        return self.process is not None and self.process.poll() is not None

    def stop(self, *, how: signal.Signals = signal.SIGKILL) -> None:
        """End it, and every process of its session: one that was just being started would serve on."""
        if self.process is None:
            return
        if self.process.poll() is None:
            self.process.send_signal(how)
            self.process.wait(40)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process = None
