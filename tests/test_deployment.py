"""The commands and environment of docker-compose.yml, run on this machine against local servers."""

# ruff: noqa: S603 -- the commands are those of docker-compose.yml
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib import metadata
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psutil  # type: ignore[import-untyped]
import pytest
import requests
import yaml
from django.conf import settings
from django.db import connection
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parent.parent
WAIT_SECONDS = 30
GIVEN = {"POSTGRES_PASSWORD": "only-for-this-test"}
# What the processes leave in the database goes with each test.
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.journey]


def service(name: str) -> dict[str, Any]:
    described = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    found: dict[str, Any] = described["services"][name]
    return found


def interpolate(text: str) -> str:
    def value(match: re.Match[str]) -> str:
        name, operator, word = match.groups()
        return GIVEN.get(name, word if operator == ":-" else "")

    return re.sub(r"\$\{([A-Z_]+)(?:(:-|:\?)([^}]*))?\}", value, text)


def local_database_url() -> str:
    """The database of this test, reached as settings reach theirs."""
    found = connection.settings_dict
    user = f"{quote(found['USER'])}:{quote(found['PASSWORD'])}"
    if found["HOST"].startswith("/"):
        return f"postgres://{user}@/{found['NAME']}?host={quote(found['HOST'])}"
    return f"postgres://{user}@{found['HOST']}:{found['PORT']}/{found['NAME']}"


def environment(name: str, var_dir: Path) -> dict[str, str]:
    wanted = {key: interpolate(value) for key, value in service(name)["environment"].items()}
    assert wanted["DATABASE_URL"] == "postgres://gosend:only-for-this-test@postgres:5432/gosend"
    assert wanted["REDIS_URL"] == "redis://redis:6379/0"
    local = {
        "DATABASE_URL": local_database_url(),
        "REDIS_URL": settings.REDIS_URL,
        "VAR_DIR": str(var_dir),
        "SECRET_KEY": settings.SECRET_KEY,
        "ENCRYPTION_KEYS": settings.ENCRYPTION_KEYS,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    }
    return wanted | local


@contextmanager
def running(
    name: str, var_dir: Path, *, port: int | None = None, given: dict[str, str] | None = None
) -> Iterator[subprocess.Popen[str]]:
    command = [str(port) if port and part == "8000" else part for part in service(name)["command"]]
    var_dir.mkdir()
    with (var_dir / "output").open("w") as output:
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=given or environment(name, var_dir),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(WAIT_SECONDS)
            finally:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)  # with what it may have left behind
                process.wait()


def wait_for(condition: Any, process: subprocess.Popen[str], var_dir: Path) -> None:
    deadline = time.monotonic() + WAIT_SECONDS
    while not condition():
        assert process.poll() is None, (var_dir / "output").read_text()
        assert time.monotonic() < deadline, (var_dir / "output").read_text()
        time.sleep(0.1)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def answer(url: str, host: str) -> int:
    try:
        return requests.get(url, headers={"Host": host}, timeout=5).status_code
    except requests.ConnectionError:
        return 0


def test_web_answers_its_health_check_and_stops_when_told(tmp_path: Path) -> None:
    port, var_dir = free_port(), tmp_path / "web"
    url = f"http://127.0.0.1:{port}/healthz"

    env = environment("web", var_dir) | {"METRICS_FLUSH_SECONDS": "1"}
    earlier = reporting("web")
    with running("web", var_dir, port=port, given=env) as process:
        # As the health check asks, and as the sandbox's callbacks come.
        wait_for(lambda: answer(url, f"127.0.0.1:{port}") == 200, process, var_dir)
        assert answer(url, "web:8000") == 200
        assert answer(url, "elsewhere.example.com") == 400
        wait_for(lambda: reporting("web") > earlier, process, var_dir)

    assert process.returncode == 0
    assert reporting("web") <= earlier  # it has brought its last counts, and taken itself off the list


def reporting(kind: str) -> set[str]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT name FROM gosend_heartbeat WHERE kind = %s", [kind])
        return {name for (name,) in cursor.fetchall()}


@pytest.mark.parametrize(
    ("is_group", "number", "said"),
    [
        pytest.param(False, signal.SIGTERM, "Spawning worker-2", id="terminated-while-it-starts"),
        pytest.param(True, signal.SIGINT, "Started worker-2", id="interrupted-by-its-terminal"),
    ],
)
def test_web_told_to_stop_does_not_wait_to_be_killed(
    is_group: bool, number: signal.Signals, said: str, tmp_path: Path
) -> None:
    var_dir = tmp_path / "web"
    command = service("web")["command"]
    kill_seconds = int(command[command.index("--workers-kill-timeout") + 1])

    with running("web", var_dir, port=free_port()) as process:
        wait_for(lambda: said in (var_dir / "output").read_text(), process, var_dir)
        time.sleep(0.2)  # longer than a fork takes, shorter than the application takes to load
        if is_group:
            assert all(_leaves_interrupts_to_its_parent(worker) for worker in _children(process))
        told = time.monotonic()
        (os.killpg if is_group else os.kill)(process.pid, number)
        assert process.wait(kill_seconds + WAIT_SECONDS) == 0
        assert time.monotonic() - told < kill_seconds / 2


def _children(process: subprocess.Popen[str]) -> list[int]:
    found = psutil.Process(process.pid).children()
    assert found
    return [child.pid for child in found]


def _leaves_interrupts_to_its_parent(pid: int) -> bool:
    [blocked] = re.findall(r"^SigBlk:\s(\w+)$", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    return bool(int(blocked, 16) & 1 << signal.SIGINT - 1)


@pytest.mark.parametrize(("name", "said"), [("worker", "ready."), ("beat", "beat started")])
def test_worker_and_beat_come_up_and_stop_when_told(tmp_path: Path, name: str, said: str) -> None:
    var_dir = tmp_path / name

    with running(name, var_dir) as process:
        wait_for(lambda: said in (var_dir / "output").read_text(), process, var_dir)

    assert process.returncode == 0


def test_a_worker_is_healthy_by_its_health_check_also_without_its_broker(tmp_path: Path) -> None:
    var_dir = tmp_path / "worker"
    given = {"REDIS_URL": "redis://127.0.0.1:1/0", "METRICS_FLUSH_SECONDS": "1"}
    asked = environment("worker", var_dir) | given

    def check() -> int:
        _, program, *arguments = service("worker")["healthcheck"]["test"]
        command = [sys.executable if program == "python" else program, *arguments]
        return subprocess.run(command, cwd=ROOT, env=asked, capture_output=True, check=False).returncode

    assert check() == 1
    with running("worker", var_dir, given=asked) as process:
        wait_for(lambda: check() == 0, process, var_dir)


def test_beat_leaves_the_file_that_its_health_check_looks_for(tmp_path: Path) -> None:
    var_dir = tmp_path / "beat"
    pattern = re.search(r"-name '([^']+)'", service("beat")["healthcheck"]["test"][1])
    assert pattern is not None

    with running("beat", var_dir) as process:
        wait_for(lambda: list(var_dir.glob(pattern[1])), process, var_dir)


def test_migrate_finds_nothing_to_do_in_a_migrated_database(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, *service("migrate")["command"][1:]],
        cwd=ROOT,
        env=environment("migrate", tmp_path),
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert "No migrations to apply" in done.stdout


def test_the_image_runs_the_web_command_of_compose_by_itself() -> None:
    lines = (ROOT / "Dockerfile").read_text().splitlines()
    [command] = [line for line in lines if line.startswith("CMD ")]

    assert yaml.safe_load(command.removeprefix("CMD ")) == service("web")["command"]


@pytest.mark.parametrize(
    ("module", "environment", "limit"),
    [
        ("gosend.wsgi", {}, "30s"),
        ("gosend.wsgi", {"WEB_STATEMENT_SECONDS": "7"}, "7s"),
        ("gosend.wsgi", {"WEB_STATEMENT_SECONDS": "0"}, "0"),
        ("gosend.celery", {}, "0"),
    ],
)
def test_only_statements_of_web_processes_are_given_up(
    module: str, environment: dict[str, str], limit: str, tmp_path: Path
) -> None:
    asking = f"""
import importlib, os
os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
importlib.import_module("{module}")
import django
django.setup()
from django.db import connection
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
with connection.cursor() as cursor:
    cursor.execute("SHOW statement_timeout")
    print(cursor.fetchone()[0])
"""
    given = os.environ | {"DATABASE_URL": local_database_url(), "VAR_DIR": str(tmp_path)} | environment

    told = subprocess.run(
        [sys.executable, "-c", asking], cwd=ROOT, env=given, capture_output=True, text=True, check=True
    )

    assert told.stdout.strip() == limit


def test_what_the_service_needs_is_pinned_with_all_that_it_brings() -> None:
    """A developer's machine has more, so what is missing would show only where the service is installed."""
    lines = (ROOT / "requirements.txt").read_text().splitlines()
    pinned = [Requirement(line) for line in lines if line and not line.startswith("#")]
    names = {canonicalize_name(one.name) for one in pinned}

    missing = []
    for one in pinned:
        for text in metadata.requires(one.name) or []:
            needed = Requirement(text)
            extras = [*one.extras, ""]
            is_needed = needed.marker is None or any(needed.marker.evaluate({"extra": it}) for it in extras)
            if is_needed and canonicalize_name(needed.name) not in names:
                missing.append(f"{one.name} needs {needed.name}")
    assert missing == []


def test_web_and_worker_come_up_with_what_is_pinned_alone() -> None:
    pinned = (ROOT / "requirements.txt").read_text().splitlines()
    names = [canonicalize_name(Requirement(line).name) for line in pinned if line and line[0] != "#"]
    importing = f"""
import importlib, sys
from importlib.metadata import packages_distributions
owners = packages_distributions()
allowed = set({names!r})

class OnlyPinned:
    def find_spec(self, name, path=None, target=None):
        of = {{owner.lower().replace("_", "-").replace(".", "-") for owner in owners.get(name, [])}}
        if of and not of & allowed:
            raise ModuleNotFoundError(f"{{name}} is not pinned for the service", name=name)

sys.meta_path.insert(0, OnlyPinned())
for module in ("gosend.wsgi", "gosend.celery", "kombu.transport.redis", "celery.concurrency.thread"):
    importlib.import_module(module)
from django.core.management import call_command
call_command("check")
"""
    asked = {"DJANGO_SETTINGS_MODULE": "gosend.settings", "REDIS_URL": "redis://127.0.0.1:1/0"}
    asked |= {"SECRET_KEY": settings.SECRET_KEY, "ENCRYPTION_KEYS": settings.ENCRYPTION_KEYS}
    done = subprocess.run(
        [sys.executable, "-c", importing], cwd=ROOT, env=os.environ | asked, capture_output=True, text=True,
        check=False,
    )  # fmt: skip

    assert done.returncode == 0, done.stderr
