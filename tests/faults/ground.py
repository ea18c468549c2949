"""What all worlds of a run share: programs, secrets, and a database to copy."""

import contextlib
import json
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import psycopg

from tests.faults import servers
from tests.faults.nursery import ROOT, Nursery
from tests.faults.servers import CannotRun, Postgres, wait_until

APP_SECRET = "an-app-secret-of-the-fault-suite"


@dataclass(frozen=True)
class Tenant:
    """What the seed made for one tenant."""

    tenant: int
    waba_id: str
    numbers: list[str]
    sandbox_number: str
    key: str
    other_key: str
    test_key: str


@dataclass
class Ground:
    """What all worlds of a run share: programs, secrets, and a database to copy."""

    base: Path
    secrets: Mapping[str, str]
    programs: Path
    tenants: list[Tenant] = field(default_factory=list)
    # Where the logs of every world are left; nowhere by default.
    logs: Path | None = None
    # Whose code its processes run.
    root: Path = ROOT
    _ports: dict[str, int] = field(default_factory=dict)
    _kept: tuple[Mapping[str, str], Nursery] | None = None

    @property
    def template(self) -> Path:
        return self.base / "template" / "data"

    def port(self, name: str) -> int:
        """The same for every world, so that all have the same environment."""
        if name not in self._ports:
            self._ports[name] = servers.quiet_port(taken=self._ports.values())
        return self._ports[name]

    def nursery(self, environment: Mapping[str, str]) -> Nursery:
        """One that has everything imported: the last world's, where it had the same settings."""
        if self._kept is None or self._kept[0] != environment:
            self.close()
            self._kept = environment, Nursery(
                environment=environment, log=self.base / "nursery.log", root=self.root
            )  # fmt: skip
        return self._kept[1]

    def close(self) -> None:
        if self._kept is not None:
            self._kept[1].close()
            self._kept = None


@contextlib.contextmanager
def ground(*, logs: Path | None = None) -> Iterator[Ground]:
    """Make the template cluster once; remove everything at the end."""
    base = Path(tempfile.mkdtemp(prefix="gosend-faults-"))
    servers.reach_directory(base)
    try:
        ring = "f1:MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
        kept = {"SECRET_KEY": secrets.token_hex(32), "ENCRYPTION_KEYS": ring, "FAULTS_APP_SECRET": APP_SECRET}
        made = Ground(base, kept, servers.postgres_programs(base), logs=logs)
        make_template(made)
        with contextlib.closing(made):
            yield made
    finally:
        shutil.rmtree(base, ignore_errors=True)


def make_template(made: Ground) -> None:
    """A database with what all worlds begin with, by the ground's own code."""
    cluster = Postgres(made.programs, made.base / "template")
    cluster.initialise()
    cluster.start(must_answer=False)
    try:
        admin = cluster.url.removesuffix("gosend") + "postgres"
        wait_until(lambda: _creates(admin), seconds=60, what="PostgreSQL starts")
        environment = {**os.environ, **made.secrets, "DATABASE_URL": cluster.url, "REDIS_URL": ""}
        environment |= {"VAR_DIR": str(made.base / "var"), "DJANGO_SETTINGS_MODULE": "gosend.settings"}
        for command in (["manage.py", "migrate", "--verbosity", "0"], ["-m", "tests.faults.seed"]):
            done = subprocess.run(  # noqa: S603 -- our own commands
                [sys.executable, *command],
                cwd=made.root,
                env=environment,
                capture_output=True,
                text=True,
                check=False,
            )
            if done.returncode:
                raise CannotRun(f"{command[-1]} failed:\n{done.stderr[-3000:]}")
        made.tenants = [Tenant(**one) for one in json.loads(done.stdout)]
    finally:
        cluster.stop()


def _creates(url: str) -> bool:
    with contextlib.suppress(psycopg.OperationalError):
        with psycopg.connect(url, autocommit=True, connect_timeout=2) as connection:
            connection.execute("CREATE DATABASE gosend")
        return True
    return False
