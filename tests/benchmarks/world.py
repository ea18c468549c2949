"""A database, a Redis and the product's processes, for benchmarks only."""

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped]
import requests

ROOT = Path(__file__).resolve().parents[2]
# Kept from run to run, so that five million messages are seeded once.
VAR_DIR = ROOT / "var" / "bench"
WEB_WORKERS = 2
WEB_THREADS = 16
_START_SECONDS = 60


class CannotBench(Exception):
    """The benchmarks cannot run here; the text says why, and what to do."""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def redis() -> Iterator[str]:
    """A Redis of our own, unless REDIS_URL names one."""
    if url := os.environ.get("REDIS_URL"):
        yield url
        return
    program = shutil.which("redis-server")
    if program is None:
        raise CannotBench(
            "redis-server is not installed (Debian: apt install redis-server); or set REDIS_URL"
        )
    port = free_port()
    command = [program, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
    with child([*command, "--dir", str(VAR_DIR)], name="redis", port=port):
        yield f"redis://127.0.0.1:{port}/0"


@contextlib.contextmanager
def child(
    command: Sequence[str], *, name: str, port: int | None = None, env: dict[str, str] | None = None
) -> Iterator[psutil.Process]:
    """Run a process of the benchmark's own for the length of the block."""
    log = VAR_DIR / "log" / f"{name}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as output:
        process = subprocess.Popen(  # noqa: S603 -- our own commands
            command,
            cwd=ROOT,
            env={**os.environ, **(env or {})},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        if port is not None:
            _wait(process, port, log)
        yield psutil.Process(process.pid)
    finally:
        _end(process)


def _end(process: "subprocess.Popen[bytes]") -> None:
    """Stop a process and those that it began, whose connections to the database the next step needs."""
    family: list[psutil.Process] = []
    with contextlib.suppress(psutil.NoSuchProcess):
        family = psutil.Process(process.pid).children(recursive=True)
    process.terminate()
    try:
        process.wait(timeout=20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    for left in psutil.wait_procs(family, timeout=5)[1]:
        left.kill()


def web(*, port: int, application: str = "gosend.wsgi:application", **env: str) -> Any:
    """The web server as `make run` starts it, with another application where one is named."""
    command = [sys.executable, "-m", "granian", "--interface", "wsgi", "--host", "127.0.0.1"]
    command += ["--port", str(port), "--workers", str(WEB_WORKERS), "--blocking-threads", str(WEB_THREADS)]
    name = "web" if application.startswith("gosend") else "yardstick"
    return child([*command, application], name=name, port=port, env=env)


def sandbox(*, port: int, latency_ms: int = 0, callback_url: str = "", secret: str = "") -> Any:
    command = [sys.executable, "manage.py", "sandbox_meta", "--port", str(port)]
    command += ["--latency-ms", str(latency_ms)]
    if callback_url:
        command += ["--callback-url", callback_url, "--app-secret", secret]
    return child(command, name="sandbox", port=port)


def sink(*, port: int) -> Any:
    return child([sys.executable, "-m", "tests.benchmarks.sink", str(port)], name="sink", port=port)


def work(task: str, **arguments: Any) -> dict[str, Any]:
    """Run one of `tests.benchmarks.work`'s tasks in a fresh process; return what it measured."""
    done = subprocess.run(  # noqa: S603 -- our own command
        [sys.executable, "-m", "tests.benchmarks.work", task, json.dumps(arguments)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=900,
    )
    if done.returncode:
        raise CannotBench(f"{task} failed:\n{done.stderr[-3000:]}")
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def wait_for(url: str) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        with contextlib.suppress(requests.RequestException):
            if requests.get(url, timeout=2).ok:
                return
        time.sleep(0.1)
    raise CannotBench(f"{url} did not answer; see {VAR_DIR / 'log'}")


def _wait(process: "subprocess.Popen[bytes]", port: int, log: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.05)
    raise CannotBench(f"Nothing listens on port {port}:\n{log.read_text(errors='replace')[-3000:]}")
