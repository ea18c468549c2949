"""The message log as a CSV file: written while it is read, in bounded time and memory."""

import csv
import time
from collections.abc import Iterator
from typing import Any

from django.http import StreamingHttpResponse
from django.utils import timezone

from messaging.console import pages, story
from messaging.console.filters import Filter
from messaging.console.masking import Veil
from messaging.models import Message

ROWS_MAX = 100_000
SECONDS_MAX = 60.0
_BATCH = 1_000
# A spreadsheet takes a cell that begins with one of these for a formula.
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
_HEAD = (
    "id", "created_at", "tenant", "number", "direction", "type", "status", "customer_number", "wamid",
    "request_id", "attempts", "sent_at", "delivered_at", "read_at", "failed_at", "error_code", "error",
)  # fmt: skip


class _Echo:
    """Gives back each line that the csv writer writes."""

    def write(self, line: str) -> str:
        return line


def answer(form: Filter, *, veil: Veil) -> StreamingHttpResponse:
    name = f"messages-{timezone.now():%Y%m%d-%H%M%S}.csv"
    response = StreamingHttpResponse(lines(form, veil=veil), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    response["Cache-Control"] = "no-store"
    return response


def lines(form: Filter, *, veil: Veil) -> Iterator[str]:
    """The file, line by line; a last line says so where it ended at a limit."""
    # Each batch is a statement of its own: a cursor kept open would hold back the vacuum of busy tables,
    # and without a transaction the server would write its whole result down before the first row.
    writer: Any = csv.writer(_Echo())
    yield writer.writerow(_HEAD)
    written, deadline = 0, time.monotonic() + SECONDS_MAX
    for batch in pages.batches(form, size=_BATCH):
        for message in batch[: ROWS_MAX - written]:
            yield writer.writerow([defuse(cell) for cell in _cells(message, veil)])
        written += min(len(batch), ROWS_MAX - written)
        if written >= ROWS_MAX or time.monotonic() > deadline:
            at = f"{batch[-1].created_at:%Y-%m-%d %H:%M:%S} UTC" if batch else "an earlier row"
            yield writer.writerow(
                [f"Ended at a limit, at {at}: export the rest with 'To' set to that moment."]
            )
            return


def defuse(cell: str) -> str:
    """Write what a spreadsheet would run as text."""
    return f"'{cell}" if cell.startswith(_FORMULA_STARTS) else cell


def _cells(message: Message, veil: Veil) -> list[str]:
    trouble = story.trouble_of(message.error, veil=veil, record=message)
    moments = (message.sent_at, message.delivered_at, message.read_at, message.failed_at)
    return [
        str(message.pk),
        message.created_at.isoformat(),
        message.tenant.name,
        message.phone_number.display_phone_number,
        message.direction,
        message.type,
        message.status,
        veil.number(message.peer, record=message),
        veil.within(message.wamid or "", record=message),
        message.request_id,
        str(message.attempt_count),
        *(moment.isoformat() if moment else "" for moment in moments),
        trouble.code if trouble else "",
        trouble.title if trouble else "",
    ]
