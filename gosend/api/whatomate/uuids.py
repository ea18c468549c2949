"""This dialect's ids: our own numbers as UUIDs, there and back without a table.

Clients of Whatomate keep ids in UUID columns. A UUID of version 8 (RFC 9562) holds the number, what it is
the number of, and a check, so that one that nobody gave, or one of another kind, is nobody's.
"""

import hashlib
import re
import uuid

from gosend.api import errors
from gosend.lib import ids

CONTACT, MESSAGE, TEMPLATE, ACCOUNT, PROJECT, KEY = range(1, 7)

_UUID = re.compile(r"[0-9a-fA-F]{8}-?(?:[0-9a-fA-F]{4}-?){3}[0-9a-fA-F]{12}\Z")
_LOW_BITS = 15
_CHECK_BITS = 47
_WORDS = {CONTACT: "contact", MESSAGE: "message", TEMPLATE: "template", ACCOUNT: "account"}


def write(kind: int, number: int) -> str:
    """Spell a number of ours; ids made later sort later."""
    return str(uuid.UUID(int=_joined(kind, number)))


def read(kind: int, text: str, *, field: str) -> int:
    """Read an id; our own numbers, which webhooks carry, are read as well.

    0, which no row has, for a UUID that is none of ours. Raises InvalidField for what is no id at all.
    """
    number = ids.parse_id(text)
    if number is not None:
        return number
    if not _UUID.match(text):
        raise errors.InvalidField(f"Invalid {_WORDS[kind]} ID", details={"field": field, "value": text[:100]})
    whole = uuid.UUID(text).int
    number = (whole >> 80) << _LOW_BITS | whole >> _CHECK_BITS & (1 << _LOW_BITS) - 1
    return number if number < 2**63 and whole == _joined(kind, number) else 0


def _joined(kind: int, number: int) -> int:
    digest = hashlib.sha256(b"%d:%d" % (kind, number)).digest()
    check = int.from_bytes(digest[:8]) >> 64 - _CHECK_BITS
    low = (number & (1 << _LOW_BITS) - 1) << _CHECK_BITS | check
    return number >> _LOW_BITS << 80 | 8 << 76 | kind << 64 | 2 << 62 | low
