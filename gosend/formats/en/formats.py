"""Dates that nobody reads in two ways: the month as a word, 24 hours, and the time zone.

What people type into forms stays as Django has it: ISO first.
"""

DATE_FORMAT = SHORT_DATE_FORMAT = "j M Y"
TIME_FORMAT = "H:i:s"
DATETIME_FORMAT = "j M Y, H:i:s T"
# Where the head of a column or of a list says the time zone.
SHORT_DATETIME_FORMAT = "j M Y, H:i:s"
YEAR_MONTH_FORMAT = "F Y"
MONTH_DAY_FORMAT = "j F"
