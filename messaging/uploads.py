"""Files that come with a message: brought to Meta at once, and kept nowhere here."""

from dataclasses import dataclass

from accounts import numbers
from accounts.models import PhoneNumber, Tenant
from gosend.lib.errors import DomainError
from gosend.whatsapp import files
from gosend.whatsapp.errors import GraphError, Outcome
from messaging import media


class MetaRefused(DomainError):
    code = "meta_error"


class MetaUnavailable(DomainError):
    code = "meta_unavailable"


@dataclass(frozen=True, slots=True)
class Uploaded:
    """A file at Meta, for 30 days; the type is what its bytes are."""

    media_id: str
    mime_type: str


def bring(
    *, number: PhoneNumber, tenant: Tenant, environment: str, kind: str, data: files.Data, stated: str = ""
) -> Uploaded:
    """Check a file and upload it; call it outside a transaction.

    The bytes decide what it is, and must agree with a stated MIME type where there is one. Raises the errors
    of `numbers.require_sendable`, MediaTooLarge or UnsupportedMedia before Meta is asked, MetaRefused, and
    MetaUnavailable when a repeat may help: uploading twice harms nobody.
    """
    numbers.require_sendable(number, tenant=tenant, environment=environment)
    mime_type = media.check(kind=kind, data=data)
    if stated and mime_type != files.bare(stated):
        raise media.UnsupportedMedia(
            f"The type was stated as {files.bare(stated)}, but the file is {mime_type}",
            details={"field": "type", "value": mime_type},
        )
    try:
        media_id = numbers.client_for(number).upload_media(
            phone_number_id=number.phone_number_id,
            data=data,
            mime_type=mime_type,
            filename=files.name_for(mime_type),
        )
    except GraphError as error:
        raise _told(error) from error
    return Uploaded(media_id, mime_type)


def _told(error: GraphError) -> DomainError:
    details = {"meta": error.as_dict()}
    if error.outcome is Outcome.FINAL:
        return MetaRefused(f"Meta refused the file: {error.title}", details=details)
    return MetaUnavailable(f"Meta did not take the file: {error.title}", details=details, retry_after=5)
