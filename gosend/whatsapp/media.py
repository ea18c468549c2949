"""Files: uploaded before (`id`), or fetched by Meta from a `link`."""

from typing import Annotated, ClassVar, Self

from pydantic import StringConstraints, field_validator, model_validator

from gosend.whatsapp import violations
from gosend.whatsapp.parts import NonEmpty, Part, TypedPart, WebAddress

# Meta, "Image messages": the caption; the same for video and document. Sound and stickers have none.
MAX_CAPTION_CHARACTERS = 1024

Caption = Annotated[str, StringConstraints(max_length=MAX_CAPTION_CHARACTERS)]


class File(Part):
    """Which file: exactly one of `id` and `link`."""

    id: NonEmpty | None = None
    link: WebAddress | None = None

    @model_validator(mode="after")
    def _has_one_source(self) -> Self:
        if self.id is None and self.link is None:
            raise violations.broken("is required, or link instead", field="id", missing=True)
        if self.id is not None and self.link is not None:
            raise violations.broken(
                "cannot stand beside id: give one of the two", field="link", value=self.link
            )
        return self


class Image(File, TypedPart):
    """JPEG or PNG."""

    type: ClassVar[str] = "image"

    caption: Caption | None = None


class Video(File, TypedPart):
    """MP4 or 3GP."""

    type: ClassVar[str] = "video"

    caption: Caption | None = None


class Document(File, TypedPart):
    """A file of any kind, under the `filename` that the recipient sees."""

    type: ClassVar[str] = "document"

    caption: Caption | None = None
    filename: NonEmpty | None = None


class _Uncaptioned(File):
    caption: None = None

    @field_validator("caption", mode="before")
    @classmethod
    def _is_absent(cls, caption: object) -> None:
        if caption is not None:
            raise violations.broken("is not possible for this type", value=violations.shown(caption))


class Audio(_Uncaptioned, TypedPart):
    """AAC, AMR, MP3, M4A or OGG; with `voice` an OGG of OPUS is shown as a voice message."""

    type: ClassVar[str] = "audio"

    voice: bool | None = None


class Sticker(_Uncaptioned, TypedPart):
    """WebP."""

    type: ClassVar[str] = "sticker"
