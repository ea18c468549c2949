"""Download a file that a customer sent."""

from django.http import FileResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiResponse, extend_schema

from gosend.api import downloads, errors, schema
from gosend.api.sessions import bodies
from gosend.api.sessions.view import SessionView
from gosend.api.view import TenantRequest
from messaging import inbound_media


class MediaDetail(SessionView):
    scopes = {"GET": "read"}
    content_negotiation_class = downloads.AnyType  # type: ignore[assignment]

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
        return downloads.answer(file)
