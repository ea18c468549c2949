"""Threads that are kept: as many as are needed, never more than asked for, and none lost to a bad job."""

import os
import threading
import time
from queue import SimpleQueue

import pytest

from gosend.lib.crew import Crew


def test_jobs_side_by_side_have_a_thread_each_and_one_after_the_other_share_one() -> None:
    crew, seen = Crew(8, name="side"), SimpleQueue[str]()
    together = threading.Barrier(4)

    def meet() -> None:
        together.wait(10)
        seen.put(threading.current_thread().name)

    for _ in range(4):
        crew.submit(meet)
    assert len({seen.get(timeout=10) for _ in range(4)}) == 4

    alone, names = Crew(64, name="alone"), set()
    for _ in range(20):
        alone.submit(lambda: seen.put(threading.current_thread().name))
        names.add(seen.get(timeout=10))
        time.sleep(0.01)  # the thread is free a moment after its job is done
    assert len(names) < 10


def test_more_jobs_than_threads_wait_for_their_turn() -> None:
    crew, done = Crew(2, name="few"), SimpleQueue[int]()
    lock, most, now = threading.Lock(), 0, 0

    def work(number: int) -> None:
        nonlocal most, now
        with lock:
            now += 1
            most = max(most, now)
        threading.Event().wait(0.005)
        with lock:
            now -= 1
        done.put(number)

    for number in range(20):
        crew.submit(lambda number=number: work(number))  # type: ignore[misc]

    assert {done.get(timeout=10) for _ in range(20)} == set(range(20))
    assert most == 2


def test_a_job_that_breaks_is_logged_and_costs_no_thread(caplog: pytest.LogCaptureFixture) -> None:
    crew, done = Crew(1, name="one"), SimpleQueue[bool]()
    crew.submit(_break)
    crew.submit(lambda: done.put(True))

    assert done.get(timeout=10)
    assert [record.message for record in caplog.records] == ["a job of one broke"]


def _break() -> None:
    raise ValueError


def test_a_forked_child_begins_threads_of_its_own() -> None:
    crew, done = Crew(1, name="forked"), SimpleQueue[bool]()
    crew.submit(lambda: done.put(True))
    assert done.get(timeout=10)

    child = os.fork()
    if child == 0:
        crew.submit(lambda: os._exit(7))
        threading.Event().wait(10)
        os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
