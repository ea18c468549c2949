"""Phone numbers, E.164."""

import re
from functools import lru_cache

import phonenumbers

_DIGITS = re.compile(r"[1-9][0-9]{6,14}\Z")
# What people put between the digits.
_WRITTEN = re.compile(r"[\s().\-/\u2010-\u2015]+")
# WhatsApp still names Mexican mobiles with the 1 that the country's plan gave up in 2019.
_MEXICAN_MOBILE = re.compile(r"521(?=[0-9]{10}\Z)")
# Meta's business-scoped user id: the country, "ENT" for one that a group of businesses shares, then
# up to 128 letters and digits.
_USER_ID = re.compile(r"[A-Z]{2}\.(?:ENT\.)?[A-Za-z0-9]{1,128}\Z")
# A group of the Cloud API's is written as chat programs write groups: Meta's opaque id, then this. Ids of
# digits alone are of groups that people made, which the Cloud API does not reach.
_GROUP_ENDS_WITH = "@g.us"
_GROUP = re.compile(r"(?![0-9-]+@)[A-Za-z0-9+/_=-]{8,140}@g\.us\Z")


@lru_cache(maxsize=4096)
def is_e164_digits(text: str) -> bool:
    """Whether the text can be a number in E.164 without its plus sign.

    Lenient on purpose: the country must exist and the length fit it, but new ranges of a country are
    not refused before the library knows them.
    """
    if not _DIGITS.match(text):
        return False
    try:
        number = phonenumbers.parse("+" + _MEXICAN_MOBILE.sub("52", text))
    except phonenumbers.NumberParseException:
        return False
    # Stricter than `is_possible_number`, which also takes what can only be dialled from next door.
    reason = phonenumbers.is_possible_number_with_reason(number)
    return reason == phonenumbers.ValidationResult.IS_POSSIBLE


def plain(text: str) -> str:
    """A number as people write it, `+91 98765-43210`, in plain digits; anything else as it is."""
    digits = _WRITTEN.sub("", text).removeprefix("+")
    return digits.removeprefix("00") if digits.isascii() and digits.isdigit() else text


def is_user_id(text: str) -> bool:
    return _USER_ID.match(text) is not None


def is_group(text: str) -> bool:
    return _GROUP.match(text) is not None


def group(group_id: str) -> str:
    """How a group is written here, from Meta's id of it."""
    return f"{group_id}{_GROUP_ENDS_WITH}"


def group_id(group: str) -> str:
    """Meta's id of a group that is written as here."""
    return group.removesuffix(_GROUP_ENDS_WITH)


def mask(text: str) -> str:
    """Hide the middle of a number or user id: enough left to recognise it, too little to dial it."""
    shown = max(0, len(text) - 4)
    tail = min(4, shown // 2)
    head = min(5, shown - tail)
    return f"{text[:head]}•••{text[len(text) - tail :]}"
