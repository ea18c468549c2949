"""Read a callback's JSON as far as PostgreSQL can keep it."""

import json
import re
from typing import Any

import orjson

# Escapes of what PostgreSQL does not store: NUL, and surrogates, which may stand alone.
_UNSTORABLE = re.compile(rb"\\u(?:0000|d[89a-f])", re.IGNORECASE)


def read(body: bytes) -> Any:
    """Return the JSON value, None for no JSON: NUL and half an emoji become U+FFFD, not a lost item."""
    if not _UNSTORABLE.search(body):
        try:
            return orjson.loads(body)
        except orjson.JSONDecodeError:
            return None
    try:
        return _storable(json.loads(body.decode(errors="replace")))
    except (ValueError, RecursionError):
        return None


def _storable(value: Any) -> Any:
    match value:
        case str():
            return value.replace("\0", "\ufffd").encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        case list():
            return [_storable(item) for item in value]
        case dict():
            return {_storable(key): _storable(item) for key, item in value.items()}
    return value
