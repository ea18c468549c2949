"""What a process looked up a moment ago, so that a hot path need not ask the database again."""

import threading
import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar

from django.conf import settings

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")
_MAX = 10_000


@dataclass(slots=True)
class _Entry(Generic[Value]):
    looked_at: float
    value: Value
    # What the rows were like when the value was read; None where nobody can say.
    version: object
    is_being_looked_up: bool = False


class Held(Generic[Key, Value]):
    """Keeps what was found for LOOKUPS_LIVE_SECONDS; what raises is never kept.

    Then one looks again, and others believe it until that is done, though never for more than twice as
    long: by then at the latest a change made elsewhere counts here, see docs/decisions/0014.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._found: dict[Key, _Entry[Value]] = {}

    def get(
        self, key: Key, look_up: Callable[[], Value], *, version: Callable[[], object] | None = None
    ) -> Value:
        """What `look_up` found; `version`, where it is cheaper, says whether it would find the same again."""
        now = time.monotonic()
        held = self._found.get(key)
        if held is not None:
            seconds = settings.LOOKUPS_LIVE_SECONDS * (2 if held.is_being_looked_up else 1)
            if now - held.looked_at < seconds:
                return held.value
            held.is_being_looked_up = True
        try:
            # Read before the value: a change in between is then seen the next time.
            present = version() if version is not None else None
            is_same = held is not None and present is not None and held.version == present
            value = held.value if held is not None and is_same else look_up()
        except BaseException:
            self._found.pop(key, None)
            raise
        with self._lock:
            if len(self._found) >= _MAX:
                self._found.clear()
            self._found[key] = _Entry(now, value, present)
        return value

    def forget(self) -> None:
        with self._lock:
            self._found.clear()
