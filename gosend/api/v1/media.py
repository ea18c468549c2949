"""Upload files to Meta, and download those that customers sent."""

from typing import Any

from django.conf import settings
from django.core.files.uploadedfile import UploadedFile
from django.db import transaction
from django.http import FileResponse, QueryDict
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiResponse, extend_schema
from pydantic import BaseModel, Field
from rest_framework.parsers import MultiPartParser
from rest_framework.response import Response

from accounts import numbers
from gosend.api import body, downloads, errors, json, schema
from gosend.api.view import TenantRequest, TenantView
from gosend.whatsapp import files
from messaging import idempotency, inbound_media, media, uploads

_FORM = {
    "type": "object",
    "required": ["phone_number_id", "file"],
    "properties": {
        "phone_number_id": {"type": "string", "description": "The number that will send the file."},
        "file": {"type": "string", "format": "binary"},
        "type": {"type": "string", "description": "Its MIME type; without it, what the file part says."},
    },
}


class MediaUploaded(BaseModel):
    """The file is at Meta, for 30 days."""

    id: str = Field(description="Meta's media id: send it as `id` of an image, video, audio, …")


class MediaList(TenantView):
    scopes = {"POST": "send"}
    parser_classes = (MultiPartParser,)  # type: ignore[assignment]
    # An upload calls Meta, so no transaction may be open around it.
    is_transactional = False

    @extend_schema(
        operation_id="v1.media.upload",
        summary="Upload a file, to send it once or many times",
        tags=["Media"],
        parameters=[schema.IDEMPOTENCY_KEY],
        request={"multipart/form-data": _FORM},
        responses=schema.answers({201: MediaUploaded}, 400, 404, 409, 413, 415, 422, 503),
    )
    def post(self, request: TenantRequest) -> Response:
        file = _form(request).get("file")
        if not isinstance(file, UploadedFile):
            raise errors.MissingField("file is required, as a file part", details={"field": "file"})
        number = numbers.find(tenant=request.tenant, phone_number_id=_text(request, "phone_number_id"))
        stated = _text(request, "type", default=file.content_type or "")
        made = uploads.bring(
            number=number,
            tenant=request.tenant,
            environment=request.api_key.environment,
            kind=_kind(file, stated=stated),
            data=body.uploaded(file),
            stated=stated,
        )
        return _once(request, MediaUploaded(id=made.media_id).model_dump())

    def read_body(self, request: TenantRequest) -> None:
        body.admit_upload(request._request, limit=settings.API_MAX_UPLOAD_BYTES)

    def spelling(self, request: TenantRequest) -> bytes:
        """A repeat has the same fields, and files of the same bytes."""
        return json.canonical(
            {
                name: [
                    body.digest(value) if isinstance(value, UploadedFile) else str(value) for value in values
                ]
                for name, values in _form(request).lists()
            }
        )


class MediaDetail(TenantView):
    scopes = {"GET": "read"}

    content_negotiation_class = downloads.AnyType  # type: ignore[assignment]

    @extend_schema(
        operation_id="v1.media.download",
        summary="Download a file that a customer sent",
        description="A few seconds pass between a message and its file: until then 409, with Retry-After."
        " After the retention 410.",
        tags=["Media"],
        parameters=[schema.inside("media_id", "Our id, as in `media_url`, or Meta's.")],
        responses={
            (200, "application/octet-stream"): OpenApiResponse(OpenApiTypes.BINARY, description="The file."),
            **schema.answers({}, 404, 409, 410),
        },
    )
    def get(self, request: TenantRequest, media_id: str) -> FileResponse:
        file = inbound_media.find(
            tenant=request.tenant, environment=request.api_key.environment, key=media_id
        )
        if file is None:
            raise errors.NotFound("No file with this id in this project")
        return downloads.answer(file)


def _kind(file: "UploadedFile[bytes]", *, stated: str) -> str:
    """Return the kind of message that takes the stated type; refuse what is too large for it."""
    kinds = files.kinds_of(stated)
    if not kinds:
        raise media.UnsupportedMedia(
            f"{stated[:100] or 'No type'} is not a type that WhatsApp takes",
            details={"field": "type", "allowed": list(files.MIME_TYPES)},
        )
    limit = files.LIMITS[kinds[0]].max_bytes
    if (file.size or 0) > limit:
        raise media.MediaTooLarge(str(files.too_large(kinds[0], limit)), details={"limit": limit})
    return kinds[0]


def _once(request: TenantRequest, answer: dict[str, Any]) -> Response:
    """Keep the answer under the request's key, in one step: an upload that failed may be repeated."""
    if request.once is not None:
        with transaction.atomic():
            idempotency.claim(request.once)
            idempotency.remember(request.once, status_code=201, body=json.dumps(answer))
    return Response(answer, status=201)


def _form(request: TenantRequest) -> QueryDict:
    """The uploaded form; an empty one where there is no body, which DRF reads as a plain dict."""
    return request.data if isinstance(request.data, QueryDict) else QueryDict()


def _text(request: TenantRequest, field: str, *, default: str | None = None) -> str:
    value = _form(request).get(field, default)
    if value is None:
        raise errors.MissingField(f"{field} is required", details={"field": field})
    if not isinstance(value, str) or "\0" in value:
        raise errors.InvalidField(f"{field} must be plain text", details={"field": field})
    return value
