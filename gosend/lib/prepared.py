"""A statement of a hot path, planned once per connection instead of once per call."""

import math
import time
import weakref
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

import psycopg
from django.db import DEFAULT_DB_ALIAS, connections

# Connections that may prepare statements, and when each last did its work here; psycopg forgets prepared
# statements by itself when a transaction is undone.
_used_at: "weakref.WeakKeyDictionary[psycopg.Connection[Any], float]" = weakref.WeakKeyDictionary()
# Seconds after which a connection is asked whether it still lives. Django asks before each request's first
# statement, which is then two; one that has just answered is believed.
_BELIEVED_SECONDS = 1.0


class _Prepares(psycopg.Cursor[Any]):
    """Prepares what it executes. Parameters are text, cast by the statement, so that one plan serves all."""

    def execute(self, query: Any, params: Any = None, **options: Any) -> Any:
        return super().execute(query, params, prepare=True, **options)

    def _get_prepared(self, pgq: Any, prepare: bool | None = None) -> Any:
        self._query = pgq  # what Django shows of a query that was logged
        return super()._get_prepared(pgq, prepare)


class _Numbered(_Prepares, psycopg.RawCursor[Any]):
    """Takes `$1` as PostgreSQL has it; for `%s`, psycopg would look through a long statement each time."""


def rows(
    statement: str, parameters: Sequence[str | list[Any] | None] | Mapping[str, str | None]
) -> list[tuple[Any, ...]]:
    """Execute a statement that returns rows.

    Each `$1`, or else each `%s` or `%(name)s`, is text, an array or NULL, and cast where it stands.
    """
    wrapper = connections[DEFAULT_DB_ALIAS]  # found once, and not for each of the words below
    now, raw = time.monotonic(), wrapper.connection
    if raw is None or now - _used_at.get(raw, -math.inf) > _BELIEVED_SECONDS:
        wrapper.close_if_health_check_failed()
        wrapper.ensure_connection()
        raw = wrapper.connection
        raw.prepare_threshold = 0
    _used_at[raw] = now
    with wrapper.wrap_database_errors:
        made: Any = (_Numbered if "$1" in statement else _Prepares)(raw)
    cursor = (wrapper.make_debug_cursor if wrapper.queries_logged else wrapper.make_cursor)(made)
    with cursor:
        cursor.execute(statement, parameters)
        found: list[tuple[Any, ...]] = cursor.fetchall()
        return found


def array(values: Iterable[int | str | UUID]) -> str:
    """An array as a text that `::bigint[]` or `::uuid[]` reads: far cheaper to make than from a list."""
    return f"{{{','.join(map(str, values))}}}"


def array_of_bytes(values: Iterable[bytes]) -> str:
    """The same for `::bytea[]`."""
    return "{" + ",".join(f'"\\\\x{value.hex()}"' for value in values) + "}"
