"""What stands inside a request costs no more memory than it has bytes, however it is written."""

import base64
import tracemalloc
from urllib.parse import quote_from_bytes

import pytest

from gosend.api import errors
from gosend.api.sessions import inline

DATA = bytes(range(256)) * 700


@pytest.mark.parametrize(
    ("text", "stated_type"),
    [
        (base64.b64encode(DATA).decode(), ""),
        (base64.urlsafe_b64encode(DATA).decode().rstrip("="), ""),
        ("data:image/png;name=a.png;BASE64," + base64.encodebytes(DATA).decode(), "image/png"),
        ("DATA:text/plain;charset=utf-8," + quote_from_bytes(DATA), "text/plain"),
        ("data:," + quote_from_bytes(b"a" + DATA), ""),
    ],
)
def test_every_spelling_is_read(text: str, stated_type: str) -> None:
    found = inline.read(text, stated_type="")

    assert found.stated_type == stated_type
    assert found.data.removeprefix(b"a") == DATA


@pytest.mark.parametrize(
    ("text", "is_refused"),
    [("data:" + ";" * 1_000_000, True), ("a " * 500_000, False), ("data:," + "%41" * 333_000, False)],
)
def test_no_spelling_costs_a_multiple_of_its_length(text: str, is_refused: bool) -> None:
    tracemalloc.start()
    try:
        if is_refused:
            with pytest.raises(errors.InvalidField, match="base64"):
                inline.read(text, stated_type="")
        else:
            inline.read(text, stated_type="")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert peak < 4 * len(text)
