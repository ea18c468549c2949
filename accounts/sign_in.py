"""Count attempts to sign in, in PostgreSQL, so that guessing is slow and nobody locks out another."""

import hashlib
from datetime import timedelta

from django.db import connection
from django.db.models.functions import Now

from accounts.models import SignInTally

# Attempts within a window: for one account from one address, and from one address for all accounts.
# An account is never locked for other addresses, so that nobody keeps its owner out.
WINDOW = timedelta(minutes=15)
MAX_FOR_ACCOUNT, MAX_FOR_ADDRESS = 5, 50


class TooManyAttempts(Exception):
    """`is_first` for the attempt that went over the limit, so that a flood is put on record once."""

    def __init__(self, *, is_first: bool) -> None:
        super().__init__("too many attempts to sign in")
        self.is_first = is_first


def begin(*, username: str, address: str) -> None:
    """Count an attempt before its password is looked at. Raises TooManyAttempts.

    Counted first, so that many at once do not all slip through before one has failed.
    """
    for key, most in _limits(username, address):
        count = _add(key)
        if count > most:
            raise TooManyAttempts(is_first=count == most + 1)


def succeeded(*, username: str, address: str) -> None:
    """Forget an account's attempts from an address once its owner is in; the address's stay counted."""
    SignInTally.objects.filter(key=_digest(username.lower(), address)).delete()


def _limits(username: str, address: str) -> list[tuple[str, int]]:
    return [
        (_digest("", address), MAX_FOR_ADDRESS),
        (_digest(username.lower(), address), MAX_FOR_ACCOUNT),
    ]


def _digest(username: str, address: str) -> str:
    # Names and addresses are nobody's business in a table of numbers.
    return hashlib.sha256(f"{address}\n{username}".encode()).hexdigest()


def _add(key: str) -> int:
    SignInTally.objects.filter(began_at__lt=Now() - 2 * WINDOW).delete()
    with connection.cursor() as cursor:
        cursor.execute(_COUNT, {"key": key, "window": WINDOW.total_seconds()})
        return int(cursor.fetchone()[0])


_COUNT = """
WITH window_of (began) AS (SELECT statement_timestamp() - make_interval(secs => %(window)s))
INSERT INTO accounts_signintally AS tally (key, began_at, count) VALUES (%(key)s, statement_timestamp(), 1)
ON CONFLICT (key) DO UPDATE
   SET count = CASE WHEN tally.began_at < (SELECT began FROM window_of) THEN 1 ELSE tally.count + 1 END,
       began_at = greatest(tally.began_at, CASE WHEN tally.began_at < (SELECT began FROM window_of)
                                                THEN statement_timestamp() END)
RETURNING count
"""
