"""Media that stands inside the request: decoded, measured, and never written anywhere."""

import base64
import binascii
import string
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote_to_bytes

from gosend.api import errors
from gosend.whatsapp import files
from messaging import media

# The documented cap of a decoded file; WhatsApp's own limits by type come on top.
MAX_BYTES = 16 * files.MB
# Of what stands before a data URI's comma: its MIME type and "base64".
_HEAD_CHARACTERS = 300
_SLICE = 8_192
_FROM_URL_SAFE = bytes.maketrans(b"-_", b"+/")


@dataclass(frozen=True, slots=True)
class File:
    """Bytes to be uploaded, and what the client said they are."""

    data: bytes
    stated_type: str


def read(value: Any, *, stated_type: str) -> File:
    """Decode base64 or a `data:` URI, whose MIME type counts where none is stated."""
    if not isinstance(value, str) or not value.strip():
        raise errors.MissingField("media.data is required", details={"field": "media.data"})
    head, comma, _ = value[:_HEAD_CHARACTERS].partition(",")
    if comma and head[:5].lower() == "data:":
        mime_type, *parameters = head[5:].split(";")
        stated_type = stated_type or mime_type
        written = value[len(head) + 1 :]
        is_base64 = any(one.lower() == "base64" for one in parameters)
        data = _decoded(written) if is_base64 else _unescaped(written)
    else:
        data = _decoded(value)
    if len(data) > MAX_BYTES:
        raise _too_large()
    return File(data, stated_type.strip())


def differs(file: File, mime_type: str) -> bool:
    """Whether the bytes are of another type than was stated."""
    stated = files.bare(file.stated_type)
    return bool(stated) and stated not in (mime_type, files.UNKNOWN, "image/jpg")


def _decoded(text: str) -> bytes:
    if len(text) > MAX_BYTES * 2:
        raise _too_large()
    raw = text.encode("ascii", "replace").translate(_FROM_URL_SAFE, string.whitespace.encode()).rstrip(b"=")
    try:
        return base64.b64decode(raw + b"=" * (-len(raw) % 4), validate=True)
    except (binascii.Error, ValueError) as error:
        raise errors.InvalidField(
            "media.data must be base64, or a data: URI", details={"field": "media.data"}
        ) from error


def _unescaped(text: str) -> bytes:
    """Undo %XX slice by slice: done at once, it takes fifty bytes for each of them."""
    raw, data, at = text.encode(), bytearray(), 0
    while at < len(raw):
        end = at + _SLICE
        # The two digits of a last % may stand in the next slice.
        if end < len(raw) and (cut := raw.rfind(b"%", end - 2, end)) >= 0:
            end = cut
        data += unquote_to_bytes(raw[at:end])
        at = end
    return bytes(data)


def _too_large() -> media.MediaTooLarge:
    return media.MediaTooLarge(
        f"The decoded file is over {MAX_BYTES} bytes", details={"field": "media.data", "limit": MAX_BYTES}
    )
