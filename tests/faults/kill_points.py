"""Where a process of the suite kills itself: wrapped from outside, so the product knows nothing of it.

FAULTS_KILL names a point of the table, FAULTS_KILL_HOW the signal (KILL, or STOP for a zombie),
FAULTS_KILL_AT which passage counts (1 is the first). FAULTS_POISON is a word: whoever prepares a message that
says it dies.
"""

import importlib
import os
import signal
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Point:
    """A function of the product, and the moment in it: before or after its first commit, or its return."""

    module: str
    function: str
    moment: str


_INTENT = ("messaging.intents", "commit")
_OUTCOME = ("messaging.outcomes", "record")
# The only place that knows the names of the product's functions.
POINTS = {
    "accept before commit": Point("messaging.send", "accept", "before commit"),
    "accept after commit": Point("messaging.send", "accept", "after commit"),
    "claim before commit": Point("messaging.claims", "take_due", "at call"),
    "claim after commit": Point("messaging.claims", "take_due", "at return"),
    # One statement, which commits by itself.
    "intent before commit": Point(*_INTENT, "at call"),
    "intent after commit": Point(*_INTENT, "at return"),
    "answer read": Point("gosend.whatsapp.client", "GraphClient.send_message", "at return"),
    "outcome before commit": Point(*_OUTCOME, "before commit"),
    "outcome after commit": Point(*_OUTCOME, "after commit"),
    "webhook answer read": Point("webhooks_app.deliver", "_send", "at return"),
    "callback handled before commit": Point("messaging.reports", "take", "before commit"),
    "callback handled after commit": Point("messaging.reports", "take", "after commit"),
    "callback stored": Point("messaging.ingest", "store", "at return"),
    "callback not stored": Point("messaging.ingest", "store", "at call"),
}
PREPARES = Point(*_INTENT, "at call")

_armed = threading.local()
_passages = 0
_lock = threading.Lock()


def arm_from_environment() -> None:
    """Wrap what the environment names; nothing when it names nothing."""
    if name := os.environ.get("FAULTS_KILL"):
        _wrap(POINTS[name])
    if word := os.environ.get("FAULTS_POISON"):
        _wrap_poison(PREPARES, word)


def _end() -> None:
    global _passages
    with _lock:
        _passages += 1
        if _passages != int(os.environ.get("FAULTS_KILL_AT", "1")):
            return
    os.kill(os.getpid(), getattr(signal, f"SIG{os.environ.get('FAULTS_KILL_HOW', 'KILL')}"))


def _wrap(point: Point) -> None:
    holder, name, original = _find(point)
    if "commit" in point.moment:
        _watch_commits()

    def wrapped(*args: Any, **named: Any) -> Any:
        if point.moment == "at call":
            _end()
        _armed.moment = point.moment
        try:
            return original(*args, **named)
        finally:
            _armed.moment = ""
            if point.moment == "at return":
                _end()

    setattr(holder, name, wrapped)


def exists(point: Point) -> bool:
    """Whether the product still has the function that a point means."""
    try:
        return callable(_find(point)[2])
    except (ImportError, AttributeError):
        return False


def _find(point: Point) -> tuple[Any, str, Callable[..., Any]]:
    holder: Any = importlib.import_module(point.module)
    *path, name = point.function.split(".")
    for part in path:
        holder = getattr(holder, part)
    return holder, name, getattr(holder, name)


def _watch_commits() -> None:
    from django.db.backends.base.base import BaseDatabaseWrapper  # noqa: PLC0415 -- needs Django

    original = BaseDatabaseWrapper._commit  # type: ignore[attr-defined]

    def commit(self: BaseDatabaseWrapper) -> None:
        moment = getattr(_armed, "moment", "")
        _armed.moment = ""
        if moment == "before commit":
            _end()
        original(self)
        if moment == "after commit":
            _end()

    BaseDatabaseWrapper._commit = commit  # type: ignore[attr-defined]


def _wrap_poison(point: Point, word: str) -> None:
    from django.db import connection  # noqa: PLC0415 -- needs Django

    holder, name, original = _find(point)

    def wrapped(*args: Any, **named: Any) -> Any:
        ids = [getattr(one, "claim", one).message_id for one in _claims(args)]
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT count(*) FROM messaging_messagecontent"
                " WHERE message_id = ANY(%s) AND body::text LIKE %s",
                [ids, f"%{word}%"],
            )
            found = cursor.fetchone()[0]
        if found:
            os.kill(os.getpid(), signal.SIGKILL)
        return original(*args, **named)

    setattr(holder, name, wrapped)


def _claims(args: tuple[Any, ...]) -> list[Any]:
    first = args[0]
    return list(first) if isinstance(first, list | tuple) else [first]
