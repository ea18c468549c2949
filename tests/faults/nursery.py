"""A process that has everything imported and forks workers on demand, so that forty kills cost no minutes.

Each child is a process of its own that runs the product's own entry point: `celery -A gosend …` or a command
of manage.py. As a program it reads one JSON order per line and answers with the child's pid.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any

ROOT = Path(__file__).parent.parent.parent


class Nursery:
    """The suite's side: order children, and end them by pid."""

    def __init__(self, *, environment: Mapping[str, str], log: Path, root: Path = ROOT) -> None:
        with log.open("ab") as errors:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.faults.nursery"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                cwd=root,
                env=dict(environment),
                start_new_session=True,
            )
        self.pids: set[int] = set()

    def adopt(self, other: "Nursery") -> None:
        """Answer for another's children as well."""
        self.pids |= other.pids

    def bear(self, command: Sequence[str], *, log: Path, extra: Mapping[str, str] | None = None) -> int:
        order = {"command": list(command), "log": str(log), "extra": dict(extra or {})}
        writer, reader = self._process.stdin, self._process.stdout
        assert writer is not None
        assert reader is not None
        writer.write(json.dumps(order).encode() + b"\n")
        writer.flush()
        pid = int(reader.readline())
        self.pids.add(pid)
        return pid

    def lives(self, pid: int) -> bool:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return False
        return True

    def signal(self, pid: int, number: signal.Signals) -> None:
        """Signal one child, if it still is one."""
        if pid in self.pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    def bury(self) -> None:
        """End all children, and wait until they are gone: the next ones must not meet them."""
        for pid in self.pids:
            self.signal(pid, signal.SIGCONT)
            self.signal(pid, signal.SIGKILL)
        deadline = time.monotonic() + 20
        while any(self.lives(pid) for pid in self.pids) and time.monotonic() < deadline:
            time.sleep(0.01)
        self.pids.clear()

    def close(self) -> None:
        self.bury()
        self._process.kill()
        self._process.wait(10)
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()


def _be(order: Mapping[str, Any]) -> None:
    """Become what was ordered; never returns."""
    status = 1
    try:
        os.setsid()
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        log = os.open(order["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        null = os.open(os.devnull, os.O_RDONLY)
        for target, source in ((0, null), (1, log), (2, log)):
            os.dup2(source, target)
        os.environ.update(order["extra"])
        _run(order["command"])
        status = 0
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else 1
    except BaseException:
        traceback.print_exc()
    finally:
        with contextlib.suppress(Exception):
            sys.stderr.flush()
        os._exit(status)


def _run(command: Sequence[str]) -> None:
    from tests.faults import kill_points, skew  # noqa: PLC0415 -- in the child only

    skew.shift_from_environment()
    kill_points.arm_from_environment()
    if command[0] == "celery":
        from gosend.celery import app  # noqa: PLC0415 -- needs Django's settings

        app.start(list(command[1:]))
    else:
        from django.core.management import execute_from_command_line  # noqa: PLC0415 -- as above

        execute_from_command_line(["manage.py", *command])


def _prepare() -> None:
    import django  # noqa: PLC0415 -- only as a program

    django.setup()
    from django.conf import settings  # noqa: PLC0415 -- as above

    from gosend.celery import app  # noqa: PLC0415 -- as above

    assert settings.configured
    app.loader.import_default_modules()
    import celery.bin.celery  # noqa: PLC0415 -- as above
    import celery.worker  # noqa: F401, PLC0415 -- as above

    import messaging.deliver  # noqa: F401, PLC0415 -- as above
    from gosend.management.commands import sandbox_meta  # noqa: F401, PLC0415 -- as above


def main(orders: IO[str]) -> None:
    _prepare()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # children are buried by the kernel
    children = []
    for line in orders:
        order = json.loads(line)
        pid = os.fork()
        if pid == 0:
            _be(order)
        children.append(pid)
        print(pid, flush=True)  # noqa: T201 -- the answer
    for pid in children:  # the suite is gone: so is everything it ordered
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


if __name__ == "__main__":
    main(sys.stdin)
