"""Which files WhatsApp takes, and what a file is by its bytes.

What a web server or a client calls a file is not believed: a wrong type is the most common reason for
which Meta refuses an upload.
"""

import re
from dataclasses import dataclass
from mmap import mmap

# A file in memory, or one on disk that is looked at in place.
Data = bytes | mmap

KB, MB = 1024, 1024 * 1024
UNKNOWN = "application/octet-stream"

_OFFICE = "application/vnd.openxmlformats-officedocument"


@dataclass(frozen=True, slots=True)
class Limit:
    """What one kind of media may be."""

    mime_types: tuple[str, ...]
    max_bytes: int


# Meta, "Supported media types".
LIMITS: dict[str, Limit] = {
    "audio": Limit(("audio/aac", "audio/amr", "audio/mpeg", "audio/mp4", "audio/ogg"), 16 * MB),
    "document": Limit(
        (
            "text/plain",
            "application/pdf",
            "application/msword",
            f"{_OFFICE}.wordprocessingml.document",
            "application/vnd.ms-excel",
            f"{_OFFICE}.spreadsheetml.sheet",
            "application/vnd.ms-powerpoint",
            f"{_OFFICE}.presentationml.presentation",
        ),
        100 * MB,
    ),
    "image": Limit(("image/jpeg", "image/png"), 5 * MB),
    "sticker": Limit(("image/webp",), 500 * KB),
    "video": Limit(("video/mp4", "video/3gpp"), 16 * MB),
    # A template's moving picture is a video without sound.
    "gif": Limit(("video/mp4",), 16 * MB),
}
MIME_TYPES = tuple(dict.fromkeys(mime_type for limit in LIMITS.values() for mime_type in limit.mime_types))
MAX_STILL_STICKER_BYTES = 100 * KB
MAX_BYTES = max(limit.max_bytes for limit in LIMITS.values())

_SUFFIXES = {
    "audio/aac": "aac",
    "audio/amr": "amr",
    "audio/mpeg": "mp3",
    "audio/mp4": "m4a",
    "audio/ogg": "ogg",
    "image/jpeg": "jpg",
    "image/png": "png",
    "image/webp": "webp",
    "video/mp4": "mp4",
    "video/3gpp": "3gp",
    "text/plain": "txt",
    "application/pdf": "pdf",
    "application/msword": "doc",
    "application/vnd.ms-excel": "xls",
    "application/vnd.ms-powerpoint": "ppt",
    f"{_OFFICE}.wordprocessingml.document": "docx",
    f"{_OFFICE}.spreadsheetml.sheet": "xlsx",
    f"{_OFFICE}.presentationml.presentation": "pptx",
}

_FIRST_BYTES = (
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"GIF8", "image/gif"),
    (b"#!AMR", "audio/amr"),
    (b"ID3", "audio/mpeg"),
    (b"%PDF-", "application/pdf"),
)
# Names of parts inside the two containers of office files: ZIP, and the older compound file.
_IN_ZIP = (
    (b"word/document.xml", f"{_OFFICE}.wordprocessingml.document"),
    (b"xl/workbook.", f"{_OFFICE}.spreadsheetml.sheet"),
    (b"ppt/presentation.xml", f"{_OFFICE}.presentationml.presentation"),
)
_IN_COMPOUND = (
    ("WordDocument".encode("utf-16-le"), "application/msword"),
    ("Workbook".encode("utf-16-le"), "application/vnd.ms-excel"),
    ("PowerPoint Document".encode("utf-16-le"), "application/vnd.ms-powerpoint"),
)
_COMPOUND = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_HTML = re.compile(rb"\s*(?:<!doctype\s+html|<html|<head|<body)\b", re.IGNORECASE)
_NOT_IN_TEXT = re.compile(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f]")
# The part that tells text from the rest: no control characters, in whatever encoding.
_HEAD_BYTES = 4096


class UnfitFile(Exception):
    """WhatsApp would not take this file as this kind of media."""

    def __init__(self, message: str, *, is_too_large: bool = False, limit: int | None = None) -> None:
        super().__init__(message)
        self.is_too_large = is_too_large
        self.limit = limit


def kinds_of(mime_type: str) -> tuple[str, ...]:
    """The kinds of media that a MIME type can be sent as; its parameters do not count."""
    plain = bare(mime_type)
    return tuple(kind for kind, limit in LIMITS.items() if plain in limit.mime_types)


def bare(mime_type: str) -> str:
    """`audio/ogg; codecs=opus` without the parameters."""
    return mime_type.partition(";")[0].strip().lower()


def name_for(mime_type: str) -> str:
    """A file name that fits the type."""
    return f"file.{_SUFFIXES.get(bare(mime_type), 'bin')}"


def check(*, kind: str, data: Data) -> str:
    """Return the MIME type that the bytes have; raises UnfitFile when the kind does not take them."""
    limit = LIMITS[kind]
    if not data:
        raise UnfitFile("The file is empty")
    if len(data) > limit.max_bytes:
        raise too_large(kind, limit.max_bytes)
    mime_type = _as_audio(sniff(data)) if kind == "audio" else sniff(data)
    if mime_type not in limit.mime_types:
        found = "of no known type" if mime_type == UNKNOWN else mime_type
        raise UnfitFile(f"The file is {found}; {kind} takes {', '.join(limit.mime_types)}")
    if kind == "sticker" and len(data) > MAX_STILL_STICKER_BYTES and not _is_animated(data):
        raise too_large("sticker that does not move", MAX_STILL_STICKER_BYTES)
    return mime_type


def too_large(what: str, limit: int) -> UnfitFile:
    return UnfitFile(f"The file is over the {limit} bytes of {what}", is_too_large=True, limit=limit)


def sniff(data: Data) -> str:
    """Tell one of the types above by the bytes, or `image/gif`, `text/html`; else UNKNOWN."""
    for start, mime_type in _FIRST_BYTES:
        if data[: len(start)] == start:
            return mime_type
    return _container(data) or _audio(data) or _text(data[:_HEAD_BYTES])


def _container(data: Data) -> str:
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp"
    if data[4:8] == b"ftyp":
        return _iso_media(data[8:12])
    if data[:4] == b"OggS":  # of what Ogg can hold, WhatsApp plays Opus
        return "audio/ogg" if b"OpusHead" in data[:_HEAD_BYTES] else UNKNOWN
    if data[:4] == b"PK\x03\x04":
        return next((mime_type for part, mime_type in _IN_ZIP if data.find(part) >= 0), UNKNOWN)
    if data[: len(_COMPOUND)] == _COMPOUND:
        return next((mime_type for part, mime_type in _IN_COMPOUND if data.find(part) >= 0), UNKNOWN)
    return ""


def _iso_media(brand: bytes) -> str:
    if brand[:2] == b"3g":
        return "video/3gpp"
    return "audio/mp4" if brand in {b"M4A ", b"M4B "} else "video/mp4"


def _as_audio(mime_type: str) -> str:
    """Many writers of M4A name the brand that films have."""
    return "audio/mp4" if mime_type == "video/mp4" else mime_type


def _audio(data: Data) -> str:
    """Frames of AAC and MP3 begin with eleven or twelve set bits; two bits more tell them apart."""
    if len(data) < 2 or data[0] != 0xFF or data[1] & 0xE0 != 0xE0:
        return ""
    layer = data[1] >> 1 & 3
    if layer == 0:
        return "audio/aac" if data[1] & 0xF0 == 0xF0 else ""
    return "audio/mpeg"


def _text(head: bytes) -> str:
    if _HTML.match(head):
        return "text/html"
    if not head or _NOT_IN_TEXT.search(head):
        return UNKNOWN
    return "text/plain"


def _is_animated(webp: Data) -> bool:
    return webp[12:16] == b"VP8X" and len(webp) > 20 and bool(webp[20] & 0x02)
