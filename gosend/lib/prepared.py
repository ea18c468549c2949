"""A statement of a hot path, planned once per connection instead of once per call."""

import weakref
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

import psycopg
from django.db import connection

# Connections that may prepare statements; psycopg forgets them by itself when a transaction is undone.
_able: "weakref.WeakSet[psycopg.Connection[Any]]" = weakref.WeakSet()


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
    statement: str, parameters: Sequence[str | None] | Mapping[str, str | None]
) -> list[tuple[Any, ...]]:
    """Execute a statement that returns rows.

    Each `$1`, or else each `%s` or `%(name)s`, is text or NULL, and cast where it stands.
    """
    connection.ensure_connection()
    raw = connection.connection
    if raw not in _able:
        raw.prepare_threshold = 0
        _able.add(raw)
    with connection.wrap_database_errors:
        made: Any = (_Numbered if "$1" in statement else _Prepares)(raw)
    cursor = (connection.make_debug_cursor if connection.queries_logged else connection.make_cursor)(made)
    with cursor:
        cursor.execute(statement, parameters)
        found: list[tuple[Any, ...]] = cursor.fetchall()
        return found


def array(values: Iterable[int | UUID]) -> str:
    """An array as a text that `::bigint[]` or `::uuid[]` reads: far cheaper to make than from a list."""
    return f"{{{','.join(map(str, values))}}}"
