#!/usr/bin/env python
"""Django's command line for GoSend."""

import os
import sys

from django.conf import settings
from django.core.management import execute_from_command_line
from django.db import OperationalError


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "gosend.settings")
    try:
        execute_from_command_line(sys.argv)
    except OperationalError as error:
        if not str(error).startswith(("connection failed", "connection is bad", "connection timeout")):
            raise
        cure = "Leave make run or make demo going." if settings.IS_EMBEDDED else "See DATABASE_URL."
        sys.exit(f"No connection to PostgreSQL. {cure}\n{str(error).splitlines()[0]}")


if __name__ == "__main__":
    main()
