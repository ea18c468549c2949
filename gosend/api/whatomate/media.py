"""Send a file, and fetch one that a customer sent."""

from django.http import FileResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework.response import Response

from gosend.api import downloads, errors, schema
from gosend.api.view import TenantRequest
from gosend.api.whatomate import bodies, content, envelope, fields, forms, message_out, sends
from messaging import senders
from messaging.models import MediaFile


class MediaSend(forms.FormView):
    scopes = {"POST": "send"}

    @extend_schema(
        operation_id="whatomate.messages.send_media",
        summary="Send a file to a contact",
        description="JSON with `media_url`, or a form with the file itself. Images (JPEG, PNG) to 5 MB,"
        " videos (MP4, 3GPP) and audio (AAC, MP3, OGG, AMR, M4A) to 16 MB, documents to 100 MB.",
        tags=["Messages"],
        parameters=[sends.ASYNC, schema.IDEMPOTENCY_KEY],
        request={"application/json": bodies.MEDIA, "multipart/form-data": bodies.MEDIA_FORM},
        examples=bodies.examples("media"),
        responses=envelope.answers(message_out.WhatomateMessage, 403, 404, 409, 413, 415, 422, 503),
    )
    def post(self, request: TenantRequest) -> Response:
        data = forms.read(request)
        contact = sends.find_contact(request, fields.required(data, "contact_id"))
        kind = fields.text(data, "type") or "image"
        file = forms.file_of(data, "file")
        if file is None and not fields.text(data, "media_url", "media_id"):
            raise errors.MissingField(
                "media_url is required, or file in a form", details={"field": "media_url"}
            )
        number = senders.choose(
            tenant=request.tenant,
            environment=request.api_key.environment,
            name=fields.text(data, "whatsapp_account", "account_name"),
            contact=contact,
        )
        if file is None:
            asked = content.media(kind, data)
        else:
            named = {"filename": (file.name or "")[: fields.SHOWN * 2], **data}
            content.media(kind, named, media_id="0")  # what is wrong beside the file is said first
            asked = content.media(kind, named, media_id=forms.upload(request, file, number=number, kind=kind))
        return self.send(request, number=number, to=sends.recipient(contact), content=asked, contact=contact)


class MediaOfMessage(envelope.WhatomateView):
    scopes = {"GET": "read"}
    content_negotiation_class = downloads.AnyType  # type: ignore[assignment]

    @extend_schema(
        operation_id="whatomate.media.download",
        summary="Download the file of a message that a customer sent",
        description="A few seconds pass between a message and its file: until then 409, with Retry-After."
        " After the retention 410.",
        tags=["Messages"],
        parameters=[schema.inside("message_id", "The message's id.")],
        responses={
            (200, "application/octet-stream"): OpenApiResponse(OpenApiTypes.BINARY, description="The file."),
            **schema.answers({}, 400, 404, 409, 410, shape=envelope.Refusal),
        },
    )
    def get(self, request: TenantRequest, message_id: str) -> FileResponse:
        message = sends.find_message(request, message_id)
        file = MediaFile.objects.filter(tenant=request.tenant, message=message).first()
        if file is None:
            raise errors.NotFound("No media found")
        return downloads.answer(file)
