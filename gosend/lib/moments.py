"""Moments as people read them, everywhere in one form: `28 Nov 2026, 19:32:05 UTC`."""

from datetime import datetime

from django.utils import formats


def written(moment: datetime | None) -> str:
    """A moment, to the second and with its time zone; empty for none."""
    return formats.date_format(moment, "DATETIME_FORMAT") if moment else ""


def day(moment: datetime | None) -> str:
    """The day of a moment, `28 Nov 2026`; empty for none."""
    return formats.date_format(moment, "DATE_FORMAT") if moment else ""
