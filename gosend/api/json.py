"""JSON in and out of the doors, by orjson."""

from collections.abc import Mapping
from typing import IO, Any

import orjson
from rest_framework.exceptions import UnsupportedMediaType
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.parsers import BaseParser
from rest_framework.renderers import BaseRenderer

from gosend.lib.errors import DomainError

# Deeper than anything WhatsApp defines, and far from what a writer of JSON refuses.
MAX_DEPTH = 64
# PostgreSQL hands such floats back as integers, longer than a writer of JSON takes.
_BEYOND = 2**63


class MalformedJson(DomainError):
    code = "malformed_json"


class JsonRenderer(BaseRenderer):
    """Bytes pass as they are: an answer that is replayed must be the same to the byte."""

    media_type = "application/json"
    format = "json"
    charset = None

    def render(
        self,
        data: Any,
        accepted_media_type: str | None = None,
        renderer_context: Mapping[str, Any] | None = None,
    ) -> bytes:
        return dumps(data)


class JsonParser(BaseParser):
    media_type = "application/json"

    def parse(
        self,
        stream: IO[Any],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        charset = _parameter(media_type, "charset")
        if charset.lower() not in {"", "utf-8", "utf8", "us-ascii"}:
            raise UnsupportedMediaType(media_type or "", f"The body is in {charset[:40]}; send UTF-8")
        return loads(stream.read())


class CurlParser(JsonParser):
    """JSON under the type that `curl -d` states by itself, as one documented curl line has it."""

    media_type = "application/x-www-form-urlencoded"

    def parse(
        self,
        stream: IO[Any],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        body = stream.read()
        if not body.lstrip().startswith(b"{"):
            raise UnsupportedMediaType(self.media_type)
        return loads(body)


class AnyFormat(DefaultContentNegotiation):
    """Only the Accept header chooses; a query parameter `format` means nothing."""

    def filter_renderers(self, renderers: Any, format: str) -> Any:
        return renderers


def dumps(data: Any) -> bytes:
    if data is None:
        return b""
    return data if isinstance(data, bytes) else orjson.dumps(data)


def canonical(data: Any) -> bytes:
    """The same bytes for the same JSON value, however it was spelled."""
    return orjson.dumps(data, option=orjson.OPT_SORT_KEYS)


def loads(body: bytes) -> dict[str, Any]:
    """Read one JSON object; whatever cannot be stored or written again is refused here."""
    try:
        data = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise MalformedJson(f"The body is not JSON: {error}") from error
    if not isinstance(data, dict):
        raise MalformedJson("The body is not a JSON object")
    _check_levels(data)
    if b"\\u0000" in body and b"\\u0000" in orjson.dumps(data).replace(b"\\\\", b""):
        raise MalformedJson("The body holds the character U+0000")
    return data


def _check_levels(data: dict[str, Any]) -> None:
    level: list[Any] = [data]
    for _ in range(MAX_DEPTH):
        level = [child for item in level for child in _children(item)]
        if not level:
            return
        for item in level:
            if type(item) is float and abs(item) >= _BEYOND:
                raise MalformedJson(f"The body holds a number of more than 64 bits, {item}")
    raise MalformedJson(f"The body nests deeper than {MAX_DEPTH} levels")


def _children(item: Any) -> list[Any]:
    if isinstance(item, dict):
        return list(item.values())
    return item if isinstance(item, list) else []


def _parameter(media_type: str | None, name: str) -> str:
    for part in (media_type or "").split(";")[1:]:
        key, _, value = part.partition("=")
        if key.strip().lower() == name:
            return value.strip().strip('"')
    return ""
