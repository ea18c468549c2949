"""Meta's webhook JSON, read into typed events.

Nothing in a callback is certain to be there, or to be what it should be: each piece that can be read
becomes an event, every other one an `Unrecognised`, and all keep their raw JSON.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from gosend.lib import phone
from gosend.whatsapp import events_management
from gosend.whatsapp.event_item import Item, Json, Unrecognised
from gosend.whatsapp.event_item import text_of as _text
from gosend.whatsapp.event_item import unrecognised as _unrecognised
from gosend.whatsapp.events_management import (
    AccountAlert,
    AccountUpdate,
    CapabilityUpdate,
    NameUpdate,
    QualityUpdate,
    TemplateCategoryUpdate,
    TemplateComponentsUpdate,
    TemplateQualityUpdate,
    TemplateUpdate,
)

__all__ = [
    "AccountAlert",
    "AccountUpdate",
    "CapabilityUpdate",
    "InboundMessage",
    "Item",
    "MessageEcho",
    "NameUpdate",
    "QualityUpdate",
    "StatusUpdate",
    "TemplateCategoryUpdate",
    "TemplateComponentsUpdate",
    "TemplateQualityUpdate",
    "TemplateUpdate",
    "Unrecognised",
    "UserIdUpdate",
    "parse",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Message(Item):
    """What messages of both directions have; either of phone and user id may be empty."""

    phone_number_id: str
    wamid: str
    from_phone: str
    from_user_id: str
    timestamp: datetime
    type: str
    message: Json
    contact: Json
    profile_name: str
    username: str


@dataclass(frozen=True, slots=True, kw_only=True)
class InboundMessage(_Message):
    """A customer wrote."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageEcho(_Message):
    """The business wrote from its own WhatsApp Business app; `contact` is the customer's."""

    to_phone: str
    to_user_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusUpdate(Item):
    """What became of a message; `opaque` is what we gave along with it."""

    phone_number_id: str
    wamid: str
    status: str
    timestamp: datetime
    recipient_id: str
    recipient_user_id: str
    participant: str
    opaque: str
    errors: list[Json]
    pricing: Json | None


@dataclass(frozen=True, slots=True, kw_only=True)
class UserIdUpdate(Item):
    """A person's business-scoped user id was replaced, as it is when they change their phone number."""

    phone_number_id: str
    phone: str
    previous: str
    current: str


def parse(payload: object) -> list[Item]:
    """Read a callback. Takes any JSON value and never raises."""
    entries = payload.get("entry") if isinstance(payload, dict) else None
    if not isinstance(entries, list):
        return [_unrecognised("", "", payload, "no list of entries")]
    return [item for entry in entries for item in _entry(entry)]


def _entry(entry: object) -> Iterator[Item]:
    changes = entry.get("changes") if isinstance(entry, dict) else None
    if not isinstance(entry, dict) or not isinstance(changes, list):
        yield _unrecognised("", "", entry, "an entry without changes")
        return
    waba_id = _text(entry.get("id"))
    for change in changes:
        yield from _change(waba_id, change)


def _change(waba_id: str, change: object) -> Iterator[Item]:
    if not isinstance(change, dict):
        yield _unrecognised(waba_id, "", change, "a change that is no object")
        return
    field, value = _text(change.get("field")), change.get("value")
    reader = _READERS.get(field)
    if reader is None or not isinstance(value, dict):
        reason = "an unknown field" if reader is None else "a value that is no object"
        yield _unrecognised(waba_id, field, change, reason)
        return
    yield from reader(waba_id, change, value)


def _messages(waba_id: str, change: Json, value: Json) -> Iterator[Item]:
    read = False
    for key, reader in (("messages", _message), ("statuses", _status)):
        pieces = value.get(key)
        if pieces is None:
            continue
        read = True
        if not isinstance(pieces, list):
            yield _unrecognised(waba_id, "messages", pieces, f"{key} that are no list")
            continue
        for piece in pieces:
            yield reader(waba_id, value, piece)
    if "errors" in value or not read:
        yield _unrecognised(waba_id, "messages", change, "errors of the number" if read else "no messages")


def _message(waba_id: str, value: Json, message: object) -> Item:
    if not isinstance(message, dict) or not _text(message.get("id")):
        return _unrecognised(waba_id, "messages", message, "a message without an id")
    contact = _contact_of(value, message)
    from_phone, from_user_id = _person(message.get("from"), message.get("from_user_id"))
    contact_phone, contact_user_id = _person(contact.get("wa_id"), contact.get("user_id"))
    return InboundMessage(
        waba_id=waba_id,
        field="messages",
        raw=message,
        from_phone=from_phone or contact_phone,
        from_user_id=from_user_id or contact_user_id,
        **_common(value, message, contact),
    )


def _echoes(waba_id: str, change: Json, value: Json) -> Iterator[Item]:
    field, echoes = "smb_message_echoes", value.get("message_echoes")
    if not isinstance(echoes, list):
        yield _unrecognised(waba_id, field, change, "no message_echoes")
        return
    for echo in echoes:
        if not isinstance(echo, dict) or not _text(echo.get("id")):
            yield _unrecognised(waba_id, field, echo, "a message without an id")
            continue
        contact = _contact_of(value, echo)
        to_phone, to_user_id = _person(echo.get("to"), echo.get("to_user_id"))
        yield MessageEcho(
            waba_id=waba_id,
            field=field,
            raw=echo,
            from_phone=_text(echo.get("from")),
            from_user_id=_text(echo.get("from_user_id")),
            to_phone=to_phone,
            to_user_id=to_user_id,
            **_common(value, echo, contact),
        )


def _status(waba_id: str, value: Json, status: object) -> Item:
    if not isinstance(status, dict) or not _text(status.get("status")):
        return _unrecognised(waba_id, "messages", status, "a status without its name")
    wamid, opaque = _text(status.get("id")), _text(status.get("biz_opaque_callback_data"))
    if not wamid and not opaque:
        return _unrecognised(waba_id, "messages", status, "a status of no message")
    errors, pricing = status.get("errors"), status.get("pricing")
    recipient_id, user_id = _person(status.get("recipient_id"), status.get("recipient_user_id"))
    return StatusUpdate(
        waba_id=waba_id,
        field="messages",
        raw=status,
        phone_number_id=_phone_number_id(value),
        wamid=wamid,
        status=_text(status.get("status")),
        timestamp=_moment(status.get("timestamp")),
        recipient_id=recipient_id,
        recipient_user_id=user_id,
        participant=_participant(status),
        opaque=opaque,
        errors=[error for error in errors if isinstance(error, dict)] if isinstance(errors, list) else [],
        pricing=pricing if isinstance(pricing, dict) else None,
    )


def _user_ids(waba_id: str, change: Json, value: Json) -> Iterator[Item]:
    field, updates = "user_id_update", value.get("user_id_update")
    for update in updates if isinstance(updates, list) else [None]:
        ids = update.get("user_id") if isinstance(update, dict) else None
        ids = ids if isinstance(ids, dict) else {}
        previous, current = _text(ids.get("previous")), _text(ids.get("current"))
        if not isinstance(update, dict) or not previous or not current:
            yield _unrecognised(waba_id, field, change, "no user id before and after")
            continue
        yield UserIdUpdate(
            waba_id=waba_id,
            field=field,
            raw=update,
            phone_number_id=_phone_number_id(value),
            phone=_person(update.get("wa_id"), None)[0],
            previous=previous,
            current=current,
        )


_READERS = {
    "messages": _messages,
    "smb_message_echoes": _echoes,
    "user_id_update": _user_ids,
    **events_management.READERS,
}


def _common(value: Json, message: Json, contact: Json) -> dict[str, Any]:
    """What messages of both directions have."""
    profile = contact.get("profile")
    profile = profile if isinstance(profile, dict) else {}
    return {
        "phone_number_id": _phone_number_id(value),
        "wamid": _text(message.get("id")),
        "timestamp": _moment(message.get("timestamp")),
        "type": _text(message.get("type")) or "unknown",
        "message": message,
        "contact": contact,
        "profile_name": _text(profile.get("name")),
        "username": _text(profile.get("username")),
    }


def _contact_of(value: Json, message: Json) -> Json:
    """The contact that the message names; a lone one without ids is taken for it, too."""
    contacts = value.get("contacts")
    found = (
        [contact for contact in contacts if isinstance(contact, dict)] if isinstance(contacts, list) else []
    )
    people = {_text(message.get(key)) for key in ("from", "from_user_id", "to", "to_user_id")} - {""}
    for contact in found:
        if people & _ids_of(contact):
            return contact
    is_clear = len(found) == 1 and not (people and _ids_of(found[0]))
    return found[0] if is_clear else {}


def _ids_of(contact: Json) -> set[str]:
    return {_text(contact.get("wa_id")), _text(contact.get("user_id"))} - {""}


def _person(number: object, user_id: object) -> tuple[str, str]:
    """Phone and user id; a user id has been seen where the phone belongs."""
    first, second = _text(number), _text(user_id)
    if first and phone.is_user_id(first):
        return "", second or first
    return first, second


def _participant(status: Json) -> str:
    """Who of a group; Meta spells the keys in two orders."""
    keys = (
        "recipient_participant_id",
        "participant_recipient_id",
        "recipient_participant_user_id",
        "participant_recipient_user_id",
    )
    return next(filter(None, (_text(status.get(key)) for key in keys)), "")


def _phone_number_id(value: Json) -> str:
    metadata = value.get("metadata")
    return _text(metadata.get("phone_number_id")) if isinstance(metadata, dict) else ""


def _moment(value: object) -> datetime:
    """Unix seconds, as a number or a string; now, when it is neither or no date."""
    try:
        if isinstance(value, str | int | float) and not isinstance(value, bool):
            return datetime.fromtimestamp(float(value), UTC)
    except (ValueError, OverflowError, OSError):
        pass
    return datetime.now(UTC)
