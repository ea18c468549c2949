"""The tasks that run in a fresh process each, so that their CPU is theirs alone."""

import json
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import django
import psutil  # type: ignore[import-untyped]
import pycurl

Figures = dict[str, Any]


def drain(*, number_id: int, seconds: float) -> Figures:
    """Empty one number's queue as a worker does."""
    from messaging import deliver  # noqa: PLC0415 -- after django.setup()

    with _statements() as seen, _measured() as figures:
        sent = 0
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            done = deliver.drain(number_id=number_id)
            sent += done
            if not done and not _is_waiting(number_id):
                break
    calls = getattr(deliver, "CALLS_AT_ONCE", deliver.BATCH)
    return {**figures, "count": sent, "statements": len(seen), "concurrency": calls, "claims": _claims(seen)}


def ingest(*, seconds: float) -> Figures:
    """Handle every callback that waits."""
    from messaging import ingest as room  # noqa: PLC0415 -- after django.setup()

    with _statements() as seen, _measured() as figures:
        handled = room.handle_due(seconds=seconds)
    return {**figures, "count": handled, "statements": len(seen)}


def deliver(*, seconds: float) -> Figures:
    """Post every delivery that is due."""
    from webhooks_app import deliver as room  # noqa: PLC0415 -- after django.setup()
    from webhooks_app.models import Delivery  # noqa: PLC0415

    waiting = Delivery.objects.filter(status=Delivery.Status.PENDING)
    before = waiting.count()
    with _statements() as seen, _measured() as figures:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and waiting[:1].exists():
            room.run()
    return {
        **figures,
        "count": before - waiting.count(),
        "statements": len(seen),
        "concurrency": room.THREADS,
    }


def bare_calls(
    *, url: str, count: int, concurrency: int, body: str, token: str = "", headers: int = 1
) -> Figures:
    """The bare HTTP client loop: threads, one kept pycurl handle each, nothing else."""
    local = threading.local()
    named = ["Content-Type: application/json", f"Authorization: Bearer {token}"]
    named += [f"X-Header-{number}: {'x' * 40}" for number in range(headers - 1)]

    def call(_number: int) -> int:
        curl = getattr(local, "curl", None)
        if curl is None:
            curl = local.curl = pycurl.Curl()
            curl.setopt(pycurl.URL, url)
            curl.setopt(pycurl.HTTPHEADER, named)
            curl.setopt(pycurl.POSTFIELDS, body)
            curl.setopt(pycurl.TIMEOUT_MS, 30_000)
            curl.setopt(pycurl.TCP_NODELAY, 1)
        answer: list[bytes] = []
        curl.setopt(pycurl.WRITEFUNCTION, answer.append)
        curl.perform()
        return int(curl.getinfo(pycurl.RESPONSE_CODE))

    with _measured() as figures, ThreadPoolExecutor(concurrency) as pool:
        good = sum(status < 300 for status in pool.map(call, range(count)))
    return {**figures, "count": good}


@contextmanager
def _measured() -> Iterator[Figures]:
    """Wall and CPU seconds of this process for the block."""
    figures: Figures = {}
    began, before = time.perf_counter(), sum(psutil.Process().cpu_times()[:2])
    yield figures
    figures["seconds"] = time.perf_counter() - began
    figures["cpu"] = sum(psutil.Process().cpu_times()[:2]) - before


@contextmanager
def _statements() -> Iterator[list[tuple[str, float]]]:
    """Every statement of every thread's connection, with the seconds it took."""
    from django.db import connection  # noqa: PLC0415 -- after django.setup()
    from django.db.backends.signals import connection_created  # noqa: PLC0415

    seen: list[tuple[str, float]] = []

    def note(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
        began = time.perf_counter()
        try:
            return execute(sql, params, many, context)
        finally:
            seen.append((sql, time.perf_counter() - began))

    def watch(sender: Any, connection: Any, **_: Any) -> None:
        connection.execute_wrappers.append(note)

    connection_created.connect(watch)
    connection.close()
    yield seen
    connection_created.disconnect(watch)
    connection.close()


def _claims(seen: list[tuple[str, float]]) -> list[float]:
    """The seconds of each claim of dispatches, in their order."""
    return [took for sql, took in seen if "messaging_dispatch" in sql and "SKIP LOCKED" in sql]


def _is_waiting(number_id: int) -> bool:
    from messaging.models import Dispatch  # noqa: PLC0415 -- after django.setup()

    time.sleep(0.05)
    return Dispatch.objects.filter(phone_number_id=number_id, state="queued").exists()


if __name__ == "__main__":
    django.setup()
    print(json.dumps(globals()[sys.argv[1]](**json.loads(sys.argv[2]))))  # noqa: T201
