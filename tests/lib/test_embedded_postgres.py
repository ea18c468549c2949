"""The embedded server, as real processes: started, shared, killed, stopped."""

# ruff: noqa: S603 -- our own commands

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from gosend.lib import embedded_postgres

HOLD = [sys.executable, "-m", "gosend.lib.embedded_postgres", "hold", "--"]
WAIT_SECONDS = 20


@pytest.fixture
def var_dir(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path / "var"
    assert embedded_postgres.stop(tmp_path / "var")
    if os.geteuid() == 0:
        shutil.rmtree(Path("/var/lib/gosend") / (tmp_path / "var/postgres/home").read_text())


def environment(var_dir: Path, **more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("DATABASE_URL")}
    return kept | {"VAR_DIR": str(var_dir)} | more


def is_up(var_dir: Path) -> bool:
    try:
        psycopg.connect(embedded_postgres.url(var_dir)).close()
    except psycopg.OperationalError:
        return False
    return True


def wait_until_up(var_dir: Path) -> None:
    deadline = time.monotonic() + WAIT_SECONDS
    while not is_up(var_dir):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_the_last_holder_stops_the_server_and_the_data_stays(var_dir: Path) -> None:
    with embedded_postgres.holding(var_dir) as url:
        with embedded_postgres.holding(var_dir), psycopg.connect(url) as connection:
            connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
        assert is_up(var_dir)
        assert not embedded_postgres.stop(var_dir)

    assert not is_up(var_dir)
    with embedded_postgres.holding(var_dir) as url, psycopg.connect(url) as connection:
        assert connection.execute("SELECT answer FROM kept").fetchall() == [(42,)]
        assert connection.execute("SHOW fsync").fetchone() == ("on",)
        assert connection.execute("SHOW listen_addresses").fetchone() == ("",)


def test_holders_starting_at_once_share_one_server(var_dir: Path) -> None:
    command = [*HOLD, sys.executable, "-c", "import sys; sys.exit(5)"]

    processes = [subprocess.Popen(command, env=environment(var_dir)) for _ in range(3)]

    assert [process.wait() for process in processes] == [5, 5, 5]
    assert not is_up(var_dir)


def test_what_a_killed_holder_left_running_is_taken_over_and_stopped(var_dir: Path) -> None:
    killed = subprocess.Popen([*HOLD, "sleep", "60"], env=environment(var_dir))
    wait_until_up(var_dir)
    killed.kill()
    killed.wait()
    assert is_up(var_dir)

    subprocess.run([*HOLD, "true"], env=environment(var_dir), check=True)

    assert not is_up(var_dir)


def test_a_killed_server_comes_back_with_what_was_committed(var_dir: Path) -> None:
    with embedded_postgres.holding(var_dir) as url:
        with psycopg.connect(url) as connection:
            connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
            row = connection.execute("SELECT pg_read_file('postmaster.pid')").fetchone()
        assert row is not None
        pid = int(row[0].split()[0])
        os.kill(pid, signal.SIGKILL)

    with embedded_postgres.holding(var_dir) as url, psycopg.connect(url) as connection:
        assert connection.execute("SELECT answer FROM kept").fetchall() == [(42,)]


def test_a_signal_reaches_the_command_once(var_dir: Path) -> None:
    script = """
import signal, time
signal.signal(signal.SIGINT, lambda *_: print("got it", flush=True))
print("ready", flush=True)
time.sleep(1)
"""
    process = subprocess.Popen(
        [*HOLD, sys.executable, "-c", script],
        env=environment(var_dir),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"

    os.killpg(process.pid, signal.SIGINT)

    assert process.communicate()[0] == b"got it\n"
    assert process.returncode == 0


def test_with_a_database_url_no_server_is_started(tmp_path: Path) -> None:
    env = environment(tmp_path / "var", DATABASE_URL="postgres://elsewhere/gosend")

    done = subprocess.run([*HOLD, "sh", "-c", "exit 7"], env=env, check=False)

    assert done.returncode == 7
    assert not (tmp_path / "var").exists()


def test_a_deep_directory_gets_a_short_socket_path(tmp_path: Path) -> None:
    url = embedded_postgres.url(tmp_path / ("deep" * 20) / "with blanks")

    assert len(url.partition("host=")[2]) < 80
    assert " " not in url
