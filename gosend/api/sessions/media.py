"""Download a file that a customer sent."""

from urllib.parse import quote

from django.core.files.storage import default_storage
from django.http import FileResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework.negotiation import BaseContentNegotiation

from gosend.api import errors, schema
from gosend.api.sessions import bodies
from gosend.api.sessions.view import SessionView
from gosend.api.view import TenantRequest
from gosend.whatsapp import files
from messaging import inbound_media


class AnyType(BaseContentNegotiation):
    """A file has the type that it has, whatever the client would like."""

    def select_parser(self, request, parsers):  # type: ignore[no-untyped-def]
        return parsers[0]

    def select_renderer(self, request, renderers, format_suffix=None):  # type: ignore[no-untyped-def]
        return renderers[0], renderers[0].media_type


class MediaDetail(SessionView):
    scopes = {"GET": "read"}
    content_negotiation_class = AnyType  # type: ignore[assignment]

    @extend_schema(
        operation_id="sessions.media.download",
        summary="Download a file that a customer sent",
        description="The `mediaUrl` of a `message` event. Until the file is here 409, with Retry-After.",
        tags=["Media"],
        parameters=[schema.inside("media_id", "As in `mediaUrl`.")],
        responses={
            (200, "application/octet-stream"): OpenApiResponse(OpenApiTypes.BINARY, description="The file."),
            **bodies.answers({}, 404, 409, 410),
        },
    )
    def get(self, request: TenantRequest, media_id: str) -> FileResponse:
        file = inbound_media.find(
            tenant=request.tenant, environment=request.api_key.environment, key=media_id
        )
        if file is None:
            raise errors.NotFound("No file with this id in this organization")
        inbound_media.require_kept(file)
        try:
            stream = default_storage.open(file.path)
        except FileNotFoundError as error:
            raise inbound_media.MediaGone("The file is not kept any more") from error
        response = FileResponse(stream)
        plain = files.bare(file.mime_type)
        response["Content-Type"] = plain if plain in files.MIME_TYPES else files.UNKNOWN
        response["Content-Length"] = str(file.size or 0)
        name = quote(file.filename or files.name_for(plain), safe="")
        response["Content-Disposition"] = f"attachment; filename*=UTF-8''{name}"
        response["X-Content-Type-Options"] = "nosniff"
        response["Cache-Control"] = "private, no-store"
        return response
