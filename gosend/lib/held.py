"""What a process looked up a moment ago, so that a hot path need not ask the database again."""

import threading
import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

from django.conf import settings

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")
_MAX = 10_000


@dataclass(frozen=True, slots=True)
class _Entry(Generic[Value]):
    looked_at: float
    value: Value
    # What the rows were like when the value was read; None where nobody can say.
    version: object


class Held(Generic[Key, Value]):
    """Keeps what was found for LOOKUPS_LIVE_SECONDS; what raises is never kept.

    A change made elsewhere counts here after as long: see docs/decisions/0014.
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
        if held is not None and now - held.looked_at < settings.LOOKUPS_LIVE_SECONDS:
            return held.value
        if held is not None:
            # The others go on with what is held for as long as one looks.
            self._found[key] = replace(held, looked_at=now)
        try:
            value, present = self._look(held, look_up, version)
        except BaseException:
            self._found.pop(key, None)
            raise
        with self._lock:
            if len(self._found) >= _MAX:
                self._found.clear()
            self._found[key] = _Entry(now, value, present)
        return value

    def _look(
        self,
        held: _Entry[Value] | None,
        look_up: Callable[[], Value],
        version: Callable[[], object] | None,
    ) -> tuple[Value, object]:
        # Read before the value: a change in between is then seen the next time.
        present = version() if version is not None else None
        is_same = held is not None and present is not None and held.version == present
        return (held.value if held is not None and is_same else look_up()), present

    def forget(self) -> None:
        with self._lock:
            self._found.clear()
