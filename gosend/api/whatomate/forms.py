"""Bodies that come as JSON, or as a form with a file in it."""

from collections.abc import Mapping
from typing import Any

import orjson
from django.conf import settings
from django.core.files.uploadedfile import UploadedFile
from django.http import QueryDict
from rest_framework.parsers import MultiPartParser

from accounts.models import PhoneNumber
from gosend.api import body, json
from gosend.api.view import TenantRequest
from gosend.api.whatomate import fields, sends
from gosend.lib.errors import DomainError
from gosend.whatsapp import files
from messaging import media, uploads

# Fields that hold objects: in a form they are JSON in a text.
_OBJECTS = frozenset({"template_params", "header_params", "button_params"})


class Unreadable(DomainError):
    code = "malformed_json"


class FormView(sends.SendView):
    """A door that sends, and takes a form as well as JSON."""

    parser_classes = (json.JsonParser, json.CurlParser, MultiPartParser)  # type: ignore[assignment]

    def read_body(self, request: TenantRequest) -> None:
        if (request.content_type or "").startswith("multipart/"):
            body.admit_upload(request._request, limit=settings.API_MAX_UPLOAD_BYTES)
        else:
            super().read_body(request)

    def spelling(self, request: TenantRequest) -> bytes:
        """A repeat has the same fields, and files of the same bytes."""
        if not isinstance(request.data, QueryDict):
            return super().spelling(request)
        return json.canonical(
            {
                name: [
                    body.digest(value) if isinstance(value, UploadedFile) else str(value) for value in values
                ]
                for name, values in request.data.lists()
            }
        )


def read(request: TenantRequest) -> Mapping[str, Any]:
    """The fields of a body, whichever way it came."""
    data = request.data
    if not isinstance(data, QueryDict):
        return data if isinstance(data, Mapping) else {}
    read: dict[str, Any] = {}
    for name, value in data.items():
        if isinstance(value, str) and "\0" in value:
            raise fields.wrong(name, "free of the character U+0000", "")
        read[name] = _object(name, value) if name in _OBJECTS and isinstance(value, str) else value
    return read


def file_of(data: Mapping[str, Any], name: str) -> "UploadedFile[bytes] | None":
    file = data.get(name)
    return file if isinstance(file, UploadedFile) else None


def upload(request: TenantRequest, file: "UploadedFile[bytes]", *, number: PhoneNumber, kind: str) -> str:
    """Take a file to Meta; one that is too large is refused before it is read."""
    limit = files.LIMITS[kind].max_bytes
    if (file.size or 0) > limit:
        raise media.MediaTooLarge(str(files.too_large(kind, limit)), details={"limit": limit})
    return uploads.bring(
        number=number,
        tenant=request.tenant,
        environment=request.api_key.environment,
        kind=kind,
        data=body.uploaded(file),
    ).media_id


def _object(name: str, text: str) -> Any:
    if not text.strip():
        return None
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise Unreadable(f"{name} is not JSON: {error}", details={"field": name}) from error
