"""A throw-away installation: database, Redis, web and worker processes, and a Meta that lies on demand."""

import contextlib
import os
import shutil
import signal
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import psycopg
import requests

from tests.faults import servers, standstill
from tests.faults.api import Api
from tests.faults.ground import APP_SECRET, Ground
from tests.faults.proxy import Proxy
from tests.faults.servers import CannotRun, Postgres, Redis, wait_until
from tests.faults.servers_of_others import PostOffice, Receiver
from tests.faults.web import Web

# Settings that are shorter here than in production, so that a scenario takes seconds.
SHORT = {
    "META_TIMEOUT_SECONDS": "4",
    "WEBHOOK_TIMEOUT_SECONDS": "4",
    "CLAIM_LEASE_SECONDS": "6",
    "UNCONFIRMED_AFTER_SECONDS": "120",
}
DOOR = "/meta/webhook"


class World:
    """Use as a context manager; nothing of it outlives the block."""

    def __init__(
        self, made: Ground, *, workers: int = 2, webs: int = 1, settings: Mapping[str, str] | None = None,
        has_beat: bool = True, redis_port: int | None = None,
    ) -> None:  # fmt: skip
        self.ground = made
        self.home = Path(tempfile.mkdtemp(prefix="world-", dir=made.base))
        servers.reach_directory(self.home)
        self.acme, self.globex = made.tenants
        self.postgres = Postgres(made.programs, self.home / "postgres", made.port("postgres"))
        self.redis = Redis(self.home, made.port("redis"))
        self.receiver = Receiver()
        self.post_office = PostOffice(door=lambda: (self.webs[0].port, DOOR))
        self.webs = [
            Web(made.port(f"web-{n}"), self.home / f"web-{n}.log", root=made.root) for n in range(webs)
        ]
        self.workers: list[int] = []
        self._wanted, self._has_beat, self._settings = workers, has_beat, dict(settings or {})
        self._redis_port = redis_port
        self._count = 0
        self.beat = 0
        self.api = self.api_of(self.acme.key)

    def __enter__(self) -> "World":
        try:
            self._start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _start(self) -> None:
        self.postgres.adopt(self.ground.template)
        self.postgres.start(must_answer=False)
        self.redis.start()
        sandbox_port = servers.free_port()
        self.proxy = Proxy(upstream=sandbox_port, port=self.ground.port("proxy"))
        self.environment = self._environment()
        wait_until(self.postgres.answers, seconds=servers.START_SECONDS, what="PostgreSQL starts")
        self.nursery = self.ground.nursery(self.environment)
        for web in self.webs:
            web.start(self.environment)
        self.sandbox_url = f"http://127.0.0.1:{sandbox_port}"
        callback = f"http://127.0.0.1:{self.post_office.port}/"
        command = ["sandbox_meta", "--port", str(sandbox_port), "--callback-url", callback]
        self.nursery.bear([*command, "--app-secret", APP_SECRET], log=self.home / "sandbox.log")
        for _ in range(self._wanted):
            self.start_worker()
        if self._has_beat:
            self.start_beat()
        wait_until(lambda: all(web.answers() for web in self.webs), seconds=90, what="the web server answers")
        wait_until(self._sandbox_answers, seconds=60, what="the sandbox answers")

    def _environment(self) -> dict[str, str]:
        unwanted = ("DATABASE_URL", "REDIS_URL")
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(unwanted)}
        port = self._redis_port or self.redis.port
        return inherited | dict(self.ground.secrets) | {
            "DATABASE_URL": self.postgres.url,
            "REDIS_URL": f"redis://127.0.0.1:{port}/0",
            "DJANGO_SETTINGS_MODULE": "gosend.settings",
            "VAR_DIR": str(self.ground.base / "var"),
            "PUBLIC_URL": self.webs[0].url,
            "META_GRAPH_URL": f"http://127.0.0.1:{self.proxy.port}",
            "SANDBOX_URL": f"http://127.0.0.1:{self.proxy.port}",
            "TRUSTED_NETWORKS": "127.0.0.0/8",
            "PYTHONUNBUFFERED": "1",
            **SHORT,
            **self._settings,
        }  # fmt: skip

    def close(self) -> None:
        """Stop all of it, by pid, in whatever state it is."""
        with contextlib.ExitStack() as stack:
            stack.callback(shutil.rmtree, self.home, ignore_errors=True)
            if self.ground.logs:
                stack.callback(self._keep_logs, self.ground.logs / self.home.name)
            stack.callback(self.postgres.stop, how=signal.SIGQUIT)
            stack.callback(self.redis.kill)
            for name in ("receiver", "post_office", "proxy"):
                if found := getattr(self, name, None):
                    stack.callback(found.close)
            if hasattr(self, "nursery"):
                stack.callback(self.nursery.bury)
            for web in self.webs:
                stack.callback(web.stop)

    def _keep_logs(self, target: Path) -> None:
        target.mkdir(parents=True)
        nursery = self.ground.base / "nursery.log"
        for path in (nursery, *self.home.glob("*.log"), *self.home.glob("postgres/*.log")):
            shutil.copy(path, target)

    # --- Processes --------------------------------------------------------------------------------
    def start_worker(self, *, concurrency: int = 8, **extra: str) -> int:
        self._count += 1
        command = ["celery", "-A", "gosend", "worker", "--pool", "threads", "--loglevel", "INFO"]
        command += ["--concurrency", str(concurrency), "--without-mingle", "--without-gossip"]
        command += ["--hostname", f"w{self._count}@faults"]
        pid = self.nursery.bear(command, log=self.home / f"worker-{self._count}.log", extra=extra)
        self.workers.append(pid)
        return pid

    def start_beat(self) -> int:
        schedule = str(self.home / f"beat-{time.monotonic_ns()}")
        command = ["celery", "-A", "gosend", "beat", "--pidfile", "", "--schedule", schedule]
        self.beat = self.nursery.bear([*command, "--loglevel", "INFO"], log=self.home / "beat.log")
        return self.beat

    def kill_worker(self, pid: int, number: signal.Signals = signal.SIGKILL) -> None:
        self.nursery.signal(pid, number)
        if number == signal.SIGKILL and pid in self.workers:
            self.workers.remove(pid)

    def raise_the_dead(self) -> int:
        """Start anew whatever ended by itself, as a supervisor does; return how many processes that were."""
        dead = [pid for pid in self.workers if not self.nursery.lives(pid)]
        for pid in dead:
            self.workers.remove(pid)
            self.start_worker()
        if self._has_beat and not self.nursery.lives(self.beat):
            self.start_beat()
            dead.append(self.beat)
        for web in self.webs:
            if web.has_ended():
                web.stop()
                web.start(self.environment)
                dead.append(web.port)
        return len(dead)

    def kill_workers(self) -> None:
        for pid in list(self.workers):
            self.kill_worker(pid)

    def restart_web(self, web: Web, *, how: signal.Signals = signal.SIGKILL) -> None:
        """Stop and start it; with a second host clients come back to it once it answers."""
        web.stop(how=how)
        web.is_in_turn = len(self.webs) == 1
        web.start(self.environment)
        wait_until(web.answers, seconds=60, what="the web server answers")
        web.is_in_turn = True

    def logs(self) -> str:
        return "".join(path.read_text(errors="replace") for path in sorted(self.home.glob("*.log")))

    # --- Asking -----------------------------------------------------------------------------------
    def api_of(self, key: str) -> Api:
        return Api(base_urls=lambda: [web.url for web in self.webs if web.is_in_turn], key=key)

    def sql(self, query: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Ask the database; waits for it while it is down."""
        deadline = time.monotonic() + 60
        while True:
            try:
                with psycopg.connect(self.postgres.url, autocommit=True, connect_timeout=3) as connection:
                    cursor = connection.execute(query, parameters)
                    return cursor.fetchall() if cursor.description else []
            except psycopg.OperationalError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.1)

    def advance(self, seconds: float) -> None:
        """Let time pass: what is stored of messages and webhooks is so much older from now on.

        Call it while no claim is held: a lease would end with it.
        """
        columns = self.sql(
            """SELECT table_name, string_agg(format('%%1$I = %%1$I - make_interval(secs => %%2$s)',
                                                    column_name, %s::text), ', ')
                 FROM information_schema.columns JOIN pg_class ON relname = table_name AND relkind = 'r'
                WHERE table_schema = 'public' AND data_type = 'timestamp with time zone'
                  AND (table_name LIKE 'messaging_%%' OR table_name LIKE 'webhooks_app_%%')
                GROUP BY table_name""",
            [seconds],
        )
        statements = [f"UPDATE {table} SET {changes}" for table, changes in columns]  # noqa: S608 -- our own names
        with psycopg.connect(self.postgres.url) as connection:  # all of it, or none
            connection.execute(";".join(statements))

    def count(self, query: str, parameters: Sequence[Any] = ()) -> int:
        return int(self.sql(query, parameters)[0][0])

    def meta_received(self) -> list[dict[str, Any]]:
        """What Meta really took, message by message."""
        told = requests.get(f"{self.sandbox_url}/_sandbox/received", timeout=60).json()
        messages: list[dict[str, Any]] = told["messages"]
        return messages

    def at_meta(self) -> dict[str, list[str]]:
        """Our ids, and under which wamids Meta has each."""
        found: dict[str, list[str]] = {}
        for message in self.meta_received():
            opaque = (message["biz_opaque_callback_data"] or "").split(":")
            if len(opaque) == 3:
                found.setdefault(opaque[1], []).append(message["wamid"])
        return found

    def sending(self, *, doubted_since: float | None = None) -> set[str]:
        """The messages whose intent is committed and whose outcome is not; or unknown since a moment."""
        rows = self.sql(
            """SELECT message_id::text FROM messaging_dispatch WHERE state = 'sending' OR state = 'unknown'
                  AND due_at > to_timestamp(%s) + make_interval(secs => %s)""",
            [doubted_since or time.time(), int(self.environment["UNCONFIRMED_AFTER_SECONDS"])],
        )
        return {one for (one,) in rows}

    def in_doubt(self) -> set[str]:
        """What the API lists as unknown, or as unknown for so long that it is unconfirmed."""
        return {one for status in ("unknown", "unconfirmed") for one in self.api.listed(status=status)}

    def unsettled(self) -> int:
        return self.count("SELECT count(*) FROM messaging_message WHERE status IN ('queued', 'sending')")

    def drain(self, *, seconds: float = 120.0) -> float:
        """Wait until nothing is queued or being sent; return the seconds it took."""
        started = time.monotonic()
        why = standstill.why(self.sql)
        wait_until(lambda: not self.unsettled(), seconds=seconds, what="the queues drain", every=0.2, why=why)
        return time.monotonic() - started

    def hear_all(self, *, seconds: float = 120.0) -> None:
        """Wait until Meta's callbacks are carried and worked off, and the webhooks are delivered."""
        deadline = time.monotonic() + seconds
        while any((left := self._left_to_hear()).values()):
            if time.monotonic() > deadline:
                words = ", ".join(f"{count} {what}" for what, count in left.items())
                raise CannotRun(f"callbacks and webhooks settle: not within {seconds:.0f} s; left: {words}")
            time.sleep(0.3)

    def _left_to_hear(self) -> dict[str, int]:
        told = requests.get(f"{self.sandbox_url}/_sandbox/received", timeout=60).json()["callbacks"]
        callbacks = "SELECT count(*) FROM messaging_metaevent WHERE next_attempt_at IS NOT NULL"
        webhooks = (
            "SELECT count(*) FROM webhooks_app_delivery WHERE next_attempt_at < now() + interval '20 s'"
        )
        return {
            "at Meta": told["waiting"],
            "on the way": self.post_office.waiting(),
            "not worked off": self.count(callbacks),
            "webhooks": self.count(webhooks),
        }

    def subscribe(
        self, number: str, *events: str, path: str = "/hook", api: Api | None = None
    ) -> dict[str, Any]:
        """Have events of a number, or of the whole project where none is named, posted to the receiver."""
        body: dict[str, Any] = {"url": self.receiver.url(path), "type": "gosendapi_events"}
        body |= {"phone_number_id": number} if number else {}
        made = (api or self.api).call("POST", "/v1/webhooks", body={**body, "events": list(events)})
        assert made.status_code == 201, made.text
        endpoint: dict[str, Any] = made.json()
        return endpoint

    def _sandbox_answers(self) -> bool:
        with contextlib.suppress(requests.RequestException):
            return requests.get(f"{self.sandbox_url}/_sandbox/received", timeout=2).status_code == 200
        return False
