"""The files that pretend customers send. An id says which file it is, so nothing has to be kept."""

import base64
import hashlib
import re
import secrets
from dataclasses import dataclass
from typing import Any

_PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR4nGNgYGBgAAAABQABpfZFQAAAAABJRU5ErkJggg=="
_ID = re.compile(r"77([1-5])\d{10}(\d{4})\Z")
# Last four digits of an id that misbehaves: Meta has lost it, or serves other bytes than it told.
LOST, ALTERED = "0404", "0256"
_ORDINARY = "0000"


@dataclass(frozen=True, slots=True)
class Sample:
    """A small file of one kind of media."""

    kind: str
    mime_type: str
    data: bytes

    @property
    def digest(self) -> bytes:
        return hashlib.sha256(self.data).digest()


_SAMPLES = (
    Sample("image", "image/png", base64.b64decode(_PNG)),
    Sample("video", "video/mp4", b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom" + bytes(64)),
    Sample("audio", "audio/ogg; codecs=opus", b"OggS\0\x02" + bytes(20) + b"\x01\x13OpusHead\x01\x01"),
    Sample("document", "application/pdf", b"%PDF-1.4\n1 0 obj<</Type/Catalog>>endobj\n%%EOF\n"),
    Sample(
        "sticker",
        "image/webp",
        b"RIFF\x1a\0\0\0WEBPVP8L\r\0\0\0\x2f\0\0\0\x10\x07\x10\x11\x11\x88\x88\xfe\x07\0",
    ),
)
KINDS = tuple(sample.kind for sample in _SAMPLES)


def new_id(kind: str, *, tail: str = _ORDINARY) -> str:
    """Make a media id; `tail` may be LOST or ALTERED."""
    return f"77{KINDS.index(kind) + 1}{secrets.randbelow(10**10):010d}{tail}"


def inbound(kind: str, *, caption: str = "", tail: str = _ORDINARY) -> dict[str, Any]:
    """What stands under the type's key when a customer sends a file."""
    sample = _SAMPLES[KINDS.index(kind)]
    media: dict[str, Any] = {
        "id": new_id(kind, tail=tail),
        "mime_type": sample.mime_type,
        "sha256": base64.b64encode(sample.digest).decode(),
    }
    if caption:
        media["caption"] = caption
    if kind == "document":
        media["filename"] = "sample.pdf"
    if kind == "audio":
        media["voice"] = True
    return media


def is_id(text: str) -> bool:
    return _ID.match(text) is not None


def of(media_id: str) -> Sample | None:
    """The file of an id; None when Meta has lost it."""
    match = _ID.match(media_id)
    return None if match is None or match[2] == LOST else _SAMPLES[int(match[1]) - 1]


def served(media_id: str) -> bytes:
    """The bytes that a download gives: an altered file differs from what was told of it."""
    sample = of(media_id)
    data = sample.data if sample else b""
    return data + b"!" if media_id.endswith(ALTERED) else data
