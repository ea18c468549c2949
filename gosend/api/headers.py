"""Headers of our own making, written many at a time.

Django checks each header's name and value for what cannot be sent. A small answer has a dozen of them, and
ours are ASCII words and figures: the doors that are called most write them past that check.
"""

from collections.abc import Mapping

from django.http.response import HttpResponseBase

# By the name in small letters, as Django keeps them.
Prepared = Mapping[str, tuple[str, str]]


def prepared(named: Mapping[str, str]) -> Prepared:
    """Headers that never change; names and values are ASCII without line breaks."""
    return {name.lower(): (name, value) for name, value in named.items()}


def complete(response: HttpResponseBase, missing: Prepared) -> None:
    """Add those that the response does not have yet."""
    response.headers._store = {**missing, **response.headers._store}


def write(response: HttpResponseBase, named: Mapping[str, str]) -> None:
    """Set these; names and values are ASCII without line breaks."""
    response.headers._store.update(prepared(named))
