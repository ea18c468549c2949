"""Read a callback's JSON as far as PostgreSQL can keep it."""

import json
import re
from contextlib import suppress
from typing import Any

import orjson

from gosend.lib import storable

# Escapes of what PostgreSQL does not store: NUL, and surrogates, which may stand alone. And numbers that it
# would hand back as integers longer than a writer of JSON takes.
_UNSTORABLE = re.compile(rb"\\u(?:0000|d[89a-f])|[0-9]e\+?[0-9]|[0-9]{19}", re.IGNORECASE)


def read(body: bytes) -> Any:
    """Return the JSON value, None for no JSON.

    NUL and half an emoji become U+FFFD, an endless number its digits as text: no item is lost by them.
    """
    if not _UNSTORABLE.search(body):
        with suppress(orjson.JSONDecodeError):  # one bad byte is no reason to lose the rest
            return orjson.loads(body)
    try:
        return storable.json_value(json.loads(body.decode(errors="replace")))
    except (ValueError, RecursionError):
        return None
