"""Work that many rings ask for and few threads of a process do."""

import threading
from collections.abc import Callable


class Shift:
    """Lets as many threads work at once as are needed: fewer of them find more to do at a time.

    `suffices` says whether those at work are enough for now. A ring that finds it so is not lost: somebody
    at work looks again before leaving.
    """

    def __init__(self, most: int, *, suffices: Callable[[], bool]) -> None:
        self._most, self._suffices = most, suffices
        self._lock = threading.Lock()
        self._at_work = 0
        self._rung = threading.Event()

    def work(self, act: Callable[[], object]) -> None:
        """Do what was rung for, in this thread, unless others see to it."""
        self._rung.set()
        while self._rung.is_set() and self._begin():
            try:
                self._rung.clear()
                act()
            finally:
                with self._lock:
                    self._at_work -= 1

    def _begin(self) -> bool:
        with self._lock:
            if self._at_work >= self._most or (self._at_work and self._suffices()):
                return False
            self._at_work += 1
            return True
