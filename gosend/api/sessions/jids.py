"""Addresses of chats, in every spelling that clients of linked devices use."""

import re

from gosend.api import errors
from gosend.lib import phone
from gosend.lib.errors import DomainError
from messaging.models import Contact
from webhooks_app import session_events

# The `12` of 628123456789:12@s.whatsapp.net names a device, which the Cloud API has no use for.
_PERSON = re.compile(r"\+?([0-9]+)(?:[.:_][0-9]+)*(?:@(?:s\.whatsapp\.net|c\.us))?\Z", re.IGNORECASE)
_ELSEWHERE = {
    "g.us": (
        "The Cloud API reaches only groups that it made itself, by the id that Meta gave, never by digits",
        ["Take the group_id of Meta's, then @g.us", "Write to each member: one message for each phone JID"],
    ),
    "newsletter": ("The Cloud API has no channels", []),
    "broadcast": (
        "The Cloud API has no broadcast lists and no status",
        ["Send to each person, with ?async=true"],
    ),
    "lid": (
        "A lid is known to linked devices only",
        ["Use the phone JID, or the business-scoped user id of the person's own message"],
    ),
}


class UnsupportedByChannel(DomainError):
    code = "unsupported_by_channel"


def read(value: object, *, field: str) -> str:
    """Return what is sent to: the digits of a phone number, a business-scoped user id, or a group."""
    if value is None or value == "":
        raise errors.MissingField(f"{field} is required", details={"field": field})
    if not isinstance(value, str):
        raise _wrong(field, value)
    text = value.strip()
    if phone.is_user_id(text) or phone.is_group(text):
        return text
    server = text.rpartition("@")[2].lower() if "@" in text else ""
    if server in _ELSEWHERE:
        reason, alternatives = _ELSEWHERE[server]
        raise UnsupportedByChannel(
            reason, details={"field": field, "reason": reason, "alternatives": alternatives}
        )
    found = _PERSON.match(text)
    if found is None or not phone.is_e164_digits(found[1]):
        raise _wrong(field, value)
    return found[1]


def write(peer: str | None) -> str | None:
    return session_events.jid(peer)


def of(contact: Contact) -> tuple[str | None, str | None]:
    """The JID and the user id of a person; a group has the first alone."""
    if phone.is_group(contact.user_id):
        return contact.user_id, None
    return write(contact.phone), contact.user_id or None


def _wrong(field: str, value: object) -> errors.InvalidField:
    return errors.InvalidField(
        f"{field} must be a JID such as 628123456789@s.whatsapp.net: country code first, digits only",
        details={"field": field, "value": str(value)[:100]},
    )
