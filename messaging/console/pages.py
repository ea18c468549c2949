"""One page of the message log: by the cursor, in bounded time however large the table is."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Q

from gosend.lib import ids
from gosend.lib.console import COUNT_CAP
from messaging.console.filters import Filter
from messaging.console.lanes import Ids, Lanes
from messaging.models import Message

PER_PAGE = 50
# Rows that one page looks through for those that match; who wants older ones asks to look further.
SCAN_ROWS = 20_000
_END = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Page:
    """`newer` and `older` are ids to go on from, each None where there is nothing.

    `searched_to` is the moment down to which was looked where the search ended before the log did.
    """

    rows: list[Message]
    newer: int | None
    older: int | None
    count: int | None
    is_capped: bool
    searched_to: datetime | None


@dataclass(frozen=True, slots=True)
class _Reader:
    """The parts of the log, the conditions on a row, and the ids between which to look."""

    lanes: Lanes
    conditions: Q
    first: int
    end: int
    scan: int

    def ids(self, *, limit: int, ascending: bool = False) -> list[int]:
        found = self.lanes.ids(self._rows(self.conditions, ascending=ascending), limit=limit)
        return sorted(found, reverse=not ascending)[:limit]

    def count(self, *, limit: int) -> int:
        return self.lanes.count(self._rows(self.conditions), limit=limit)

    def floor(self, *, ascending: bool = False) -> int | None:
        """The id where this page's search ends, None where the log ends before."""
        if not self.scan:
            return None
        share = max(1, self.scan // self.lanes.width)
        edges = self.lanes.ids(self._rows(Q(), ascending=ascending), limit=1, skipped=share)
        return (min(edges) if ascending else max(edges)) if edges else None

    def _rows(self, conditions: Q, *, ascending: bool = False) -> Ids:
        rows = Message.objects.filter(conditions)
        # A bound that binds nothing would still count as one where the planner has no statistics yet.
        if self.first > 0:
            rows = rows.filter(pk__gte=self.first)
        if self.end < _END:
            rows = rows.filter(pk__lt=self.end)
        return rows.order_by("pk" if ascending else "-pk").values_list("pk", flat=True)


def read(form: Filter, *, before: int | None = None, after: int | None = None) -> Page | None:
    """A page of the messages that the form asks for; None when a tenant must be chosen first."""
    reader = _reader(form)
    if reader is None:
        return None
    if not reader.lanes.width:
        return Page([], None, None, 0, False, None)
    if after is not None:
        return _upwards(reader, after)
    return _downwards(reader, before)


def batches(form: Filter, *, size: int) -> Iterator[list[Message]]:
    """All messages that the form asks for, newest first, by short statements of their own.

    Looks through as much of the log as the caller goes on asking for: an empty batch means that
    nothing matched so far.
    """
    reader = _reader(form)
    while reader is not None and reader.lanes.width:
        edge = reader.floor()
        part = _within(reader, first=edge)
        found = part.ids(limit=size)
        yield _rows(found)
        end = found[-1] if len(found) == size else edge
        if end is None:
            return
        reader = _within(reader, end=end)


def _downwards(reader: _Reader, before: int | None) -> Page:
    whole = reader
    if before is not None:
        reader = _within(reader, end=before)
    edge = reader.floor()
    found = _within(reader, first=edge).ids(limit=PER_PAGE + 1)
    rows, is_full = found[:PER_PAGE], len(found) > PER_PAGE
    count, is_capped = _count(whole, edge) if before is None else (None, False)
    return Page(
        rows=_rows(rows),
        newer=None if before is None else (rows[0] if rows else before - 1),
        older=rows[-1] if is_full else edge,
        count=count,
        is_capped=is_capped,
        searched_to=ids.moment_of(edge) if edge is not None and not is_full else None,
    )


def _upwards(reader: _Reader, after: int) -> Page:
    reader = _within(reader, first=after + 1)
    edge = reader.floor(ascending=True)
    found = _within(reader, end=edge).ids(limit=PER_PAGE + 1, ascending=True)
    rows, is_full = sorted(found[:PER_PAGE], reverse=True), len(found) > PER_PAGE
    return Page(
        rows=_rows(rows),
        newer=rows[0] if is_full else (None if edge is None else edge - 1),
        older=rows[-1] if rows else after + 1,
        count=None,
        is_capped=False,
        searched_to=None,
    )


def _count(reader: _Reader, edge: int | None) -> tuple[int, bool]:
    """How many match, up to the cap; where the search was cut short, of those looked through."""
    total = _within(reader, first=edge).count(limit=COUNT_CAP + 1)
    return min(total, COUNT_CAP), total > COUNT_CAP or edge is not None


def _reader(form: Filter) -> _Reader | None:
    lanes = form.lanes()
    if lanes is None:
        return None
    first, end = form.bounds()
    conditions = form.conditions()
    scan = SCAN_ROWS if conditions else 0
    if (unsettled := form.unsettled(limit=COUNT_CAP)) is not None:
        conditions &= Q(pk__in=unsettled)
        scan = 0
    return _Reader(lanes, conditions, first, end, scan)


def _within(reader: _Reader, *, first: int | None = None, end: int | None = None) -> _Reader:
    return _Reader(
        reader.lanes,
        reader.conditions,
        max(reader.first, first or 0),
        min(reader.end, _END if end is None else end),
        reader.scan,
    )


def _rows(pks: list[int]) -> list[Message]:
    rows = Message.objects.filter(pk__in=pks).select_related("tenant", "phone_number", "contact")
    found = {row.pk: row for row in rows}
    return [found[pk] for pk in pks if pk in found]
