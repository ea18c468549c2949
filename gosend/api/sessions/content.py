"""The gateway's message bodies, made into whatsapp.content."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from gosend.api import errors
from gosend.api.sessions import inline, jids, vcards
from gosend.lib.errors import DomainError
from gosend.whatsapp import content as contents
from messaging import polls

MEDIA = ("image", "video", "audio", "document", "sticker")
TYPES = ("text", "poll", "location", "contact", *MEDIA, "template")
_SHOWN = 100
_MAX_MENTIONS = 256
_FILE_FIELDS = ("caption", "filename", "voice")
# Where Meta's name of a part differs from this dialect's.
_OWN_PATHS = (
    ("text.body", "text"),
    ("location.", ""),
    ("contacts", "contact"),
    ("interactive.body.text", "name"),
)


class InvalidMessageType(DomainError):
    code = "invalid_message_type"


class InvalidContent(DomainError):
    code = "invalid_content"


@dataclass(frozen=True, slots=True)
class Poll:
    """A poll as it was asked for."""

    name: str
    options: list[str]
    selectable_count: int


@dataclass(frozen=True, slots=True)
class MessageIn:
    """A send as it was asked for, found to be well formed; exactly one of the three says what."""

    to: str
    content: contents.Content | None = None
    poll: Poll | None = None
    upload: "Upload | None" = None
    reply_to: str = ""
    warnings: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Upload:
    """A file that has to be at Meta first."""

    kind: str
    file: inline.File
    fields: dict[str, Any]

    def content(self, media_id: str) -> contents.Content:
        return parse(self.kind, {"id": media_id, **self.fields})


def read(data: Mapping[str, Any]) -> MessageIn:
    """Check the body of a send. Fields that are not ours are passed by."""
    kind = data.get("type")
    if kind is None or kind == "":
        raise errors.MissingField("type is required", details={"field": "type"})
    if kind not in TYPES:
        raise InvalidMessageType(
            f"'{str(kind)[:_SHOWN]}' is not a message type that can be sent",
            details={"field": "type", "value": str(kind)[:_SHOWN], "allowed": list(TYPES)},
        )
    to = jids.read(data.get("to"), field="to")
    content, poll, upload = _what(str(kind), data)
    return MessageIn(
        to=to,
        content=content,
        poll=poll,
        upload=upload,
        reply_to=_optional(data, "replyTo"),
        warnings=_mentions(data),
    )


def text(value: object) -> contents.Text:
    """The words of a text, also of an edit."""
    if value is None or value == "":
        raise errors.MissingField("text is required", details={"field": "text"})
    made = parse("text", {"body": value})
    assert isinstance(made, contents.Text)  # noqa: S101 -- for the type checker
    return made


def parse(kind: str, value: Any) -> contents.Content:
    """Read Meta's own shape; what is refused is named as this dialect names it."""
    try:
        return contents.parse(type=kind, value=value)
    except contents.ContentInvalid as error:
        raise refused(error, kind) from error


def refused(error: contents.ContentInvalid, kind: str) -> DomainError:
    written = [
        {
            "path": _own_path(one.path, kind),
            "message": one.message,
            "limit": one.limit,
            "value": _shown(one.value),
        }
        for one in error.violations
    ]
    first = written[0]
    if error.violations[0].missing:
        return errors.MissingField(f"{first['path']} is required", details={"field": first["path"]})
    return InvalidContent(
        f"{first['path']}: {first['message']}", details={"field": first["path"], "errors": written}
    )


def strings(data: Mapping[str, Any], name: str, *, most: int) -> list[str]:
    """A list of strings; empty where it is absent."""
    value = data.get(name)
    if value is None:
        return []
    if not isinstance(value, list) or len(value) > most or not all(isinstance(one, str) for one in value):
        raise errors.InvalidField(
            f"{name} must be a list of at most {most} strings", details={"field": name, "limit": most}
        )
    return value


_Parts = tuple[contents.Content | None, Poll | None, Upload | None]


def _what(kind: str, data: Mapping[str, Any]) -> _Parts:
    match kind:
        case "text":
            return text(data.get("text")), None, None
        case "poll":
            return None, _poll(data), None
        case "location":
            fields = ("latitude", "longitude", "name", "address")
            place = {name: data[name] for name in fields if data.get(name) is not None}
            return parse("location", place), None, None
        case "contact":
            return parse("contacts", _cards(data)), None, None
        case "template":
            return parse("template", _required(data, "template")), None, None
    return _media(kind, data)


def _poll(data: Mapping[str, Any]) -> Poll:
    name = data.get("name")
    if not isinstance(name, str) or not name.strip():
        raise errors.MissingField("name is required: the question", details={"field": "name"})
    if data.get("options") is None:
        raise errors.MissingField("options is required", details={"field": "options"})
    options = strings(data, "options", most=polls.MAX_OPTIONS)
    if len(options) < polls.MIN_OPTIONS or not all(option.strip() for option in options):
        raise errors.InvalidField(
            f"options must be {polls.MIN_OPTIONS} to {polls.MAX_OPTIONS} strings, none of them empty",
            details={"field": "options"},
        )
    if len(set(options)) < len(options):
        raise errors.InvalidField("options must differ from each other", details={"field": "options"})
    count = data.get("selectableCount", 1)
    if not isinstance(count, int) or isinstance(count, bool) or not 0 <= count <= len(options):
        raise errors.InvalidField(
            f"selectableCount must be a number from 0 to {len(options)}; 0 for any number of options",
            details={"field": "selectableCount", "value": _shown(count)},
        )
    return Poll(name, options, count or len(options))


def _cards(data: Mapping[str, Any]) -> list[dict[str, Any]]:
    """`contact` as `{name, phone}`, `{vcard}`, a raw vCard or a list of these; or `vcard` beside it."""
    given = data.get("contact") if data.get("contact") is not None else data.get("vcard")
    if given is None:
        raise errors.MissingField("contact is required", details={"field": "contact"})
    return [card for one in (given if isinstance(given, list) else [given]) for card in _card(one)]


def _card(given: object) -> list[dict[str, Any]]:
    vcard = given.get("vcard") if isinstance(given, dict) else given
    if isinstance(vcard, str):
        if not (cards := vcards.read(vcard)):
            raise errors.InvalidField(
                "contact.vcard must be a vCard: it begins with BEGIN:VCARD",
                details={"field": "contact.vcard", "value": vcard[:_SHOWN]},
            )
        return cards
    if not isinstance(given, dict):
        raise errors.InvalidField(
            "contact must be {name, phone} or a vCard", details={"field": "contact", "value": _shown(given)}
        )
    return [vcards.card(name=_text(given, "name"), number=_text(given, "phone"))]


def _text(contact: Mapping[str, Any], name: str) -> str:
    value = contact.get(name)
    if not isinstance(value, str) or not value.strip():
        raise errors.MissingField(f"contact.{name} is required", details={"field": f"contact.{name}"})
    return value.strip()


def _media(kind: str, data: Mapping[str, Any]) -> _Parts:
    """Bytes in the request; or, beyond the gateway, a link or the id of an uploaded file."""
    media = _required(data, "media")
    fields = {name: media[name] for name in _FILE_FIELDS if media.get(name) is not None}
    if kind != "document":
        fields.pop("filename", None)
    if kind != "audio":
        fields.pop("voice", None)
    if media.get("data") is None:
        for source, theirs in (("id", "id"), ("url", "link")):
            if media.get(source) is not None:
                return parse(kind, {theirs: media[source], **fields}), None, None
    parse(kind, {"id": "0", **fields})  # what else is wrong is said before anything is uploaded
    stated = media.get("mimetype")
    if stated is not None and not isinstance(stated, str):
        raise errors.InvalidField("media.mimetype must be a string", details={"field": "media.mimetype"})
    return None, None, Upload(kind, inline.read(media.get("data"), stated_type=stated or ""), fields)


def _required(data: Mapping[str, Any], name: str) -> dict[str, Any]:
    value = data.get(name)
    if value is None:
        inner = ".data" if name == "media" else ""
        raise errors.MissingField(f"{name}{inner} is required", details={"field": f"{name}{inner}"})
    if not isinstance(value, dict):
        raise errors.InvalidField(
            f"{name} must be an object", details={"field": name, "value": _shown(value)}
        )
    return value


def _mentions(data: Mapping[str, Any]) -> list[str]:
    """The Cloud API cannot tag anybody: said in a warning, or refused where `strict` is true."""
    mentions = strings(data, "mentions", most=_MAX_MENTIONS)
    for index, one in enumerate(mentions):
        jids.read(one, field=f"mentions[{index}]")
    strict = data.get("strict", False)
    if not isinstance(strict, bool):
        raise errors.InvalidField("strict must be true or false", details={"field": "strict"})
    if mentions and strict:
        reason = "The Cloud API has no mentions"
        raise jids.UnsupportedByChannel(
            reason,
            details={"field": "mentions", "reason": reason, "alternatives": ["Write the name in the text"]},
        )
    return ["mentions_not_supported"] if mentions else []


def _optional(data: Mapping[str, Any], name: str) -> str:
    value = data.get(name)
    if value is None:
        return ""
    if not isinstance(value, str) or len(value) > 255:
        raise errors.InvalidField(f"{name} must be the id of a message", details={"field": name})
    return value


def _own_path(path: str, kind: str) -> str:
    if kind in MEDIA:
        return path.replace(f"{kind}.", "media.", 1).replace("media.link", "media.url")
    for theirs, ours in _OWN_PATHS:
        if path.startswith(theirs):
            return ours + path.removeprefix(theirs)
    return path


def _shown(value: Any) -> Any:
    if value is None or isinstance(value, (bool, int, float)):
        return value
    return str(value)[:_SHOWN]
