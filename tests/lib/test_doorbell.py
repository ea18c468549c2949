"""Bells ring after the commit, and a broker in trouble holds nobody up."""

import itertools
import json
import logging
import math
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from celery import Celery, current_app
from django.db import connections, transaction

from gosend.lib import doorbell
from tests.lib.raw_server import RawServer

# A bell of its own for each test, and none of a row: one that was rung a moment ago is rung again only later.
_numbers = itertools.count(1_000_000)
pytestmark = pytest.mark.django_db(transaction=True)

UseBroker = Callable[..., None]


@pytest.fixture
def use_broker() -> Iterator[UseBroker]:
    """Let the bells go to a broker of the test's choice."""
    before = current_app._get_current_object()  # type: ignore[attr-defined]
    apps = []
    doorbell._broker.cache_clear()  # whatever trouble a test before had with its broker

    def use(url: str, **options: Any) -> None:
        app = Celery("bells", broker=url, set_as_current=True)
        app.conf.update(broker_transport_options=options, task_publish_retry=False)
        apps.append(app)

    yield use
    before.set_current()
    for app in apps:
        app.close()


@pytest.fixture
def queue(tmp_path: Path, use_broker: UseBroker, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(doorbell, "_SLOW_SECONDS", 30.0)  # however busy the machine is
    monkeypatch.setattr(doorbell._bells, "_paid_at", -math.inf)  # however much was rung before
    folder = tmp_path / "queue"
    folder.mkdir()
    use_broker(
        "filesystem://",
        data_folder_in=str(folder),
        data_folder_out=str(folder),
        control_folder=str(tmp_path / "control"),
    )
    return folder


def _complaints(caplog: pytest.LogCaptureFixture) -> list[int]:
    return [record.levelno for record in caplog.records if record.name == "gosend.lib.doorbell"]


def _heard(queue: Path) -> list[tuple[str, str]]:
    messages = [json.loads(path.read_text()) for path in sorted(queue.iterdir())]
    return [(message["headers"]["task"], message["headers"]["kwargsrepr"]) for message in messages]


def test_a_bell_is_heard_after_the_commit_and_not_before(queue: Path) -> None:
    number_id = next(_numbers)
    with transaction.atomic():
        doorbell.ring("messaging.drain", number_id=number_id)
        before = _heard(queue)

    assert before == []
    assert _heard(queue) == [("messaging.drain", f"{{'number_id': {number_id}}}")]


def test_a_rolled_back_transaction_rings_nothing(queue: Path) -> None:
    with transaction.atomic():
        doorbell.ring("messaging.drain", number_id=next(_numbers))
        transaction.set_rollback(True)

    assert _heard(queue) == []


def test_outside_a_transaction_the_bell_rings_at_once(queue: Path) -> None:
    doorbell.ring("messaging.ingest")

    assert _heard(queue) == [("messaging.ingest", "{}")]


def test_a_dead_broker_is_logged_and_disturbs_nobody(
    use_broker: UseBroker, caplog: pytest.LogCaptureFixture
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    use_broker(f"redis://127.0.0.1:{port}/0", max_retries=0)
    after = []

    started = time.monotonic()
    with transaction.atomic():
        doorbell.ring("messaging.drain", number_id=next(_numbers))
        transaction.on_commit(lambda: after.append(1))
    took = time.monotonic() - started

    assert after == [1]
    assert _complaints(caplog) == [logging.WARNING]
    assert took < 1


def test_a_broker_url_that_is_none_raises_nothing(
    use_broker: UseBroker, caplog: pytest.LogCaptureFixture
) -> None:
    use_broker("nosuchtransport://secret@host")

    doorbell.ring("messaging.drain", number_id=next(_numbers))

    assert _complaints(caplog) == [logging.WARNING]
    assert "secret" not in caplog.text


def test_a_frozen_broker_holds_up_one_caller_and_then_nobody_for_a_while(
    use_broker: UseBroker, caplog: pytest.LogCaptureFixture
) -> None:
    def freeze(_connection: socket.socket, server: RawServer) -> None:
        server.stopping.wait(5)

    with RawServer(freeze) as server:
        use_broker(f"redis://127.0.0.1:{server.port}/0", max_retries=0, socket_timeout=0.3)
        started = time.monotonic()
        for _ in range(20):
            doorbell.ring("messaging.drain", number_id=next(_numbers))
        took = time.monotonic() - started

    assert took < 1
    assert _complaints(caplog) == [logging.WARNING]
    assert server.connections == 1


def test_many_callers_at_a_frozen_broker_wait_less_than_its_workers_would(use_broker: UseBroker) -> None:
    took = []

    def ring() -> None:
        started = time.monotonic()
        doorbell.ring("messaging.drain", number_id=next(_numbers))
        took.append(time.monotonic() - started)
        connections.close_all()

    def freeze(_connection: socket.socket, server: RawServer) -> None:
        server.stopping.wait(10)

    with RawServer(freeze) as server:
        # As in settings.py, where these are for workers, which may listen for longer.
        use_broker(f"redis://127.0.0.1:{server.port}/0", max_retries=0, socket_timeout=5)
        callers = [threading.Thread(target=ring) for _ in range(12)]
        for caller in callers:
            caller.start()
        for caller in callers:
            caller.join()

    assert len(took) == 12
    assert max(took) < 3


def test_a_slow_broker_holds_up_one_caller_and_hears_every_bell(
    queue: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(doorbell, "_SLOW_SECONDS", 0.0)  # as if each ring took too long
    monkeypatch.setattr(doorbell, "_SLOW_TIMES", 10_000.0)
    rang_in: list[str] = []
    real = doorbell._send

    def send(app: Celery, *bells: Any) -> None:
        rang_in.append(threading.current_thread().name)
        real(app, *bells)

    monkeypatch.setattr(doorbell, "_send", send)
    for _ in range(3):
        doorbell.ring("messaging.drain", number_id=next(_numbers))

    deadline = time.monotonic() + 10
    while len(_heard(queue)) < 3:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert rang_in.count(threading.current_thread().name) == 1
    assert _complaints(caplog) == []


def test_a_broker_that_comes_back_is_heard_again(
    queue: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(doorbell, "_PAUSE_SECONDS", 0.05)
    queue.rmdir()
    doorbell.ring("messaging.drain", number_id=next(_numbers))
    queue.mkdir()
    time.sleep(0.1)
    for _ in range(3):
        doorbell.ring("messaging.drain", number_id=next(_numbers))

    assert _complaints(caplog) == [logging.WARNING]
    assert len(_heard(queue)) == 3


def test_many_rings_are_heard_as_two_and_the_last_is_not_swallowed(queue: Path) -> None:
    number_id = next(_numbers)
    committed_at = 0.0
    for _ in range(40):
        committed_at = time.time()
        doorbell.ring("messaging.drain", number_id=number_id)
    at_once = len(_heard(queue))
    time.sleep(doorbell._INTERVAL_SECONDS * 2)

    assert at_once == 1
    assert len(_heard(queue)) == 2
    assert max(path.stat().st_mtime for path in queue.iterdir()) >= committed_at


def test_different_bells_do_not_wait_for_each_other(queue: Path) -> None:
    for _ in range(5):
        doorbell.ring("messaging.drain", number_id=next(_numbers))

    assert len(_heard(queue)) == 5


def test_a_ring_for_later_is_heard_later_and_once(queue: Path) -> None:
    number_id = next(_numbers)
    for _ in range(3):
        doorbell.ring_later("messaging.drain", seconds=0.1, number_id=number_id)
    at_once = _heard(queue)
    time.sleep(0.3)

    assert at_once == []
    assert len(_heard(queue)) == 1


def test_a_ring_within_the_interval_does_not_wait_for_one_that_was_to_come_much_later(queue: Path) -> None:
    number_id = next(_numbers)
    doorbell.ring("messaging.drain", number_id=number_id)
    doorbell.ring_later("messaging.drain", seconds=30, number_id=number_id)
    doorbell.ring("messaging.drain", number_id=number_id)
    time.sleep(doorbell._LONGEST_SECONDS + 0.2)

    assert len(_heard(queue)) == 2


def test_a_process_that_rings_many_bells_rings_each_less_often_and_new_ones_at_once(
    queue: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doorbell, "_COST_SECONDS", 1.0)
    monkeypatch.setattr(doorbell, "_LONGEST_SECONDS", 30.0)
    first, *others = (next(_numbers) for _ in range(20))
    for number_id in (first, *others, first):
        doorbell.ring("messaging.drain", number_id=number_id)
    time.sleep(doorbell._INTERVAL_SECONDS * 2)

    assert len(_heard(queue)) == 20


def test_a_forked_child_rings_although_its_parent_was_about_to(queue: Path) -> None:
    number_id = next(_numbers)
    doorbell.ring_later("messaging.drain", seconds=30, number_id=number_id)
    child = os.fork()
    if child == 0:
        doorbell.ring("messaging.drain", number_id=number_id)
        os._exit(0)
    os.waitpid(child, 0)

    assert len(_heard(queue)) == 1
