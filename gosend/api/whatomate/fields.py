"""Fields of a body: read by name, or refused by name."""

from collections.abc import Mapping
from typing import Any

from gosend.api import errors
from gosend.lib import phone
from messaging import send

SHOWN = 100


def text(data: Mapping[str, Any], *names: str) -> str:
    """The first of these fields that is there, as text; empty when none is."""
    for name in names:
        value = data.get(name)
        if value is None or value == "":
            continue
        if not isinstance(value, str):
            raise wrong(name, "a string", value)
        return value
    return ""


def required(data: Mapping[str, Any], name: str) -> str:
    if value := text(data, name):
        return value
    raise errors.MissingField(f"{name} is required", details={"field": name})


def mapping(data: Mapping[str, Any], name: str) -> dict[str, str]:
    """An object of texts; numbers are taken for their digits, and a list counts from 1."""
    value = data.get(name)
    if value is None:
        return {}
    if isinstance(value, list):
        value = {str(position): item for position, item in enumerate(value, 1)}
    if not isinstance(value, dict):
        raise wrong(name, "an object", value)
    return {key: _worded(f"{name}.{key}", item) for key, item in value.items()}


def phone_number(data: Mapping[str, Any], name: str = "phone_number") -> str:
    """A recipient in plain digits, however it was written; or a user id. Empty when absent."""
    written = text(data, name)
    if not written:
        return ""
    plain = phone.plain(written.strip())
    if not (phone.is_e164_digits(plain) or phone.is_user_id(plain)):
        raise send.InvalidRecipient(
            f"{name} must be a phone number in E.164: country code first",
            details={"field": name, "value": written[:SHOWN]},
        )
    return plain


def wrong(name: str, wanted: str, value: Any) -> errors.InvalidField:
    shown = value if value is None or isinstance(value, (bool, int, float)) else str(value)[:SHOWN]
    return errors.InvalidField(f"{name} must be {wanted}", details={"field": name, "value": shown})


def _worded(name: str, value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, (str, int, float, type(None))):
        raise wrong(name, "a string", value)
    return "" if value is None else str(value)
