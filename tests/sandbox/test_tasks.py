"""The task posts what is due now and in a moment."""

import threading
import time
from typing import Any

import pytest
from celery import current_app
from django.db import connection
from pytest_django.fixtures import Settings

from gosend.sandbox import callbacks, tasks
from gosend.sandbox.models import PendingCallback
from tests.sandbox.conftest import Receiver


@pytest.fixture
def door(receiver: Receiver, settings: Settings) -> Receiver:
    settings.SANDBOX_CALLBACK_URL = receiver.url
    return receiver


def payload() -> dict[str, Any]:
    return callbacks.inbound_text(
        waba_id="1", phone_number_id="2", display_phone_number="3", from_phone="5491100000007", body="Hola"
    )


def test_task_goes_by_the_name_that_the_beat_knows() -> None:
    assert "sandbox.post_callbacks" in current_app.tasks


@pytest.mark.django_db
def test_task_waits_for_what_is_due_in_a_moment(door: Receiver) -> None:
    started = time.monotonic()
    callbacks.schedule_all([callbacks.Callback(delay, payload()) for delay in (0, 0.2, 0.6)])

    tasks.post_callbacks()

    assert len(door.posts) == 3
    assert 0.6 <= time.monotonic() - started < 2
    assert PendingCallback.objects.count() == 0


@pytest.mark.django_db
def test_task_does_not_wait_for_what_is_far_off(door: Receiver) -> None:
    started = time.monotonic()
    callbacks.schedule(payload=payload(), delay_seconds=tasks.WAIT_SECONDS + 2)

    tasks.post_callbacks()

    assert time.monotonic() - started < 1
    assert PendingCallback.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_second_loop_leaves_at_once_while_the_first_one_runs(door: Receiver) -> None:
    callbacks.schedule(payload=payload(), delay_seconds=0.8)
    first = threading.Thread(target=_run_and_close)
    first.start()
    _wait_for_lock()

    started = time.monotonic()
    tasks.post_callbacks()
    elapsed = time.monotonic() - started
    first.join()

    assert elapsed < 0.4
    assert len(door.posts) == 1


@pytest.mark.django_db(transaction=True)
def test_lock_is_given_back_after_the_loop(door: Receiver) -> None:
    thread = threading.Thread(target=_run_and_close)
    thread.start()
    thread.join()
    callbacks.schedule(payload=payload())

    tasks.post_callbacks()

    assert len(door.posts) == 1


def _run_and_close() -> None:
    try:
        tasks.post_callbacks()
    finally:
        connection.close()


def _wait_for_lock() -> None:
    stop_at = time.monotonic() + 3
    while time.monotonic() < stop_at:
        with connection.cursor() as cursor:
            cursor.execute(
                """
                SELECT count(*) FROM pg_locks JOIN pg_database d ON d.oid = database
                WHERE locktype = 'advisory' AND objid = %s AND d.datname = current_database()
                """,
                [tasks._LOCK],
            )
            if cursor.fetchone()[0]:
                return
    pytest.fail("the first loop never took the lock")
