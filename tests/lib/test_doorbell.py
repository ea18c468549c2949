"""Bells ring after the commit, and a broker in trouble holds nobody up."""

import json
import logging
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from celery import Celery, current_app
from django.db import transaction

from gosend.lib import doorbell
from tests.lib.raw_server import RawServer

pytestmark = pytest.mark.django_db(transaction=True)

UseBroker = Callable[..., None]


@pytest.fixture
def use_broker() -> Iterator[UseBroker]:
    """Let the bells go to a broker of the test's choice."""
    before = current_app._get_current_object()  # type: ignore[attr-defined]
    apps = []

    def use(url: str, **options: Any) -> None:
        app = Celery("bells", broker=url, set_as_current=True)
        app.conf.update(broker_transport_options=options, task_publish_retry=False)
        apps.append(app)

    yield use
    before.set_current()
    for app in apps:
        app.close()


@pytest.fixture
def queue(tmp_path: Path, use_broker: UseBroker) -> Path:
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
    with transaction.atomic():
        doorbell.ring("messaging.drain", number_id=7)
        before = _heard(queue)

    assert before == []
    assert _heard(queue) == [("messaging.drain", "{'number_id': 7}")]


def test_a_rolled_back_transaction_rings_nothing(queue: Path) -> None:
    with transaction.atomic():
        doorbell.ring("messaging.drain", number_id=7)
        transaction.set_rollback(True)

    assert _heard(queue) == []


def test_outside_a_transaction_the_bell_rings_at_once(queue: Path) -> None:
    doorbell.ring("messaging.sweep")

    assert _heard(queue) == [("messaging.sweep", "{}")]


def test_a_dead_broker_is_logged_and_disturbs_nobody(
    use_broker: UseBroker, caplog: pytest.LogCaptureFixture
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    use_broker(f"redis://127.0.0.1:{port}/0", max_retries=0)
    after = []

    started = time.monotonic()
    with transaction.atomic():
        doorbell.ring("messaging.sweep")
        transaction.on_commit(lambda: after.append(1))
    took = time.monotonic() - started

    assert after == [1]
    assert _complaints(caplog) == [logging.WARNING]
    assert took < 1


def test_a_broker_url_that_is_none_raises_nothing(
    use_broker: UseBroker, caplog: pytest.LogCaptureFixture
) -> None:
    use_broker("nosuchtransport://secret@host")

    doorbell.ring("messaging.sweep")

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
            doorbell.ring("messaging.sweep")
        took = time.monotonic() - started

    assert took < 1
    assert _complaints(caplog) == [logging.WARNING]
    assert server.connections == 1


def test_a_broker_that_comes_back_is_heard_again(
    queue: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(doorbell, "_PAUSE_SECONDS", 0.05)
    queue.rmdir()
    doorbell.ring("messaging.sweep")
    queue.mkdir()
    time.sleep(0.1)
    for _ in range(3):
        doorbell.ring("messaging.sweep")

    assert _complaints(caplog) == [logging.WARNING]
    assert len(_heard(queue)) == 3
