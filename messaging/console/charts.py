"""Figures of the last day from the hourly rows, and bars drawn from them; a table always stands beside."""

from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.db.models import QuerySet, Sum
from django.utils import timezone

from accounts import access
from accounts.models import User
from gosend.whatsapp import errors
from messaging import rollups
from messaging.models import HourlyFigure

HOURS = 24
_CODES_MAX = 10
_HEIGHT = 120
_BAR, _GAP = 22, 6
_Measure = HourlyFigure.Measure
# From the bottom of a bar to its top; each has its word in the legend and its column in the table.
_STATUS_KEYS = (
    "read",
    "delivered",
    "sent",
    "received",
    "queued",
    "sending",
    "unknown",
    "unconfirmed",
    "failed",
)
_WEBHOOK_KEYS = ("delivered", "pending", "retrying", "failed")


@dataclass(frozen=True, slots=True)
class Segment:
    key: str
    y: float
    height: float
    count: int


@dataclass(frozen=True, slots=True)
class Column:
    """One bar: where it stands, what it is of, and its parts."""

    x: int
    label: str
    total: int
    segments: list[Segment]
    counts: list[int]


@dataclass(frozen=True, slots=True)
class Chart:
    name: str
    keys: list[str]
    columns: list[Column]
    width: int
    most: int

    @property
    def is_empty(self) -> bool:
        return self.most == 0


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a table with a bar in it; `percent` of the largest."""

    label: str
    detail: str
    count: int
    percent: int


def by_hour(user: User, *, measure: str, name: str, now: datetime | None = None) -> Chart:
    """One bar for each of the last 24 hours."""
    keys = _STATUS_KEYS if measure == _Measure.STATUS else _WEBHOOK_KEYS
    hours = _hours(now or timezone.now())
    counts: dict[datetime, dict[str, int]] = defaultdict(dict)
    rows = _rows(user, measure, hours[0]).values("hour", "key").annotate(total=Sum("count")).order_by()
    for row in rows[: HOURS * 20]:
        counts[row["hour"]][row["key"]] = row["total"]
    used = [key for key in keys if any(key in counts[hour] for hour in hours)]
    most = max((sum(counts[hour].values()) for hour in hours), default=0)
    columns = [
        _column(place, f"{hour:%H}:00", [counts[hour].get(key, 0) for key in used], used, most)
        for place, hour in enumerate(hours)
    ]
    return Chart(name, used, columns, HOURS * (_BAR + _GAP), most)


def failures(user: User) -> list[Row]:
    """The most frequent causes of failure in the last 24 hours."""
    rows = _rows(user, _Measure.FAILURE, _hours(timezone.now())[0])
    totals = rows.values("key").annotate(total=Sum("count")).order_by("-total", "key")[:_CODES_MAX]
    found = [(row["key"], row["total"]) for row in totals]
    most = max((count for _, count in found), default=0)
    return [Row(key, _title(key), count, round(100 * count / most)) for key, count in found]


def delays(user: User) -> list[Row]:
    """How long messages took from acceptance to the customer's phone, in the last 24 hours."""
    rows = _rows(user, _Measure.DELAY, _hours(timezone.now())[0])
    totals = rows.values("key").annotate(total=Sum("count")).order_by()[:100]
    counts = {row["key"]: row["total"] for row in totals}
    most = max(counts.values(), default=0)
    labels = [(str(seconds), f"up to {_span(seconds)}") for seconds in rollups.DELAYS]
    labels.append((rollups.MORE, f"more than {_span(rollups.DELAYS[-1])}"))
    return [
        Row(label, "", counts.get(key, 0), round(100 * counts.get(key, 0) / most))
        for key, label in labels
        if most
    ]


def quantile(rows: list[Row], share: float) -> str:
    """The bucket in which this share of all lies; empty without figures."""
    total, seen = sum(row.count for row in rows), 0
    for row in rows:
        seen += row.count
        if total and seen >= share * total:
            return row.label
    return ""


def totals(chart: Chart) -> dict[str, int]:
    """The counts of a chart's keys over all its hours."""
    return {
        key: sum(column.counts[place] for column in chart.columns) for place, key in enumerate(chart.keys)
    }


def _rows(user: User, measure: str, since: datetime) -> "QuerySet[HourlyFigure]":
    rows = HourlyFigure.objects.filter(measure=measure, hour__gte=since)
    return access.narrow(rows, user=user, path="tenant_id")


def _hours(now: datetime) -> list[datetime]:
    current = now.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    return [current - timedelta(hours=back) for back in range(HOURS - 1, -1, -1)]


def _column(place: int, label: str, counts: list[int], keys: list[str], most: int) -> Column:
    y, segments = float(_HEIGHT), []
    for key, count in zip(keys, counts, strict=True):
        if count:
            height = count / most * _HEIGHT
            y -= height
            segments.append(Segment(key, round(y, 2), round(height, 2), count))
    return Column(place * (_BAR + _GAP), label, sum(counts), segments, counts)


def _title(key: str) -> str:
    return errors.explain(code=int(key)).title if key.isdigit() else "without a code of Meta's"


def _span(seconds: int) -> str:
    return f"{seconds} s" if seconds < 60 else f"{seconds // 60} min"
