"""Porters: the threads of this process that bring linked files to Meta, for all of its drains together.

A link's host can take as long as it likes. So a porter holds no connection to the database: what it has to
say there is said at a desk (`ask`), of which there are a few for all porters.
"""

import logging
import os
import threading
from collections import Counter, deque
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from typing import TypeVar

from django.db import close_old_connections, connections

from gosend.lib import crew
from gosend.lib.absence import persist
from gosend.lib.crew import Crew

log = logging.getLogger(__name__)

# Porters of a process. One tenant's messages keep no more of them busy than are free besides: half when they
# are alone, and where several tenants' hosts hang there is still a place for the files of the next.
PORTERS = 32
# Connections to the database of all porters together. Two, so that one that waits for a lock stops nobody.
DESKS = 2

Job = Callable[[], None]
_Result = TypeVar("_Result")


class Porters:
    """Does jobs in order, the tenants in turn: so many at once, and one tenant's no more than stay free."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._crew = Crew(most, name="files")
        self._forget()
        os.register_at_fork(after_in_child=self._forget)

    def _forget(self) -> None:
        """Begin anew; in a forked child, where the threads do not run."""
        self._lock = threading.Lock()
        self._busy: Counter[int] = Counter()
        # Tenants with jobs that wait, the one whose turn it is first; each job with whom it is for.
        self._waiting: dict[int, deque[tuple[object, Job]]] = {}

    def submit(self, job: Job, *, tenant_id: int, owner: object) -> None:
        """Have a job done in its turn, unless its owner withdraws before."""
        with self._lock:
            self._waiting.setdefault(tenant_id, deque()).append((owner, job))
            self._begin_what_may()

    def withdraw(self, owner: object) -> None:
        """Forget an owner's jobs that have not begun."""
        with self._lock:
            for tenant_id, jobs in list(self._waiting.items()):
                left = deque(entry for entry in jobs if entry[0] is not owner)
                self._keep_waiting(tenant_id, left)

    def _begin_what_may(self) -> None:
        """Give the free places to those who wait; the lock is held."""
        while (tenant_id := self._next_tenant()) is not None:
            jobs = self._waiting.pop(tenant_id)
            owner, job = jobs.popleft()
            try:
                self._crew.submit(partial(self._work, tenant_id, job))
            except RuntimeError:
                # Not one thread is to be had: it stays until the next is asked for, or its owner withdraws.
                log.exception("no thread for a linked file")
                jobs.appendleft((owner, job))
                self._keep_waiting(tenant_id, jobs)
                return
            self._busy[tenant_id] += 1
            self._keep_waiting(tenant_id, jobs)

    def _next_tenant(self) -> int | None:
        free = self._most - self._busy.total()
        return next((pk for pk in self._waiting if self._busy[pk] < free), None)

    def _keep_waiting(self, tenant_id: int, jobs: deque[tuple[object, Job]]) -> None:
        """Put a tenant with its jobs at the end of the line, or out of it when it has none."""
        self._waiting.pop(tenant_id, None)
        if jobs:
            self._waiting[tenant_id] = jobs

    def _work(self, tenant_id: int, job: Job) -> None:
        crew.roam()  # a file is large enough to be worth a core of its own
        try:
            job()
        finally:
            connections.close_all()
            with self._lock:
                self._busy[tenant_id] -= 1
                if not self._busy[tenant_id]:
                    del self._busy[tenant_id]
                self._begin_what_may()


_porters = Porters(PORTERS)
_desks = Crew(DESKS, name="files-desk")
submit, withdraw = _porters.submit, _porters.withdraw


def ask(act: Callable[[], _Result]) -> _Result:
    """Do something to the database at a desk, through a short absence of it; the caller waits."""
    answer: Future[_Result] = Future()

    def serve() -> None:
        try:
            close_old_connections()
            answer.set_result(persist(act))
        except Exception as error:
            answer.set_exception(error)
        finally:
            close_old_connections()

    _desks.submit(serve)
    return answer.result()
