"""What a process looked up a moment ago, so that a hot path need not ask the database again."""

import threading
import time
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

from django.conf import settings

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")
_MAX = 10_000


class Held(Generic[Key, Value]):
    """Keeps what was found for LOOKUPS_LIVE_SECONDS; what raises is never kept.

    A change made elsewhere counts here after as long: see docs/decisions/0014.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._found: dict[Key, tuple[float, Value]] = {}

    def get(self, key: Key, look_up: Callable[[], Value]) -> Value:
        now = time.monotonic()
        held = self._found.get(key)
        if held is not None and now - held[0] < settings.LOOKUPS_LIVE_SECONDS:
            return held[1]
        value = look_up()
        with self._lock:
            if len(self._found) >= _MAX:
                self._found.clear()
            self._found[key] = (now, value)
        return value

    def forget(self) -> None:
        with self._lock:
            self._found.clear()
