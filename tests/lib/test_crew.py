"""Threads that are kept: as many as are needed, never more than asked for, and none lost to a bad job."""

import os
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue

import pytest

from gosend.lib import crew as crews
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

    def breaks() -> None:
        raise ValueError("no number")

    crew.submit(breaks)
    crew.submit(lambda: done.put(True))

    assert done.get(timeout=10)
    assert [record.message for record in caplog.records] == ["a job of one broke"]


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


two_cores = pytest.mark.skipif(
    not hasattr(os, "sched_getaffinity") or len(os.sched_getaffinity(0)) < 2, reason="needs two cores"
)


def _cores() -> frozenset[int]:
    return frozenset(os.sched_getaffinity(0))


@two_cores
def test_crews_of_a_process_and_who_gives_them_jobs_share_one_core() -> None:
    seen, allowed = SimpleQueue[frozenset[int]](), _cores()
    for name in ("one", "other"):
        crew = Crew(3, name=name)
        for _ in range(3):
            crew.submit(lambda: seen.put(_cores()))
    with crews.beside():
        own = _cores()

    assert len(own) == 1
    assert {seen.get(timeout=10) for _ in range(6)} == {own}
    assert _cores() == allowed


@two_cores
def test_what_begins_beside_a_crew_and_outlives_it_may_roam() -> None:
    allowed = _cores()
    with crews.beside(), ThreadPoolExecutor(1, initializer=crews.roam) as pool:
        assert pool.submit(_cores).result() == allowed


@two_cores
def test_the_core_is_given_up_though_the_work_breaks() -> None:
    allowed = _cores()

    with pytest.raises(ZeroDivisionError), crews.beside():
        _ = 1 / 0

    assert _cores() == allowed


@two_cores
def test_a_process_that_may_use_one_core_has_no_choice() -> None:
    source = (
        "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))}); from gosend.lib import crew\n"
        "with crew.beside(): print(crew._core(os.getpid()), len(os.sched_getaffinity(0)))"
    )

    done = subprocess.run(  # noqa: S603 -- our own command
        [sys.executable, "-c", source], capture_output=True, text=True, timeout=30
    )

    assert (done.stdout, done.stderr) == ("None 1\n", "")
