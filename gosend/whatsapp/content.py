"""What a message can contain, and its limits.

Each family of types has a module of its own. A new type is a class there, a name in `Content` here, and a
line in `summary` if it has words to show.
"""

from typing import Any, get_args

from pydantic import ValidationError

from gosend.lib import phone
from gosend.whatsapp import violations
from gosend.whatsapp.cards import Contacts
from gosend.whatsapp.interactive import Interactive
from gosend.whatsapp.media import Audio, Document, Image, Sticker, Video
from gosend.whatsapp.places import Location
from gosend.whatsapp.reactions import Reaction
from gosend.whatsapp.summary import text_of
from gosend.whatsapp.templates import Language, Template
from gosend.whatsapp.texts import Text
from gosend.whatsapp.violations import ContentInvalid, Violation

__all__ = [
    "TYPES",
    "Audio",
    "Contacts",
    "Content",
    "ContentInvalid",
    "Document",
    "Image",
    "Interactive",
    "Language",
    "Location",
    "Reaction",
    "Sticker",
    "Template",
    "Text",
    "UnknownType",
    "Video",
    "Violation",
    "envelope",
    "graph_body",
    "parse",
    "text_of",
]

Content = (
    Text
    | Template
    | Image
    | Video
    | Audio
    | Document
    | Sticker
    | Location
    | Interactive
    | Contacts
    | Reaction
)

_CLASSES: dict[str, type[Content]] = {kind.type: kind for kind in get_args(Content)}
TYPES: tuple[str, ...] = tuple(_CLASSES)

# Meta's OpenAPI document gives it for calls; messages echo the same field.
MAX_OPAQUE_CHARACTERS = 512


class UnknownType(Exception):
    """The type is not one that can be sent."""

    def __init__(self, type: object, allowed: tuple[str, ...]) -> None:
        super().__init__(f"{violations.shown(type)!r} is not one of {', '.join(allowed)}")
        self.type = type
        self.allowed = allowed


def parse(*, type: str, value: object) -> Content:
    """Read the object that stands under the type's key. Raises UnknownType or ContentInvalid."""
    kind = _CLASSES.get(type) if isinstance(type, str) else None
    if kind is None:
        raise UnknownType(type, TYPES)
    if value is None:
        raise ContentInvalid([Violation(type, "is required", missing=True)])
    if found := list(violations.unstorable(value, path=type)):
        raise ContentInvalid(found)
    try:
        return kind.model_validate(value)
    except ValidationError as error:
        raise ContentInvalid(violations.from_pydantic(error, root=type)) from None


def envelope(*, to: str, opaque: str | None = None) -> dict[str, Any]:
    """What Graph wants around any content. `to` is digits, a user id such as `US.1349…`, or a group."""
    if opaque is not None and len(opaque) > MAX_OPAQUE_CHARACTERS:
        raise ValueError(f"callback data may have {MAX_OPAQUE_CHARACTERS} characters, not {len(opaque)}")
    body: dict[str, Any] = {"messaging_product": "whatsapp", "recipient_type": "individual"}
    if phone.is_group(to):
        body |= {"recipient_type": "group", "to": phone.group_id(to)}
    elif to.isascii() and to.removeprefix("+").isdigit():
        # Without the plus Meta may put the sender's own country code in front.
        body["to"] = "+" + to.removeprefix("+")
    else:
        body["recipient"] = to
    if opaque is not None:
        body["biz_opaque_callback_data"] = opaque
    return body


def graph_body(
    *, content: Content, to: str, context_wamid: str | None = None, opaque: str | None = None
) -> dict[str, Any]:
    """The whole body of `POST /{PNID}/messages`."""
    body = envelope(to=to, opaque=opaque)
    if context_wamid and content.takes_context:
        body["context"] = {"message_id": context_wamid}
    return {**body, "type": content.type, content.type: content.to_graph()}
