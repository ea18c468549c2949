"""Public ids and request ids."""

import random
import re
import secrets
import time
import uuid
from datetime import UTC, datetime, timedelta

from django.db import connection
from django.db.models import BigIntegerField, Func

_EPOCH = datetime(2025, 1, 1, tzinfo=UTC)
_SEQUENCE_BITS = 22
_REQUEST_ID = re.compile(r"[A-Za-z0-9_.-]{8,64}\Z")


class NextId(Func):
    """A time-ordered 63-bit id, made by the database.

    41 bits of milliseconds since 2025, then 22 bits of a sequence: unique in one database, and an id
    is not given out again after a backup was restored, so that Meta's late echo cannot meet another
    message. The SQL function comes with the first migration of `accounts`.
    """

    function = "gosend_next_id"
    arity = 0
    output_field = BigIntegerField()


CREATE_NEXT_ID = """
CREATE SEQUENCE gosend_id_sequence CYCLE MINVALUE 0 MAXVALUE 4194303;
CREATE FUNCTION gosend_next_id() RETURNS bigint LANGUAGE sql VOLATILE AS $$
    SELECT ((extract(epoch FROM clock_timestamp()) * 1000)::bigint - 1735689600000) << 22
           | nextval('gosend_id_sequence')
$$;
"""
# The smallest id that `gosend_next_id` could have made so many days ago, by its own clock.
FIRST_OF_DAYS = (
    "(greatest(0, (extract(epoch FROM statement_timestamp() - make_interval(days => %s)) * 1000)::bigint"
    " - 1735689600000) << 22)"
)
DROP_NEXT_ID = "DROP FUNCTION gosend_next_id(); DROP SEQUENCE gosend_id_sequence;"


def reserve(count: int) -> list[int]:
    """Have the database make ids for rows that are inserted together, in order."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT gosend_next_id() FROM generate_series(1, %s)", [count])
        return [number for (number,) in cursor.fetchall()]


def first_of_days(days: int) -> int:
    """The smallest id that could be made so many days ago, by the database's clock."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {FIRST_OF_DAYS}", [days])
        (found,) = cursor.fetchone()
    return int(found)


def first_id(at: datetime) -> int:
    """The smallest id that could be made at this moment or later: lists by time walk the key with it."""
    milliseconds = (at - _EPOCH) // timedelta(milliseconds=1)
    return min(max(milliseconds, 0) << _SEQUENCE_BITS, 2**63 - 1)


def moment_of(number: int) -> datetime:
    """When the database made an id, to the millisecond."""
    return _EPOCH + timedelta(milliseconds=number >> _SEQUENCE_BITS)


def new_request_id() -> str:
    """24 hexadecimal digits: milliseconds of the epoch, then chance.

    So ids of a moment lie side by side in the index of messages by request: each at a place of its own would
    be a page read, and written whole to the log, for every message among millions.
    """
    # Nobody gains by guessing one, and asking the system for randomness lets another thread go first.
    return f"req_{time.time_ns() // 1_000_000:012x}{random.getrandbits(48):012x}"


def request_id_from(header: str | None) -> str:
    """Take over a caller's request id when it is well formed, else make one."""
    return header if header and _REQUEST_ID.match(header) else new_request_id()


def parse_id(text: str) -> int | None:
    """Read a public id (a decimal bigint); None when it can be no id of ours."""
    if text.isascii() and text.isdigit() and len(text) <= 19 and (number := int(text)) < 2**63:
        return number
    return None


def time_ordered_uuid() -> uuid.UUID:
    """Make a UUIDv7: random like version 4, yet its index grows at one end only."""
    number = time.time_ns() // 1_000_000 << 80 | secrets.randbits(80)
    number = number & ~(0xF << 76) | 0x7 << 76
    number = number & ~(0x3 << 62) | 0x2 << 62
    return uuid.UUID(int=number)
