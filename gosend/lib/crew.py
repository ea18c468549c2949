"""Threads that are kept for the life of the process, because connections live in them."""

import logging
import os
import threading
from collections.abc import Callable
from queue import SimpleQueue

log = logging.getLogger(__name__)


class Crew:
    """Does what it is given, at most `most` at once, and begins a thread only when no other is free.

    A thread pool of the standard library does the same with a future for each job, which costs more than
    the job's own share of a small request.
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
