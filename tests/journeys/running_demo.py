"""`make demo` at work, for tests that use it as a newcomer does: real processes, an embedded PostgreSQL."""

# ruff: noqa: S603 -- our own commands

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped]
import pytest
import requests

from gosend.demo.processes import require_free
from tests.material import ROOT


@dataclass(frozen=True, slots=True)
class Running:
    """The demo at work: its process, what it says of itself, and where it logs."""

    process: subprocess.Popen[str]
    told: dict[str, Any]
    output: Path

    def received(self) -> list[dict[str, Any]]:
        """What came, each delivery once: a killed worker may have posted one that it could not record."""
        entries = requests.get(f"{self.told['receiver_url']}/received", timeout=10).json()
        bodies = [json.loads(entry["body"]) for entry in entries]
        return list({body["delivery_id"]: body for body in bodies}.values())

    def worker(self) -> int:
        """The pid of the worker's main process."""
        found = [
            child
            for child in psutil.Process(self.process.pid).children(recursive=True)
            if "worker" in child.cmdline() and "celery" in child.cmdline()
        ]
        return int(min(found, key=lambda child: child.create_time()).pid)


def _free_port() -> int:
    """A port with two free ones behind it."""
    while True:
        with socket.socket() as first, socket.socket() as second, socket.socket() as third:
            first.bind(("127.0.0.1", 0))
            port: int = first.getsockname()[1]
            try:
                second.bind(("127.0.0.1", port + 1))
                third.bind(("127.0.0.1", port + 2))
            except OSError:
                continue
            return port


def environment(var_dir: Path) -> dict[str, str]:
    kept = {
        name: value
        for name, value in os.environ.items()
        if name
        not in {"DATABASE_URL", "REDIS_URL", "DJANGO_SETTINGS_MODULE", "SECRET_KEY", "ENCRYPTION_KEYS"}
    }
    return {**kept, "VAR_DIR": str(var_dir), "PYTHONUNBUFFERED": "1"}


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("demo")
    var_dir, output, port = folder / "var", folder / "output", _free_port()
    hold = [sys.executable, "-m", "gosend.lib.embedded_postgres", "hold", "--"]
    with output.open("w") as out:
        process = subprocess.Popen(
            [*hold, sys.executable, "manage.py", "demo", "--port", str(port)],
            cwd=ROOT,
            env=environment(var_dir),
            stdout=out,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            text=True,
        )
    try:
        deadline = time.monotonic() + 300  # a machine with much else to do
        while "Ctrl-C stops everything" not in output.read_text():
            assert process.poll() is None, output.read_text()
            assert time.monotonic() < deadline, output.read_text()
            time.sleep(0.2)
        yield Running(process, json.loads((var_dir / "demo.json").read_text()), output)
    finally:
        for _ in range(3):  # somebody impatient: nothing may be left behind all the same
            process.send_signal(signal.SIGTERM)
            time.sleep(0.1)
        process.wait(timeout=60)
        for taken in range(port, port + 3):
            require_free(taken, what="what the demo has left behind")
        if os.geteuid() == 0:
            home = (var_dir / "postgres/home").read_text()
            shutil.rmtree(Path("/var/lib/gosend") / home)
