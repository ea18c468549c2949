"""What comes from outside, as far as PostgreSQL can keep it and a writer of JSON can write it again."""

from typing import Any

_BEYOND = 2**63


def text(value: str) -> str:
    """NUL and half an emoji become U+FFFD."""
    if "\0" not in value and value.isascii():
        return value  # nearly all of them
    return value.replace("\0", "\ufffd").encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def fits(number: float) -> bool:
    """Whether a number comes back as it went in; neither an endless one does, nor what is none."""
    return -_BEYOND < number < _BEYOND


def json_value(value: Any) -> Any:
    """The same for all that a JSON value holds; an endless number becomes its digits as text."""
    match value:
        case str():
            return text(value)
        case list():
            return [json_value(item) for item in value]
        case float() | int() if not fits(value):
            return str(value)
        case dict():
            return {json_value(key): json_value(item) for key, item in value.items()}
    return value
