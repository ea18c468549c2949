"""A worker that hears nothing makes its rounds, and nobody makes them who hears."""

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import connection, connections
from pytest_django import Settings

from gosend.lib import doorbell, heartbeat, stop
from gosend.lib import rounds as rounds_module
from gosend.lib.rounds import Rounds

pytestmark = pytest.mark.django_db(transaction=True)

Silence = Callable[[Rounds, float], None]
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
        SWEEP: {"task": SWEEP, "schedule": 60},  # so that none is due twice, however slow a test is
        FORGET: {"task": FORGET, "schedule": 600},
    }
    return Done()


@pytest.fixture
def rounds(done: Done, monkeypatch: pytest.MonkeyPatch) -> Iterator[Rounds]:
    monkeypatch.setattr(stop, "asked", threading.Event())  # set where the rounds are finished

    def sweep() -> None:
        doorbell.ring(DRAIN, number_id=7)
        done.note(SWEEP)

    def drain(number_id: int) -> None:
        done.note(f"{DRAIN} {number_id}")

    made = Rounds({SWEEP: sweep, DRAIN: drain, FORGET: lambda: done.note(FORGET)})
    yield made
    done.may_go_on.set()
    made.finish()


@pytest.fixture
def be_silent(monkeypatch: pytest.MonkeyPatch) -> Silence:
    def be(rounds: Rounds, seconds: float) -> None:
        monkeypatch.setattr(rounds, "_ask_at", time.monotonic() + 5 - seconds)

    return be


def _age(seconds: float) -> None:
    """Let all that was noted be so much older."""
    with connection.cursor() as cursor:
        cursor.execute("UPDATE gosend_heartbeat SET at = at - make_interval(secs => %s)", [seconds])


def _kinds() -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT DISTINCT kind FROM gosend_heartbeat ORDER BY kind")
        return [kind for (kind,) in cursor.fetchall()]


def test_a_worker_that_starts_waits_a_moment(
    rounds: Rounds, done: Done, django_assert_num_queries: Any
) -> None:
    with django_assert_num_queries(0):
        rounds.look()

    assert not rounds.is_on
    assert done.tasks == []


def test_where_others_sweep_nobody_makes_rounds_and_a_look_is_one_query(
    rounds: Rounds, be_silent: Silence, django_assert_num_queries: Any
) -> None:
    heartbeat.stamp(kind="sweep", name=SWEEP)
    be_silent(rounds, 600)
    with django_assert_num_queries(1):
        rounds.look()

    assert not rounds.is_on


def test_one_task_that_nobody_does_is_enough(
    rounds: Rounds, done: Done, be_silent: Silence, settings: Settings
) -> None:
    settings.CELERY_BEAT_SCHEDULE[DRAIN] = {"task": DRAIN, "schedule": 1}
    heartbeat.stamp(kind="sweep", name=DRAIN)
    _age(6)
    heartbeat.stamp(kind="sweep", name=SWEEP)
    be_silent(rounds, 6)
    rounds.look()

    assert rounds.is_on


def test_where_nobody_sweeps_a_worker_does_what_beat_would_ask_for_and_what_that_rings_for(
    rounds: Rounds, done: Done, be_silent: Silence
) -> None:
    for task in (SWEEP, FORGET):
        heartbeat.stamp(kind="sweep", name=task)
    _age(301)
    be_silent(rounds, 301)
    for _ in range(2):
        rounds.look()

    done.wait_for(SWEEP, f"{DRAIN} 7")  # and not what is due every ten minutes
    assert _kinds() == ["rounds", "sweep", "turn"]

    _age(600)
    rounds.look()
    done.wait_for(SWEEP, f"{DRAIN} 7", SWEEP, f"{DRAIN} 7", FORGET)


def test_several_workers_take_turns(rounds: Rounds, done: Done, be_silent: Silence) -> None:
    other = Rounds(rounds._tasks)
    for one in (rounds, other, rounds, other):
        be_silent(one, 6)
        one.look()

    done.wait_for(SWEEP, FORGET, f"{DRAIN} 7")  # each once
    other.finish()


def test_many_workers_that_look_at_once_do_not_block_each_other(settings: Settings) -> None:
    tasks = [f"task.{n}" for n in range(10)]
    settings.CELERY_BEAT_SCHEDULE = {task: {"task": task, "schedule": 0} for task in tasks}
    rounds_module._make_turns()
    went_wrong: list[Exception] = []

    def take() -> None:
        try:
            for _ in range(30):
                rounds_module._take_turns()
        except Exception as error:
            went_wrong.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=take) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert went_wrong == []


def test_a_clock_that_was_set_back_stops_no_rounds(rounds: Rounds, done: Done, be_silent: Silence) -> None:
    for task in (SWEEP, FORGET):
        heartbeat.stamp(kind="sweep", name=task)
    rounds_module._make_turns()
    rounds_module._take_turns()
    _age(-3600)
    be_silent(rounds, 6)
    rounds.look()

    done.wait_for(SWEEP, FORGET, f"{DRAIN} 7")


def test_the_same_is_waited_for_once(rounds: Rounds, done: Done) -> None:
    done.may_go_on.clear()
    for number_id in range(rounds_module._THREADS):
        rounds._hear(DRAIN, {"number_id": number_id})  # all threads are busy now
    busy = [f"{DRAIN} {number_id}" for number_id in range(rounds_module._THREADS)]
    done.wait_for(*busy)
    for _ in range(20):
        rounds._hear(DRAIN, {"number_id": 99})
    done.may_go_on.set()

    done.wait_for(*busy, f"{DRAIN} 99")


def test_where_somebody_sweeps_again_the_rounds_end(
    rounds: Rounds, done: Done, be_silent: Silence, settings: Settings
) -> None:
    settings.CELERY_BEAT_SCHEDULE = {SWEEP: settings.CELERY_BEAT_SCHEDULE[SWEEP]}
    be_silent(rounds, 6)
    rounds.look()
    done.wait_for(SWEEP, f"{DRAIN} 7")

    heartbeat.stamp(kind="sweep", name=SWEEP)
    rounds.look()
    doorbell.ring(DRAIN, number_id=8)  # to the tests' queue, which nobody reads

    assert not rounds.is_on
    assert "rounds" not in _kinds()
    time.sleep(0.2)
    assert len(done.tasks) == 2


def test_what_is_rung_for_while_the_process_ends_is_left_to_the_next_sweep(
    rounds: Rounds, done: Done
) -> None:
    rounds.finish()
    rounds._hear(DRAIN, {"number_id": 8})

    assert done.tasks == []
    assert not rounds._waiting


def test_a_task_that_breaks_stops_no_other(
    rounds: Rounds, done: Done, be_silent: Silence, settings: Settings
) -> None:
    schedule: dict[str, dict[str, Any]] = settings.CELERY_BEAT_SCHEDULE
    schedule = {"missing.task": {"task": "missing.task", "schedule": 1}, **schedule}
    settings.CELERY_BEAT_SCHEDULE = schedule

    settings.CELERY_BEAT_SCHEDULE.pop(FORGET)
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
