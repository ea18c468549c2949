"""Make .venv and install the pinned requirements, when they are missing or changed.

Only the standard library: this runs before anything is installed. `python bin/install.py requirements.txt`
"""

# ruff: noqa: S603, T201 -- it runs pip and talks to a terminal

import fcntl
import hashlib
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
# What each requirements file includes, itself last.
FILES = {
    "requirements.txt": ["requirements.txt"],
    "requirements-dev.txt": ["requirements.txt", "requirements-dev.txt"],
}


def stamp(name: str) -> tuple[Path, str]:
    """Say where it is noted what was installed, and what must stand there."""
    wanted = hashlib.sha256(b"".join((ROOT / part).read_bytes() for part in FILES[name])).hexdigest()
    return VENV / f".installed-{name}", wanted


def is_installed(name: str) -> bool:
    path, wanted = stamp(name)
    return PYTHON.exists() and path.exists() and path.read_text() == wanted


def install(name: str) -> None:
    made = VENV / ".made"
    if not (PYTHON.exists() and made.exists()):
        print("Making .venv …", file=sys.stderr)
        # Asked of the real interpreter, for we may be running from a .venv that is half made.
        base: str = getattr(sys, "_base_executable", sys.executable)
        subprocess.run([base, "-m", "venv", "--clear", VENV], check=True)
        made.touch()
    print(f"Installing {name}; this takes a minute the first time …", file=sys.stderr)
    stamp(name)[0].unlink(missing_ok=True)
    pip = [str(PYTHON), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    environment = os.environ | {"PIP_ROOT_USER_ACTION": "ignore"}
    subprocess.run([*pip, "-r", str(ROOT / name)], check=True, env=environment)
    for part in FILES[name]:
        path, wanted = stamp(part)
        path.write_text(wanted)


def main() -> int:
    name = sys.argv[1]
    if is_installed(name):
        return 0
    # One at a time; the lock lies outside what `venv --clear` empties.
    with (ROOT / ".venv.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not is_installed(name):
            try:
                install(name)
            except subprocess.CalledProcessError as error:
                print(f"Could not install {name}: see above (exit {error.returncode}).", file=sys.stderr)
                return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
