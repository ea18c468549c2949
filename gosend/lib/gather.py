"""Group commit: requests that wait in one process at the same moment share a statement and its commit.

Whoever comes while nobody is storing stores at once, for itself. Whoever comes meanwhile waits, and the
first of those stores for all of them. Each returns only when its own row is committed.
"""

import logging
import os
import threading
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from django.db import Error, connection

log = logging.getLogger(__name__)

# Items that one statement takes at most, and what they may weigh together.
_MOST = 64
_MOST_WEIGHT = 4_000_000
# Seconds after which one who waits stores by itself: the statement before may wait for a lock.
_PATIENCE_SECONDS = 0.05
# SQLSTATE classes after which nobody knows whether the statement was committed: the connection broke.
_LOST = ("08", "57")
# What took too long, or was cancelled by hand, is of class 57 too, and undone all the same.
_CANCELLED = "57014"

Item = TypeVar("Item")
Found = TypeVar("Found")


@dataclass(eq=False, slots=True)
class _Place(Generic[Item, Found]):
    """One request that waits, and what became of it."""

    item: Item
    turn: threading.Lock = field(default_factory=threading.Lock)
    leads: bool = False
    # Neither, where it is to be stored alone.
    found: Found | None = None
    error: BaseException | None = None


class Line(Generic[Item, Found]):
    """Who waits in this process for rows of one kind.

    `store` stores items in one statement, or in one transaction, that commits by itself, and answers for each
    in their order, with an error where one alone failed. It is given them in the order of their `key`, never
    two with the same; an item whose key is None has no twin. What `is_repeatable` may be stored again where
    nobody knows whether it was. `weight` tells, in bytes, what a statement carries for an item.
    """

    def __init__(
        self,
        store: Callable[[Sequence[Item]], Sequence[Found | Error]],
        *,
        key: Callable[[Item], tuple[Hashable, ...] | None],
        is_repeatable: Callable[[Item], bool],
        weight: Callable[[Item], int] = lambda _item: 0,
    ) -> None:
        self._store, self._key, self._is_repeatable, self._weight = store, key, is_repeatable, weight
        self.forget()
        os.register_at_fork(after_in_child=self.forget)

    def forget(self) -> None:
        """Begin anew, in a forked child: none of its parent's threads runs there."""
        self._lock = threading.Lock()
        self._waiting: list[_Place[Item, Found]] = []
        self._is_storing = False

    @property
    def length(self) -> int:
        return len(self._waiting)

    def store(self, item: Item) -> Found:
        """Store one item, with others where there are any; raise what storing it raised.

        Inside a transaction the caller decides when to commit, so nothing is shared.
        """
        if connection.in_atomic_block:
            return self._store_alone(item)
        place = self._join(item)
        if place.leads:
            self._lead(place)
        if place.error is not None:
            raise place.error
        return self._store_alone(item) if place.found is None else place.found

    def _store_alone(self, item: Item) -> Found:
        found = self._store([item])[0]
        if isinstance(found, Error):
            raise found
        return found

    def _join(self, item: Item) -> _Place[Item, Found]:
        """Wait until the item is stored, or it is this request's turn to store."""
        place: _Place[Item, Found] = _Place(item)
        place.turn.acquire()
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

    def _lead(self, own: _Place[Item, Found]) -> None:
        """Store for all who wait now, then hand over to the first of those who came meanwhile."""
        with self._lock:
            places = self._take(own)
        try:
            for place, found in zip(places, self._store([one.item for one in places]), strict=True):
                if isinstance(found, Error):
                    place.error = found
                else:
                    place.found = found
        except BaseException as error:
            self._give_up(places, error)
            if not isinstance(error, Exception):
                raise
        finally:
            with self._lock:
                following = next((one for one in self._waiting if not one.leads), None)
                if following is None:
                    self._is_storing = False
                else:
                    following.leads = True
            for one in (following, *places):
                if one is not None and one is not own:
                    one.turn.release()

    def _take(self, own: _Place[Item, Found]) -> list[_Place[Item, Found]]:
        """No two with the same key, and in the order of keys; the others go on waiting."""
        chosen: dict[tuple[Hashable, ...], _Place[Item, Found]] = {self._name(own): own}
        weight = self._weight(own.item)
        for place in self._waiting:
            if place.leads:
                continue  # this one, or one that lost its patience and stores by itself
            weight += self._weight(place.item)
            if weight > _MOST_WEIGHT or len(chosen) >= _MOST:
                break
            chosen.setdefault(self._name(place), place)
        taken = set(chosen.values())
        self._waiting = [place for place in self._waiting if place not in taken]
        return [chosen[name] for name in sorted(chosen)]

    def _name(self, place: _Place[Item, Found]) -> tuple[Hashable, ...]:
        key = self._key(place.item)
        return (0, id(place)) if key is None else (1, *key)

    def _give_up(self, places: Sequence[_Place[Item, Found]], error: BaseException) -> None:
        """Leave each to itself, so that a bad row spoils its own request only."""
        undone = was_undone(error)
        for place in places:
            may_repeat = len(places) > 1 if undone else self._is_repeatable(place.item)
            place.error = None if may_repeat else error
        connection.close_if_unusable_or_obsolete()
        log.warning("%s rows could not be stored together: %s", len(places), type(error).__name__)


def was_undone(error: BaseException) -> bool:
    """Whether nothing can have been committed: PostgreSQL refused it, or was never asked."""
    if not isinstance(error, Error):
        return isinstance(error, Exception)
    state = getattr(error.__cause__, "sqlstate", None)
    return state is not None and (state == _CANCELLED or not state.startswith(_LOST))
