"""Threads that are kept for the life of the process, because connections live in them."""

import contextlib
import logging
import os
import random
import threading
from collections.abc import Callable, Iterator, Set
from functools import lru_cache
from queue import SimpleQueue

log = logging.getLogger(__name__)


class Crew:
    """Does what it is given, at most `most` at once, and begins a thread only when no other is free.

    A thread pool of the standard library does the same with a future for each job, which costs more than
    the job's own share of a small request. All crews of a process stay on one core, drawn by lot: only one of
    their threads runs Python at a time, and handing that over from core to core, several times in a request,
    costs more than the rest of it.
    """

    def __init__(self, most: int, *, name: str) -> None:
        self._most, self._name = most, name
        self._forget()
        os.register_at_fork(after_in_child=self._forget)

    def _forget(self) -> None:
        """Begin anew; in a forked child, where the threads do not run."""
        self._lock = threading.Lock()
        self._jobs: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self._threads = self._open = 0

    def submit(self, job: Callable[[], None]) -> None:
        """Have a job done, in its turn. Raises RuntimeError when there is no thread for it at all."""
        with self._lock:
            if self._open >= self._threads and self._threads < self._most:
                self._begin()
            self._open += 1
        self._jobs.put(job)

    def _begin(self) -> None:
        try:
            # A daemon, so that the process can end while it waits for work.
            threading.Thread(target=self._work, name=f"{self._name}-{self._threads}", daemon=True).start()
        except RuntimeError:
            if not self._threads:
                raise
        else:
            self._threads += 1

    def _work(self) -> None:
        if (core := _core(os.getpid())) is not None:
            _stay_on({core})
        jobs = self._jobs
        while True:
            job = jobs.get()
            try:
                job()
            except Exception:
                log.exception("a job of %s broke", self._name)
            del job  # else it, and what it holds, would live until the next one
            with self._lock:
                self._open -= 1


@contextlib.contextmanager
def beside() -> Iterator[None]:
    """Keep the calling thread, which hands out the jobs, on the crews' core for the block.

    A thread that begins within it inherits that: one that is to outlive the block calls `roam`.
    """
    core = _core(os.getpid())
    if core is None:
        yield
        return
    _stay_on({core})
    try:
        yield
    finally:
        roam()


def roam() -> None:
    """Let the calling thread run on every core that this process may use."""
    _stay_on(_allowed)


def _may_use() -> frozenset[int]:
    """The cores that the calling thread may use; none where the system does not say."""
    try:
        return frozenset(os.sched_getaffinity(0))
    except (AttributeError, OSError):
        return frozenset()


# Asked while nothing stays on a core yet; a forked child may use what its parent may.
_allowed = _may_use()


@lru_cache(maxsize=1)
def _core(_pid: int) -> int | None:
    """One of the cores that this process may use; None where there is no choice."""
    return random.choice(sorted(_allowed)) if len(_allowed) > 1 else None  # noqa: S311 -- no secret


def _stay_on(cores: Set[int]) -> None:
    """Keep the calling thread on these cores; nothing is lost where it may not choose."""
    if len(_allowed) > 1:
        with contextlib.suppress(OSError):
            os.sched_setaffinity(0, cores)
