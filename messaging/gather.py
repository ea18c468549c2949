"""Group commit: requests that wait in one process at the same moment share a statement and its commit.

Whoever comes while nobody is storing stores at once, for itself. Whoever comes meanwhile waits, and the
first of those stores for all of them. Each returns only when its own message is committed.
"""

import logging
import os
import threading
from dataclasses import dataclass, field

from django.db import Error, connection, transaction

from messaging import keep, openings

log = logging.getLogger(__name__)

# Messages that one statement takes at most.
_MOST = 64
# Seconds after which one who waits stores by itself: the statement before may wait for a lock.
_PATIENCE_SECONDS = 0.05
# SQLSTATE classes after which nobody knows whether the statement was committed: the connection broke.
_LOST = ("08", "57")


@dataclass(eq=False, slots=True)
class _Place:
    """One request that waits, and what became of it."""

    batch: keep.Batch
    turn: threading.Lock = field(default_factory=threading.Lock)
    found: list[keep.Kept] | None = None
    error: BaseException | None = None
    leads: bool = False

    def __post_init__(self) -> None:
        self.turn.acquire()


def store(batch: keep.Batch) -> list[keep.Kept]:
    """Keep a batch as `keep.keep` does, with others where there are any; make who is new.

    Inside a transaction the caller decides when to commit, so nothing is shared.
    """
    if connection.in_atomic_block:
        return keep.keep(batch)
    place = _line.join(batch)
    if place.leads:
        _line.lead(place)
    if place.error is not None:
        raise place.error
    # Where those who came together could not be stored together, each is stored alone.
    return keep.keep(batch) if place.found is None else place.found


class _Line:
    """Who waits in this process."""

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Begin anew, in a forked child: none of its parent's threads runs there."""
        self._lock = threading.Lock()
        self._waiting: list[_Place] = []
        self._is_storing = False

    def join(self, batch: keep.Batch) -> _Place:
        """Wait until the batch is stored, or it is this request's turn to store."""
        place = _Place(batch)
        with self._lock:
            self._waiting.append(place)
            if not self._is_storing:
                self._is_storing = place.leads = True
                return place
        if not place.turn.acquire(timeout=_PATIENCE_SECONDS):
            with self._lock:
                if place in self._waiting:
                    place.leads = True
                    return place
            place.turn.acquire()
        return place

    def lead(self, own: _Place) -> None:
        """Store for all who wait now, then hand over to the first of those who came meanwhile."""
        with self._lock:
            places = self._take(own)
        try:
            _store(places)
        finally:
            with self._lock:
                following = next((one for one in self._waiting if not one.leads), None)
                if following is None:
                    self._is_storing = False
                else:
                    following.leads = True
            for place in (following, *places):
                if place is not None and place is not own:
                    place.turn.release()

    def _take(self, own: _Place) -> list[_Place]:
        """No two with the same idempotency key, and in the order of keys; the others go on waiting."""
        chosen = {_key(own): own}
        for place in self._waiting:
            if len(chosen) < _MOST and not place.leads:
                chosen.setdefault(_key(place), place)
        taken = set(chosen.values())
        self._waiting = [place for place in self._waiting if place not in taken]
        return [place for _, place in sorted(chosen.items(), key=lambda item: item[0])]


def _key(place: _Place) -> tuple[int, str, str]:
    once = place.batch.once
    return (0, "", str(id(place))) if once is None else (once.tenant_id, once.environment, once.key)


def _store(places: list[_Place]) -> None:
    """Store for all; where that fails each is left to itself, so a bad row spoils its own request only."""
    try:
        stored = keep.keep_all([place.batch for place in places])
    except BaseException as error:
        _give_up(places, error)
        return
    for place, found in zip(places, stored, strict=True):
        place.found = found
    strangers = [place for place, found in zip(places, stored, strict=True) if _is_new(found)]
    if strangers:
        _store_strangers(strangers)


def _give_up(places: list[_Place], error: BaseException) -> None:
    was_undone = _was_undone(error)
    for place in places:
        # Where nobody knows whether it was committed, only a key makes it safe to store again.
        place.error = None if was_undone or place.batch.once else error
    connection.close_if_unusable_or_obsolete()
    if not isinstance(error, Exception):
        raise error
    log.warning("%s messages are stored one by one: %s", len(places), type(error).__name__)


def _store_strangers(places: list[_Place]) -> None:
    """Make the people and conversations that are new, for all; what is left stays with its own request."""
    batches = [place.batch for place in places]
    try:
        with transaction.atomic():
            openings.begin([(batch.number, row["peer"]) for batch in batches for row in batch.rows])
            stored = keep.keep_all(batches)
            if any(one.id is None for found in stored for one in found):
                raise _NotAll  # a key was taken meanwhile: nothing may be begun for a message that is refused
    except _NotAll:
        return
    except Error as error:
        if not _was_undone(error):
            _give_up(places, error)
            for place in places:
                place.found = None
        return
    for place, found in zip(places, stored, strict=True):
        place.found = found


class _NotAll(Exception):
    pass


def _is_new(found: list[keep.Kept]) -> bool:
    return any(one.id is None and one.is_open and one.conversation_id is None for one in found)


def _was_undone(error: BaseException) -> bool:
    """Whether nothing can have been committed: PostgreSQL refused it, or it was never asked."""
    if not isinstance(error, Error):
        return isinstance(error, Exception)
    state = getattr(error.__cause__, "sqlstate", None)
    return state is not None and not state.startswith(_LOST)


_line = _Line()
os.register_at_fork(after_in_child=_line.forget)
