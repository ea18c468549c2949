"""Count what happened in each hour, so that nobody has to count the large tables to draw a chart."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from django.conf import settings
from django.db import connection, transaction
from django.db.models.functions import Now
from django.utils import timezone

from gosend.lib import ids
from messaging.models import HourlyFigure

# So many of the newest hours a run counts anew.
_FRESH_HOURS = 2
# A status may come a day after its message; each run counts one older hour again, in turn.
_LATE_HOURS = 26
# Seconds from acceptance to delivery, up to each of these; the last stands for everything above.
DELAYS = (1, 2, 5, 10, 30, 60, 300, 1800)
MORE = "more"
_HOUR = timedelta(hours=1)
_LOCK = 7_204_001


def refresh(*, now: datetime | None = None) -> None:
    """Count the newest hours anew, and one of the day before; a few index ranges, however full the tables."""
    moment = now or timezone.now()
    current = _start(moment)
    older = _FRESH_HOURS + moment.minute % (_LATE_HOURS - _FRESH_HOURS)
    count_hours(current - back * _HOUR for back in (*range(_FRESH_HOURS), older))


def forget_past(*, limit: int = 5000) -> int:
    """Delete a batch of the figures of hours long past; return how many."""
    if settings.FIGURES_DAYS <= 0:
        return 0
    oldest = Now() - timedelta(days=settings.FIGURES_DAYS)
    old = HourlyFigure.objects.filter(hour__lt=oldest).order_by("hour")
    return HourlyFigure.objects.filter(pk__in=old.values("pk")[:limit]).delete()[0]


def count_hours(hours: Iterable[datetime]) -> None:
    """Replace the figures of these hours."""
    for hour in sorted(hours):
        with transaction.atomic(), connection.cursor() as cursor:
            # Two runs at once would each insert; the second waits and counts again.
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
            HourlyFigure.objects.filter(hour=hour).delete()
            cursor.execute(
                _COUNT,
                {
                    "hour": hour,
                    "first": ids.first_id(hour),
                    "end": ids.first_id(hour + _HOUR),
                    "delays": list(DELAYS),
                    "more": MORE,
                },
            )


def _start(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


# Ids grow with time, so an hour is a range of the primary key.
_COUNT = """
WITH message AS MATERIALIZED (
    SELECT tenant_id, phone_number_id, status, direction, failed_at, error,
           extract(epoch FROM delivered_at - created_at) AS delay
      FROM messaging_message WHERE id >= %(first)s AND id < %(end)s
), figure AS (
    SELECT tenant_id, phone_number_id, 'status' AS measure, status AS key, count(*) AS count
      FROM message GROUP BY 1, 2, 4
    UNION ALL
    SELECT tenant_id, phone_number_id, 'failure', coalesce(error ->> 'code', 'other'), count(*)
      FROM message WHERE status = 'failed' GROUP BY 1, 2, 4
    UNION ALL
    SELECT tenant_id, phone_number_id, 'delay',
           coalesce((SELECT min(most)::text FROM unnest(%(delays)s::int[]) most WHERE most >= delay),
                    %(more)s),
           count(*)
      FROM message WHERE direction = 'outbound' AND delay IS NOT NULL GROUP BY 1, 2, 4
    UNION ALL
    SELECT delivery.tenant_id, endpoint.phone_number_id, 'webhook', delivery.status, count(*)
      FROM webhooks_app_delivery delivery JOIN webhooks_app_webhookendpoint endpoint
        ON endpoint.id = delivery.endpoint_id
     WHERE delivery.id >= %(first)s AND delivery.id < %(end)s GROUP BY 1, 2, 4
)
INSERT INTO messaging_hourlyfigure (hour, tenant_id, phone_number_id, measure, key, count)
SELECT %(hour)s, tenant_id, phone_number_id, measure, left(key, 40), count FROM figure
"""
