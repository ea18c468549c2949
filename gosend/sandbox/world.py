"""What the pretend Meta knows: its numbers, and what it has already seen."""

import threading
import time
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

from django.db import connection

from gosend.sandbox import shelf
from gosend.sandbox.shelf import MemoryShelf, RowShelf, Shelf

# After this long a first time counts as a first time again, so that a retry test can be repeated.
FORGET_AFTER = timedelta(minutes=10)
# What a number of the stand-alone server belongs to, and is called, unless it is told.
WABA_ID = "100000000000001"
DISPLAY_PHONE_NUMBER = "15550100000"


@dataclass(frozen=True, slots=True)
class Line:
    """A business number, by the names that Meta's callbacks call it."""

    waba_id: str
    phone_number_id: str
    display_phone_number: str


class World(Protocol):
    """What `graph.answer` asks of its surroundings."""

    def line(self, phone_number_id: str) -> Line | None:
        """Return the number with this id; None when there is none."""

    def shelf(self, waba_id: str) -> Shelf | None:
        """Return the templates of the business account with this id; None when there is none."""

    def lines_of(self, waba_id: str) -> tuple[Line, ...]:
        """Return the numbers of a business account."""

    def subscribe(self, waba_id: str) -> None:
        """Have the account's callbacks posted to the app whose token asks."""

    def is_subscribed(self, waba_id: str) -> bool:
        """Whether the account's callbacks are posted at all."""

    def register(self, phone_number_id: str, pin: str) -> bool:
        """Register a number with its PIN; False when another PIN was set before."""

    def is_registered(self, phone_number_id: str) -> bool:
        """Whether a number was registered here."""

    def first_time(self, key: str) -> bool:
        """Say whether `key` is new, and remember it. Two askers at once: one is the first."""


class RowWorld:
    """The world of one test-mode number; what it has seen are rows, so every process agrees."""

    def __init__(self, line: Line) -> None:
        self._line = line

    def line(self, phone_number_id: str) -> Line | None:
        return self._line if phone_number_id == self._line.phone_number_id else None

    def shelf(self, waba_id: str) -> Shelf | None:
        return RowShelf(waba_id) if waba_id == self._line.waba_id else None

    def lines_of(self, waba_id: str) -> tuple[Line, ...]:
        return (self._line,) if waba_id == self._line.waba_id else ()

    def subscribe(self, waba_id: str) -> None:
        """Nothing to do: in test mode callbacks always come."""

    def is_subscribed(self, waba_id: str) -> bool:
        return True

    def register(self, phone_number_id: str, pin: str) -> bool:
        return True

    def is_registered(self, phone_number_id: str) -> bool:
        return True

    def first_time(self, key: str) -> bool:
        with connection.cursor() as cursor:
            cursor.execute(
                """
                INSERT INTO sandbox_seenonce AS seen (key, created_at) VALUES (%s, now())
                ON CONFLICT (key) DO UPDATE SET created_at = now()
                WHERE seen.created_at < now() - make_interval(secs => %s)
                """,
                [key, FORGET_AFTER.total_seconds()],
            )
            return bool(cursor.rowcount == 1)


class MemoryWorld:
    """The world of the stand-alone server.

    Without named lines, or when it `is_open`, every id of five digits or more is one, and a business
    account as well.
    """

    def __init__(
        self, lines: tuple[Line, ...] = (), *, has_starters: bool = False, is_open: bool = False
    ) -> None:
        self._lines = {line.phone_number_id: line for line in lines}
        self._is_open = is_open or not lines
        self._has_starters = has_starters
        self._seen: dict[str, float] = {}
        self._shelves: dict[str, MemoryShelf] = {}
        self._subscribed: set[str] = set()
        self._pins: dict[str, str] = {}
        self._lock = threading.Lock()

    def line(self, phone_number_id: str) -> Line | None:
        if phone_number_id in self._lines:
            return self._lines[phone_number_id]
        if self._is_open and _is_id(phone_number_id):
            return Line(WABA_ID, phone_number_id, DISPLAY_PHONE_NUMBER)
        return None

    def shelf(self, waba_id: str) -> Shelf | None:
        accounts = {line.waba_id for line in self._lines.values()}
        if waba_id not in accounts and not (self._is_open and _is_id(waba_id)):
            return None
        with self._lock:
            if waba_id not in self._shelves:
                self._shelves[waba_id] = MemoryShelf(shelf.starters() if self._has_starters else ())
            return self._shelves[waba_id]

    def lines_of(self, waba_id: str) -> tuple[Line, ...]:
        return tuple(line for line in self._lines.values() if line.waba_id == waba_id)

    def subscribe(self, waba_id: str) -> None:
        self._subscribed.add(waba_id)

    def is_subscribed(self, waba_id: str) -> bool:
        return waba_id in self._subscribed

    def register(self, phone_number_id: str, pin: str) -> bool:
        with self._lock:
            return self._pins.setdefault(phone_number_id, pin) == pin

    def is_registered(self, phone_number_id: str) -> bool:
        return phone_number_id in self._pins

    def first_time(self, key: str) -> bool:
        now = time.monotonic()
        with self._lock:
            seen_at = self._seen.get(key)
            if seen_at is not None and now - seen_at < FORGET_AFTER.total_seconds():
                return False
            self._seen[key] = now
            return True

    def forget(self) -> None:
        with self._lock:
            self._seen.clear()
            self._shelves.clear()
            self._subscribed.clear()
            self._pins.clear()


def _is_id(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) >= 5
