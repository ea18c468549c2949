"""manage.py where no PostgreSQL answers."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent


@pytest.mark.parametrize(
    ("url", "cure"),
    [
        pytest.param("", "Leave make run or make demo going.", id="embedded"),
        pytest.param("postgres://nobody@127.0.0.1:1/none", "See DATABASE_URL.", id="named"),
    ],
)
def test_a_command_without_a_server_says_so_and_what_to_do(url: str, cure: str, tmp_path: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "manage.py", "alive", "worker"],
        cwd=ROOT,
        env=os.environ | {"DATABASE_URL": url, "VAR_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert ended.returncode == 1
    assert ended.stderr.startswith(f"No connection to PostgreSQL. {cure}\n")
    assert len(ended.stderr.splitlines()) == 2
