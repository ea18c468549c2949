"""Database, Redis, clock, disk and the public address."""

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

import redis
from django.conf import settings
from django.core import checks
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor

from gosend.demo.running import Address, is_healthz
from gosend.doctor.findings import Finding, ill, skipped, warned, well
from gosend.lib import http

# Seconds by which two clocks may differ: Meta's signatures and our times stand for so much.
_DRIFT_SECONDS = 5.0
_HTTP_SECONDS = 10.0
# Meta answers within one; who has no way to it is not kept waiting.
META_SECONDS = 4.0
_OLDEST_POSTGRES = 15
_BODY_BYTES = 100_000


def settings_checks() -> Iterator[Finding]:
    """Django's checks and ours: what hurts is refused at start already, the warnings are said here."""
    found = [one for one in checks.run_checks() if one.level >= checks.WARNING]
    for one in found:
        say = ill if one.level >= checks.ERROR else warned
        yield say("settings", f"{one.msg} ({one.id})", one.hint or "See the message.")
    if not found:
        yield well("settings", "Nothing in the settings would hurt.")


def database() -> Iterator[Finding]:
    try:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT current_setting('server_version_num')::int, current_setting('server_version')"
            )
            number, version = cursor.fetchone()
    except DatabaseError as error:
        cure = "Start PostgreSQL, and check DATABASE_URL (host, port, user, password, name)."
        yield ill("database", f"PostgreSQL cannot be reached: {str(error).strip().splitlines()[0]}", cure)
        return
    if number < _OLDEST_POSTGRES * 10_000:
        yield ill("database", f"PostgreSQL is {version}.", f"Use {_OLDEST_POSTGRES} or newer.")
    else:
        yield well("database", f"PostgreSQL {version} answers.")
    executor = MigrationExecutor(connection)
    missing = executor.migration_plan(executor.loader.graph.leaf_nodes())
    if missing:
        yield ill("migrations", f"{len(missing)} migrations are missing.", "Run: manage.py migrate")
    else:
        yield well("migrations", "All migrations are applied.")


def broker() -> Iterator[Finding]:
    if not settings.REDIS_URL:
        yield warned(
            "redis",
            "No Redis is configured: limits are counted in PostgreSQL, doorbells are files on this machine.",
            "Fine for one machine. For several set REDIS_URL.",
        )
        return
    client = redis.Redis.from_url(settings.REDIS_URL, socket_timeout=2, socket_connect_timeout=2)
    try:
        seconds, micro = client.time()
        client.set("gosend:doctor", "well", ex=1)
    except redis.OutOfMemoryError:
        says = "Redis is full and takes nothing in: no doorbell rings, workers look for work by themselves."
        yield ill("redis", says, "Raise maxmemory, or empty it (FLUSHDB): all of ours is made anew.")
        return
    except redis.RedisError as error:
        cure = "Start Redis, and check REDIS_URL. Until then workers look by themselves, a little later."
        yield ill("redis", f"Redis cannot be reached: {type(error).__name__}", cure)
        return
    finally:
        client.close()
    yield from _compared("Redis", time.time() - (seconds + micro / 1_000_000), "redis")


def clock() -> Iterator[Finding]:
    """Leases and ids go by the database's clock, signatures by this machine's."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT extract(epoch FROM clock_timestamp())::float8")
        yield from _compared("PostgreSQL", time.time() - cursor.fetchone()[0], "clock")


def storage() -> Iterator[Finding]:
    try:
        name = default_storage.save("doctor", ContentFile(b"well"))
        default_storage.delete(name)
    except OSError as error:
        cure = "Give the user that runs GoSend the right to write there, or set VAR_DIR to another."
        yield ill("files", f"Files that customers send cannot be kept: {error.strerror or error}.", cure)
        return
    yield well("files", "Files that customers send can be kept.")


def public_address(at: Address) -> Iterator[Finding]:
    """Whether our own door answers at the address where Meta, or the sandbox, is told to find it."""
    named = f"{at.url} ({at.source})"
    try:
        answer = _get(f"{at.url}/healthz")
    except http.Failed as failed:
        why = f"does not answer: {failed}" if at.is_heard() else "is silent: nobody listens there"
        cure = "Start the web server (make run), point the domain and the proxy at it, and check PUBLIC_URL."
        yield ill("public address", f"{named} {why}.", f"{cure} For another port: make doctor PORT=…")
        return
    if not is_healthz(answer):
        cure = "Another server answers there: point the proxy at GoSend, with the path unchanged."
        says = f"{named} answers {answer.status} to /healthz, and not as GoSend does."
        yield ill("public address", says, cure)
        return
    yield well("public address", f"{named} leads here.")
    if urlsplit(at.url).scheme == "http":
        yield skipped("public address", "Plain http: fine for the sandbox; Meta itself needs https.")


def meta_reached() -> Iterator[Finding]:
    """Whether Meta can be reached, and what its clock says: signatures and tokens go by it."""
    try:
        _require_resolved(urlsplit(settings.META_GRAPH_URL).hostname or "")
        answer = _get(f"{settings.META_GRAPH_URL}/{settings.META_GRAPH_VERSION}/", seconds=META_SECONDS)
    except http.Failed as failed:
        cure = (
            "Let this machine out to graph.facebook.com:443 (firewall, DNS, proxy), or ask nothing of Meta:"
        )
        yield ill(
            "meta",
            f"{settings.META_GRAPH_URL} cannot be reached: {failed}.",
            f"{cure} make doctor ARGS=--offline",
        )
        return
    yield well("meta", f"{settings.META_GRAPH_URL} answers.")
    try:
        theirs = parsedate_to_datetime(answer.headers.get("date", "")).timestamp()
    except (TypeError, ValueError):
        return
    yield from _compared("Meta", time.time() - theirs, "clock")


def _require_resolved(host: str) -> None:
    """Raise http.Failed when a name is not resolved in time.

    Where no resolver answers, the system's own look-up takes up to a minute and cannot be broken off,
    by libcurl neither; so it is left behind in a thread.
    """
    done = threading.Event()

    def look_up() -> None:
        # A name that does not exist is the request's to tell.
        with contextlib.suppress(OSError):
            socket.getaddrinfo(host, 443)
        done.set()

    threading.Thread(target=look_up, daemon=True).start()
    if not done.wait(META_SECONDS):
        raise http.Failed("dns", http.Outcome.NOT_SENT)


def _get(url: str, *, seconds: float = _HTTP_SECONDS) -> http.Response:
    """Fetch an address of our own choice; raises http.Failed."""
    return http.fetch(
        method="GET",
        url=url,
        headers={},
        body=None,
        timeout_seconds=seconds,
        max_bytes=_BODY_BYTES,
        guard=None,
    )


def _compared(whose: str, drift: float, about: str) -> Iterator[Finding]:
    if abs(drift) > _DRIFT_SECONDS:
        cure = "Keep the time with NTP on both machines (timedatectl set-ntp true)."
        yield ill(about, f"This machine's clock is {drift:+.1f} s off that of {whose}.", cure)
    else:
        yield well(about, f"{whose} answers, and its clock agrees with ours.")
