"""The content of a message as it can be sent again."""

from typing import Any

from django.core.files.storage import default_storage

from gosend.api.sessions import content
from gosend.api.sessions.jids import UnsupportedByChannel
from gosend.api.view import TenantRequest
from gosend.whatsapp import content as contents
from messaging import inbound_media, uploads
from messaging.models import MediaFile, Message

_PLAIN = frozenset({"text", "location", "contacts", "interactive", "template"})
# What a customer's message has beside what a message of ours may have.
_FIELDS = {
    "text": ("body",),
    "location": ("latitude", "longitude", "name", "address"),
    "image": ("caption",),
    "video": ("caption",),
    "document": ("caption", "filename"),
    "audio": ("voice",),
    "sticker": (),
}


def content_of(request: TenantRequest, message: Message) -> contents.Content:
    """Raises UnsupportedByChannel for what cannot be sent, MediaNotReady and MediaGone for its file."""
    kind = message.type
    value = message.content.body.get(kind)
    if message.direction == Message.Direction.OUTBOUND:
        if kind in _PLAIN or kind in content.MEDIA:
            return content.parse(kind, value)
    elif kind in content.MEDIA and isinstance(value, dict):
        return _with_file(request, message, kind, value)
    elif kind in ("text", "location") and isinstance(value, dict):
        return content.parse(kind, _kept(kind, value))
    elif kind == "contacts":
        return content.parse(kind, value)
    reason = f"A message of type {kind} cannot be sent by the Cloud API"
    raise UnsupportedByChannel(
        reason, details={"reason": reason, "alternatives": ["Send its words as a text"]}
    )


def _with_file(
    request: TenantRequest, message: Message, kind: str, value: dict[str, Any]
) -> contents.Content:
    """Bring the file that we fetched back to Meta: ids of received files cannot be sent."""
    file = MediaFile.objects.filter(message=message).first()
    if file is None:
        raise inbound_media.MediaGone("The message came without a file that was kept")
    inbound_media.require_kept(file)
    try:
        with default_storage.open(file.path) as stored:
            data = stored.read()
    except FileNotFoundError as error:
        raise inbound_media.MediaGone("The file is not kept any more") from error
    made = uploads.bring(
        number=message.phone_number,
        tenant=request.tenant,
        environment=request.api_key.environment,
        kind=kind,
        data=data,
    )
    return content.parse(kind, {"id": made.media_id, **_kept(kind, value)})


def _kept(kind: str, value: dict[str, Any]) -> dict[str, Any]:
    return {key: value[key] for key in _FIELDS[kind] if value.get(key) is not None}
