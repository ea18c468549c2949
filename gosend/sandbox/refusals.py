"""What Graph refuses in a request, and with which code."""

import re
from collections.abc import Callable
from typing import Any

TITLES = {
    100: "Invalid parameter",
    130429: "Rate limit hit",
    131016: "Service unavailable",
    131008: "Required parameter is missing",
    131009: "Parameter value is not valid",
    131021: "Recipient cannot be the sender",
    131051: "Message type unknown",
    131053: "Media upload error",
    132001: "Template name does not exist in the translation",
}
TYPES = (
    "audio",
    "contacts",
    "document",
    "image",
    "interactive",
    "location",
    "reaction",
    "sticker",
    "template",
    "text",
    "video",
)
MAX_TEXT = 4096
MAX_CAPTION = 1024
MAX_OPAQUE = 512
MAX_BUTTONS = 3
MAX_BUTTON_TITLE = 20
MAX_LIST_ROWS = 10
MAX_CARDS = 257
# Bytes by kind of media, and the kinds themselves.
MB = 1024 * 1024
MEDIA_LIMITS = (
    (re.compile(r"audio/(aac|amr|mpeg|mp4|ogg)\Z"), 16 * MB),
    (re.compile(r"image/(jpeg|png)\Z"), 5 * MB),
    (re.compile(r"image/webp\Z"), 500 * 1024),
    (re.compile(r"video/(mp4|3gpp)\Z"), 16 * MB),
    (re.compile(r"(application|text)/[\w.+-]+\Z"), 100 * MB),
)
# An upload that ends so is refused with the code that it names.
MAGIC_BYTES = 64
_MAGIC_CONTENT = re.compile(rb"gosend-sandbox:(131053|131016|130429)\Z")
_STATUS_OF = {131016: 503}

_SEPARATORS = str.maketrans("", "", "+-() ")
_PHONE = re.compile(r"[1-9][0-9]{6,14}\Z")
# Meta's own begin with this: the base64 of capi_group:
_GROUP = re.compile(r"Y2FwaV9ncm91cDo[A-Za-z0-9+/_=-]{1,120}\Z")
GROUP_TYPES = ("text", "image", "video", "audio", "document", "sticker", "template")
_USER_ID = re.compile(r"[A-Z]{2}\.(ENT\.)?[A-Za-z0-9]{1,128}\Z")
_TEMPLATE_NAME = re.compile(r"[a-z0-9_]{1,512}\Z")
_COMPONENTS = frozenset({"header", "body", "button", "carousel", "limited_time_offer"})
_INTERACTIVE = frozenset(
    {"address_message", "button", "call_permission_request", "carousel", "catalog_message", "cta_url", "flow"}
    | {"list", "location_request_message", "product", "product_list", "request_contact_info", "voice_call"}
)


class Refusal(Exception):
    """Graph says no: the code, and what exactly was wrong."""

    def __init__(
        self, code: int, details: str, *, http_status: int = 400, subcode: int | None = None
    ) -> None:
        super().__init__(details)
        self.code = code
        self.details = details
        self.http_status = http_status
        self.subcode = subcode


def missing(path: str) -> Refusal:
    return Refusal(131008, f"{path} is required")


def invalid(path: str, why: str) -> Refusal:
    return Refusal(131009, f"{path} {why}")


def check_product(body: dict[str, Any]) -> None:
    if body.get("messaging_product") != "whatsapp":
        raise Refusal(100, "messaging_product is required and must be whatsapp")


def recipient_of(body: dict[str, Any]) -> tuple[str, str]:
    """Return (digits, "") or ("", user id or group); `to` wins when both are given, as at Meta."""
    if body.get("recipient_type", "individual") not in ("individual", "group"):
        raise Refusal(100, "recipient_type must be individual or group")
    if body.get("recipient_type") == "group":
        return "", _group_of(body)
    to, user_id = body.get("to"), body.get("recipient")
    if to is None and user_id is None:
        raise Refusal(100, "to is required")
    if to is not None:
        digits = to.translate(_SEPARATORS) if isinstance(to, str) else ""
        if not _PHONE.match(digits):
            raise invalid("to", "must be a phone number with its country code")
        return digits, ""
    if not isinstance(user_id, str) or not _USER_ID.match(user_id):
        raise invalid("recipient", "must be a business-scoped user id")
    return "", user_id


def _group_of(body: dict[str, Any]) -> str:
    group = body.get("to")
    if not isinstance(group, str) or not _GROUP.match(group):
        raise Refusal(131041, "to must be the id of a group")
    if body.get("type", "text") not in GROUP_TYPES:
        raise Refusal(100, f"type must be one of {', '.join(GROUP_TYPES)} in a group")
    return group


def opaque_of(body: dict[str, Any]) -> str | None:
    opaque = body.get("biz_opaque_callback_data")
    if opaque is not None and (not isinstance(opaque, str) or len(opaque) > MAX_OPAQUE):
        raise Refusal(100, f"biz_opaque_callback_data must be a string of at most {MAX_OPAQUE} characters")
    return opaque


def check_message(body: dict[str, Any]) -> str:
    """Check the content and return its type."""
    kind = body.get("type", "text")
    if kind not in TYPES:
        raise Refusal(100, f"type must be one of {', '.join(TYPES)}")
    if kind not in body:
        raise missing(kind)
    if not isinstance(body[kind], list if kind == "contacts" else dict):
        raise invalid(kind, "has the wrong JSON type")
    _CHECKS[kind](body[kind], kind)
    _check_context(body.get("context"))
    return str(kind)


def check_media(*, mime_type: str, data: bytes) -> None:
    """Refuse what WhatsApp would not take as an upload, and what asks to be refused."""
    size = len(data)
    mime_type = mime_type.partition(";")[0].strip().lower()
    limit = next((limit for pattern, limit in MEDIA_LIMITS if pattern.match(mime_type)), None)
    if limit is None:
        raise Refusal(100, f"file must have a supported MIME type, not {mime_type or 'none'}")
    if not 0 < size <= limit:
        raise Refusal(131053, f"file must have 1 to {limit} bytes, not {size}")
    if magic := _MAGIC_CONTENT.search(data[-MAGIC_BYTES:]):
        code = int(magic[1])
        raise Refusal(
            code, "the file's last bytes ask for this refusal", http_status=_STATUS_OF.get(code, 400)
        )


def _check_context(context: Any) -> None:
    if context is None:
        return
    wamid = context.get("message_id") if isinstance(context, dict) else None
    if not isinstance(wamid, str) or not wamid.startswith("wamid."):
        raise invalid("context.message_id", "must be the id of a message")


def _string(value: dict[str, Any], key: str, path: str, *, longest: int | None = None) -> str:
    """Require a string that is not empty."""
    text = value.get(key)
    if text is None:
        raise missing(f"{path}.{key}")
    if not isinstance(text, str) or not text:
        raise invalid(f"{path}.{key}", "must be a string that is not empty")
    if longest is not None and len(text) > longest:
        raise Refusal(100, f"{path}.{key} must be at most {longest} characters long")
    return text


def _check_text(value: dict[str, Any], path: str) -> None:
    _string(value, "body", path, longest=MAX_TEXT)
    if not isinstance(value.get("preview_url", False), bool):
        raise invalid(f"{path}.preview_url", "must be true or false")


def _check_media_object(value: dict[str, Any], path: str) -> None:
    given = [key for key in ("id", "link") if value.get(key) is not None]
    if not given:
        raise missing(f"{path}.id or {path}.link")
    if len(given) > 1:
        raise invalid(path, "must have either id or link, not both")
    reference = _string(value, given[0], path)
    if given == ["link"] and not reference.startswith(("https://", "http://")):
        raise invalid(f"{path}.link", "must be an http or https address")
    if value.get("caption") is not None:
        if path in {"audio", "sticker"}:
            raise invalid(f"{path}.caption", "is not possible for this type")
        _string(value, "caption", path, longest=MAX_CAPTION)


def _check_template(value: dict[str, Any], path: str) -> None:
    name = _string(value, "name", path)
    language = value.get("language")
    if not isinstance(language, dict):
        raise missing(f"{path}.language")
    code = _string(language, "code", f"{path}.language")
    if not _TEMPLATE_NAME.match(name):
        raise Refusal(132001, f"template {name[:100]} does not exist in {code[:20]}", http_status=404)
    components = value.get("components", [])
    if not isinstance(components, list) or not all(isinstance(part, dict) for part in components):
        raise invalid(f"{path}.components", "must be a list of objects")
    for index, part in enumerate(components):
        if str(part.get("type", "")).lower() not in _COMPONENTS:
            raise invalid(f"{path}.components[{index}].type", "is not a kind of component")


def _check_interactive(value: dict[str, Any], path: str) -> None:
    kind = _string(value, "type", path)
    if kind not in _INTERACTIVE:
        raise invalid(f"{path}.type", "is not a kind of interactive message")
    action = value.get("action")
    if not isinstance(action, dict):
        raise missing(f"{path}.action")
    if kind == "button":
        _check_buttons(action.get("buttons"), f"{path}.action.buttons")
    if kind == "list":
        _check_sections(action.get("sections"), f"{path}.action.sections")


def _check_buttons(buttons: Any, path: str) -> None:
    if not isinstance(buttons, list) or not 1 <= len(buttons) <= MAX_BUTTONS:
        raise invalid(path, f"must have 1 to {MAX_BUTTONS} buttons")
    for index, button in enumerate(buttons):
        reply = button.get("reply") if isinstance(button, dict) else None
        if not isinstance(reply, dict):
            raise missing(f"{path}[{index}].reply")
        _string(reply, "id", f"{path}[{index}].reply", longest=256)
        _string(reply, "title", f"{path}[{index}].reply", longest=MAX_BUTTON_TITLE)


def _check_sections(sections: Any, path: str) -> None:
    if not isinstance(sections, list) or not all(isinstance(section, dict) for section in sections):
        raise invalid(path, "must be a list of sections")
    groups = [section.get("rows") for section in sections]
    rows = [row for group in groups if isinstance(group, list) for row in group]
    if not 1 <= len(rows) <= MAX_LIST_ROWS or not all(isinstance(row, dict) for row in rows):
        raise invalid(path, f"must have 1 to {MAX_LIST_ROWS} rows in all")
    for row in rows:
        _string(row, "id", f"{path}.rows", longest=200)
        _string(row, "title", f"{path}.rows", longest=24)


def _check_location(value: dict[str, Any], path: str) -> None:
    for key, limit in (("latitude", 90), ("longitude", 180)):
        if value.get(key) is None:
            raise missing(f"{path}.{key}")
        try:
            is_there = abs(float(value[key])) <= limit
        except (TypeError, ValueError, OverflowError):
            is_there = False
        if not is_there:
            raise invalid(f"{path}.{key}", f"must be a number from -{limit} to {limit}")


def _check_contacts(value: list[Any], path: str) -> None:
    if not 1 <= len(value) <= MAX_CARDS:
        raise invalid(path, f"must have 1 to {MAX_CARDS} cards")
    for index, card in enumerate(value):
        name = card.get("name") if isinstance(card, dict) else None
        if not isinstance(name, dict):
            raise missing(f"{path}[{index}].name")
        _string(name, "formatted_name", f"{path}[{index}].name")


def _check_reaction(value: dict[str, Any], path: str) -> None:
    if not _string(value, "message_id", path).startswith("wamid."):
        raise invalid(f"{path}.message_id", "must be the id of a message")
    if not isinstance(value.get("emoji"), str):
        raise missing(f"{path}.emoji")


_CHECKS: dict[str, Callable[[Any, str], None]] = {
    "text": _check_text,
    "template": _check_template,
    "interactive": _check_interactive,
    "location": _check_location,
    "contacts": _check_contacts,
    "reaction": _check_reaction,
    "audio": _check_media_object,
    "document": _check_media_object,
    "image": _check_media_object,
    "sticker": _check_media_object,
    "video": _check_media_object,
}
