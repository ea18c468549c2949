#!/usr/bin/env python
"""Django's command line for GoSend."""

import os
import sys

from django.core.management import execute_from_command_line
from django.db import OperationalError


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "gosend.settings")
    try:
        execute_from_command_line(sys.argv)
    except OperationalError as error:
        if getattr(error.__cause__, "sqlstate", None):
            raise  # the server answered
        cure = "See DATABASE_URL." if os.environ.get("DATABASE_URL") else "Leave make run or make demo going."
        sys.exit(f"PostgreSQL does not answer. {cure}\n{error}")


if __name__ == "__main__":
    main()
