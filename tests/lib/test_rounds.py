"""A worker that hears nothing makes its rounds, and nobody makes them who hears."""

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import connection
from pytest_django import Settings

from gosend.lib import doorbell, heartbeat, stop
from gosend.lib.rounds import Rounds

pytestmark = pytest.mark.django_db(transaction=True)

SWEEP, FORGET, DRAIN = "messaging.sweep", "messaging.forget", "messaging.drain"


class Done:
    """What was done, in a thread of the rounds; as a list that can be waited for."""

    def __init__(self) -> None:
        self.tasks: list[str] = []
        self.may_go_on = threading.Event()
        self.may_go_on.set()

    def note(self, task: str) -> None:
        self.tasks.append(task)
        assert self.may_go_on.wait(20)

    def wait_for(self, *tasks: str) -> None:
        deadline = time.monotonic() + 20
        while sorted(self.tasks) != sorted(tasks):
            assert time.monotonic() < deadline, self.tasks
            time.sleep(0.01)


@pytest.fixture
def done(settings: Settings) -> Done:
    settings.CELERY_BEAT_SCHEDULE = {
        SWEEP: {"task": SWEEP, "schedule": 1},
        FORGET: {"task": FORGET, "schedule": 600},
    }
    return Done()


@pytest.fixture
def rounds(done: Done) -> Iterator[Rounds]:
    def sweep() -> None:
        doorbell.ring(DRAIN, number_id=7)
        done.note(SWEEP)

    def drain(number_id: int) -> None:
        done.note(f"{DRAIN} {number_id}")

    made = Rounds({SWEEP: sweep, DRAIN: drain, FORGET: lambda: done.note(FORGET)})
    yield made
    done.may_go_on.set()
    made.note_heard()
    made.look()


@pytest.fixture
def be_silent(monkeypatch: pytest.MonkeyPatch) -> Callable[[Rounds, float], None]:
    def be(rounds: Rounds, seconds: float) -> None:
        monkeypatch.setattr(rounds, "_heard_at", time.monotonic() - seconds)

    return be


Silence = Callable[[Rounds, float], None]


def test_who_hears_makes_no_rounds(rounds: Rounds, done: Done) -> None:
    rounds.note_heard()
    rounds.look()

    assert not rounds.is_on
    assert done.tasks == []


def test_silence_is_no_news_while_other_workers_hear(rounds: Rounds, be_silent: Silence) -> None:
    heartbeat.stamp(kind="sweep", name=SWEEP)

    be_silent(rounds, 20)
    rounds.look()
    assert not rounds.is_on

    be_silent(rounds, 61)
    rounds.look()
    assert rounds.is_on


def test_who_hears_nothing_does_what_beat_would_ask_for_and_what_that_rings_for(
    rounds: Rounds, done: Done, be_silent: Silence
) -> None:
    heartbeat.stamp(kind="sweep", name=SWEEP)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE gosend_heartbeat SET at = at - interval '6 seconds'")

    be_silent(rounds, 6)
    rounds.look()

    done.wait_for(SWEEP, f"{DRAIN} 7")  # and not what is due every ten minutes
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM gosend_heartbeat WHERE kind = 'rounds'")
        assert cursor.fetchone() == (1,)


def test_the_same_is_waited_for_once(rounds: Rounds, done: Done, be_silent: Silence) -> None:
    done.may_go_on.clear()
    be_silent(rounds, 6)
    rounds.look()
    for number_id in range(20):  # more than there are threads, so the last ones wait
        rounds._hear(DRAIN, {"number_id": number_id % 10})
    waiting = len(rounds._waiting)
    done.may_go_on.set()

    deadline = time.monotonic() + 20
    while rounds._waiting:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert waiting <= 10


def test_what_is_heard_again_ends_the_rounds(rounds: Rounds, done: Done, be_silent: Silence) -> None:
    be_silent(rounds, 6)
    rounds.look()
    done.wait_for(SWEEP, f"{DRAIN} 7")

    rounds.note_heard()
    rounds.look()
    doorbell.ring(DRAIN, number_id=8)  # to the tests' queue, which nobody reads

    assert not rounds.is_on
    time.sleep(0.2)
    assert len(done.tasks) == 2


def test_a_task_that_breaks_stops_no_other(
    rounds: Rounds, done: Done, be_silent: Silence, settings: Settings
) -> None:
    schedule: dict[str, dict[str, Any]] = settings.CELERY_BEAT_SCHEDULE
    schedule = {"missing.task": {"task": "missing.task", "schedule": 1}, **schedule}
    settings.CELERY_BEAT_SCHEDULE = schedule

    be_silent(rounds, 6)
    rounds.look()

    done.wait_for(SWEEP, f"{DRAIN} 7")


def test_a_process_that_ends_begins_nothing(
    rounds: Rounds, done: Done, be_silent: Silence, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stop, "asked", threading.Event())
    stop.asked.set()
    be_silent(rounds, 6)
    rounds.look()
    time.sleep(0.2)
    assert done.tasks == []

    rounds.run()  # ends at once
    assert not rounds.is_on
