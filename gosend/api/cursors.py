"""Opaque cursors: where a page ended, in a form that no client takes apart."""

import base64
import binascii

from gosend.api import errors
from gosend.lib import ids


def write(dialect: str, pk: int) -> str:
    """The cursor that goes on after this row; each dialect knows its own."""
    return base64.urlsafe_b64encode(f"{dialect}:{pk}".encode()).rstrip(b"=").decode()


def read(dialect: str, cursor: str) -> int:
    """The id of the row after which to go on; raises InvalidField for anything not written by `write`."""
    padded = cursor + "=" * (-len(cursor) % 4)
    try:
        text = base64.b64decode(padded, altchars=b"-_", validate=True).decode("ascii")
    except (binascii.Error, ValueError):
        text = ""
    begin, _, number = text.partition(":")
    pk = ids.parse_id(number)
    if begin != dialect or pk is None:
        raise errors.InvalidField("cursor is not one that this API gave", details={"field": "cursor"})
    return pk
