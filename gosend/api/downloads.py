"""A file that a customer sent, given to those who may have it."""

from typing import Any
from urllib.parse import quote

from django.core.files.storage import default_storage
from django.http import FileResponse
from rest_framework.negotiation import BaseContentNegotiation

from gosend.whatsapp import files
from messaging import inbound_media
from messaging.models import MediaFile

# Shown by a browser as they are; everything else is only ever saved.
_SHOWN = ("image/", "audio/", "video/")


class AnyType(BaseContentNegotiation):
    """A file has the type that it has, whatever the client would like."""

    def select_parser(self, request: Any, parsers: Any) -> Any:
        return parsers[0]

    def select_renderer(self, request: Any, renderers: Any, format_suffix: Any = None) -> Any:
        return renderers[0], renderers[0].media_type


def answer(file: MediaFile) -> FileResponse:
    """Stream a file of the caller's own; raises MediaNotReady or MediaGone when there are no bytes."""
    inbound_media.require_kept(file)
    try:
        stream = default_storage.open(file.path)
    except FileNotFoundError as error:
        raise inbound_media.MediaGone("The file is not kept any more") from error
    response = FileResponse(stream)
    for name, value in _headers(file.mime_type, file.filename, file.size or 0).items():
        response[name] = value  # over what Django guesses from the path
    return response


def _headers(mime_type: str, filename: str, size: int) -> dict[str, str]:
    plain = files.bare(mime_type)
    is_plain = plain.isascii() and plain.isprintable() and plain.count("/") == 1
    way = "inline" if plain.startswith(_SHOWN) and plain != "image/svg+xml" else "attachment"
    name = filename or files.name_for(plain)
    return {
        "Content-Type": plain if is_plain else files.UNKNOWN,
        "Content-Length": str(size),
        "Content-Disposition": f"{way}; filename*=UTF-8''{quote(name, safe='')}",
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": "sandbox; default-src 'none'",
        "Cache-Control": "private, no-store",
    }
