"""libcurl's handles, closed where nobody waits for it.

A look-up whose name servers do not answer goes on inside its handle after libcurl has given it up: the
look-ups of other names queue behind it there, and closing the handle waits for its end, which is libc's to
say and can take half a minute.
"""

import os
import weakref
from functools import partial
from typing import Any

import pycurl

from gosend.lib.crew import Crew

# Handles that wait for their end, in each of the two places; one takes some 50 kB, and a thread or two of
# libcurl's while its look-up lasts.
MOST_WAITING = 256
# Handles that a fork copied: closing one would say goodbye on the parent's connections.
_inherited: list[Any] = []


class Closer:
    """Closes handles in a thread of its own, one after the other.

    One thread is enough: while it waits for one look-up, those of the handles behind it end as well.
    """

    def __init__(self, *, name: str) -> None:
        self._crew = Crew(1, name=name)
        self._waiting: dict[int, Any] = {}
        os.register_at_fork(after_in_child=self._leave_to_parent)

    def __len__(self) -> int:
        return len(self._waiting)

    def take(self, curl: Any) -> bool:
        """Close a handle in its turn; False, and it stays the caller's, when too many wait for theirs."""
        if len(self._waiting) >= MOST_WAITING:
            return False
        self._waiting[id(curl)] = curl
        try:
            self._crew.submit(partial(self._close, id(curl)))
        except RuntimeError:  # no thread is to be had
            del self._waiting[id(curl)]
            return False
        return True

    def _close(self, key: int) -> None:
        try:
            self._waiting[key].close()
        finally:
            del self._waiting[key]

    def _leave_to_parent(self) -> None:
        _inherited.extend(self._waiting.values())
        self._waiting = {}


class Handle:
    """A handle of one thread. Whoever drops it, or ends as a thread, need not wait for its closing."""

    def __init__(self) -> None:
        self.curl: Any = pycurl.Curl()
        self._end = weakref.finalize(self, _put_away, self.curl, os.getpid())
        self._end.atexit = False  # the system closes its connections as well

    def give_up(self) -> bool:
        """Have it closed although a look-up may go on in it; False when it must be used on.

        That is so when too many others wait: the next request on it may be late, but no thread waits here
        for name servers longer than its own request may take.
        """
        if not _lame.take(self.curl):
            return False
        self._end.detach()
        return True


# In two places, so that the connections that others have closed are not kept open by dead name servers.
_lame = Closer(name="closes-lame")
_spent = Closer(name="closes-spent")


def _put_away(curl: Any, pid: int) -> None:
    if pid != os.getpid():
        _inherited.append(curl)
    elif not _spent.take(curl):
        curl.close()
