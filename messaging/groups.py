"""Groups of the Cloud API's own: what may be sent to them, and which one a message came from.

Meta, "Groups messaging": official business accounts only, up to eight members; texts, files and templates,
nothing interactive, no edits, no read receipts. A group is a contact without a number.
"""

from collections.abc import Mapping
from typing import Any

from gosend.lib import phone
from gosend.lib.errors import DomainError

_TYPES = ("text", "image", "video", "audio", "document", "sticker", "template")


class NotInGroups(DomainError):
    code = "unsupported_by_channel"


def require_type(type: str) -> None:
    """Refuse what no group takes, before Meta does."""
    if type not in _TYPES:
        raise not_in_groups(f"WhatsApp takes no message of type {type} in a group", *_TYPES)


def not_in_groups(reason: str, *alternatives: str) -> NotInGroups:
    return NotInGroups(reason, details={"reason": reason, "alternatives": list(alternatives)})


def of(message: Mapping[str, Any]) -> str:
    """The group that a message of Meta's callback was written in, as it is written here; or nothing."""
    given = message.get("group_id")
    written = phone.group(given) if isinstance(given, str) else ""
    return written if phone.is_group(written) else ""


def writer(message: Mapping[str, Any]) -> str:
    """Who wrote it: digits, or a user id."""
    found = message.get("from") or message.get("from_user_id")
    return found if isinstance(found, str) else ""
