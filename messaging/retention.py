"""Forget what Meta told us long ago: callbacks that were handled, and the statuses they reported.

What is old is judged by the database's clock: a worker whose own is ahead would forget what is fresh.
"""

from django.conf import settings
from django.db import connection

from gosend.lib import ids

# Rows of one statement: what it locks at once.
BATCH = 1000
# Meta repeats a callback for up to seven days. What it may still repeat is kept, whatever is set.
_LEAST_DAYS = 8


def forget_callbacks(*, limit: int = BATCH) -> int:
    """Delete a batch of old callbacks; return how many.

    One that could not be handled stays, however old, until somebody has had it handled again.
    """
    return _delete(_CALLBACKS, limit)


def forget_reports(*, limit: int = BATCH) -> int:
    """Delete a batch of old status reports; return how many. The message keeps what came of them."""
    return _delete(_REPORTS, limit)


def _delete(statement: str, limit: int) -> int:
    if settings.META_LOG_DAYS <= 0:
        return 0
    days = max(settings.META_LOG_DAYS, _LEAST_DAYS)
    with connection.cursor() as cursor:
        cursor.execute(statement, [days, limit])
        return int(cursor.rowcount)


# Ids grow with time, so the oldest are the beginning of the primary key: no other index is needed.
_CALLBACKS = f"""
DELETE FROM messaging_metaevent WHERE id = ANY(ARRAY(
    SELECT id FROM messaging_metaevent
     WHERE id < {ids.FIRST_OF_DAYS} AND handled_at IS NOT NULL AND next_attempt_at IS NULL
     ORDER BY id LIMIT %s FOR UPDATE SKIP LOCKED))
"""  # noqa: S608 -- constants of ours
_REPORTS = f"""
DELETE FROM messaging_statusreport WHERE id = ANY(ARRAY(
    SELECT id FROM messaging_statusreport
     WHERE id < {ids.FIRST_OF_DAYS} ORDER BY id LIMIT %s FOR UPDATE SKIP LOCKED))
"""  # noqa: S608 -- constants of ours
