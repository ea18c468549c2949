"""Media that stands inside the request: decoded, measured, and never written anywhere."""

import base64
import binascii
import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote_to_bytes

from gosend.api import errors
from gosend.whatsapp import files
from messaging import media

# The documented cap of a decoded file; WhatsApp's own limits by type come on top.
MAX_BYTES = 16 * files.MB
_DATA_URI = re.compile(r"data:([^,;]*)((?:;[^,;]*)*),", re.IGNORECASE)
_BLANK = re.compile(r"\s+")


@dataclass(frozen=True, slots=True)
class File:
    """Bytes to be uploaded, and what the client said they are."""

    data: bytes
    stated_type: str


def read(value: Any, *, stated_type: str) -> File:
    """Decode base64 or a `data:` URI, whose MIME type counts where none is stated."""
    if not isinstance(value, str) or not value.strip():
        raise errors.MissingField("media.data is required", details={"field": "media.data"})
    head = _DATA_URI.match(value)
    if head is not None:
        stated_type = stated_type or head[1]
        written = value[head.end() :]
        data = _decoded(written) if ";base64" in head[2].lower() else unquote_to_bytes(written)
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
    compact = _BLANK.sub("", text).rstrip("=").replace("-", "+").replace("_", "/")
    try:
        return base64.b64decode(compact + "=" * (-len(compact) % 4), validate=True)
    except (binascii.Error, ValueError) as error:
        raise errors.InvalidField(
            "media.data must be base64, or a data: URI", details={"field": "media.data"}
        ) from error


def _too_large() -> media.MediaTooLarge:
    return media.MediaTooLarge(
        f"The decoded file is over {MAX_BYTES} bytes", details={"field": "media.data", "limit": MAX_BYTES}
    )
