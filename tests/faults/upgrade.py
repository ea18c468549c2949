"""F30: the version before serves, its database is migrated under it, and this version takes its place."""

import contextlib
import io
import shutil
import signal
import subprocess
import sys
import tarfile
import time
from collections.abc import Iterator
from functools import lru_cache

from tests.faults import servers
from tests.faults.ground import Ground, make_template
from tests.faults.nursery import ROOT
from tests.faults.restarts import restart_each, under_load
from tests.faults.scenario import NOT_RUN, Run, scenario
from tests.faults.world import World

# What stands for the version before until one has been released: three migrations ago.
_BEFORE = "6ed039c0863b1e5bc6b4ac7c8cd557e437c446d0"
_MIGRATIONS = "SELECT count(*) FROM django_migrations"


@lru_cache(maxsize=1)
def _previous() -> str:
    """The latest released version before this one, by its tag; nothing without the repository's history."""
    for asked in (
        ["describe", "--tags", "--abbrev=0", "--match", "v*", "HEAD~1"],
        ["rev-parse", f"{_BEFORE}^0"],
    ):
        if found := _git(*asked):
            return found.decode().strip()
    return ""


def _git(*arguments: str) -> bytes:
    program = shutil.which("git")
    if program is None:
        return b""
    done = subprocess.run([program, *arguments], cwd=ROOT, capture_output=True, check=False)  # noqa: S603 -- our own
    return b"" if done.returncode else done.stdout


def upgrade(run: Run) -> None:
    with _version_before(run.ground) as before, run.world(ground=before, workers=2, webs=2) as world:
        had = world.count(_MIGRATIONS)
        with under_load(run, world):
            _migrate(run, world)
            time.sleep(2)  # old code on the new tables
            _become(world, run.ground)
            restart_each(run, world)
            world.kill_worker(world.beat, signal.SIGTERM)
            world.start_beat()
        added = world.count(_MIGRATIONS) - had
        run.note(f"from {_previous()[:12]}: {added} migrations, applied while the old code served")


@contextlib.contextmanager
def _version_before(ground: Ground) -> Iterator[Ground]:
    """A ground of the old code, whose database has the old tables."""
    tree = ground.base / "before" / "tree"
    servers.reach_directory(tree)
    with tarfile.open(fileobj=io.BytesIO(_git("archive", "--format=tar", _previous()))) as packed:
        packed.extractall(tree, filter="data")
    before = Ground(tree.parent, ground.secrets, ground.programs, logs=ground.logs, root=tree)
    make_template(before)
    with contextlib.closing(before):
        yield before


def _migrate(run: Run, world: World) -> None:
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "manage.py", "migrate", "--verbosity", "0"],
        cwd=ROOT, env=world.environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    run.check(
        not done.returncode, f"migrated in {time.monotonic() - began:.1f} s {done.stderr[-300:]}".strip()
    )


def _become(world: World, ground: Ground) -> None:
    """From here on whatever is started runs the new code."""
    fresh = ground.nursery(world.environment)
    fresh.adopt(world.nursery)
    world.nursery = fresh
    for web in world.webs:
        web.root = ground.root


if _previous():
    scenario("F30", "migrated under 80 messages a second, old and new code together")(upgrade)
else:
    NOT_RUN["F30"] = "needs the repository's history, for the version before"
