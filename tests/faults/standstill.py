"""Why a queue does not drain: what is left, in which state, and who is at work."""

from collections.abc import Callable
from functools import partial
from typing import Any


def why(sql: Callable[[str], list[tuple[Any, ...]]]) -> Callable[[], str]:
    """Returns what asks the database then; for a wait that may be in vain."""
    return partial(_words, sql)


def _words(sql: Callable[[str], list[tuple[Any, ...]]]) -> str:
    left = sql(
        """SELECT state, count(*), round(max(extract(epoch FROM now() - due_at))) FROM messaging_dispatch
            GROUP BY state ORDER BY state"""
    )
    seen = sql(
        """SELECT name, round(extract(epoch FROM clock_timestamp() - at)) FROM gosend_heartbeat
            WHERE kind <> 'turn' ORDER BY at"""
    )
    held = sql("SELECT count(*) FROM accounts_phonenumber WHERE held_until > now()")[0][0]
    return (
        f"left: {', '.join(f'{count} {state}, due for {age} s' for state, count, age in left) or 'nothing'};"
        f" numbers held: {held}; last seen: {', '.join(f'{name} {age} s ago' for name, age in seen)}"
    )
