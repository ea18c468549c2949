"""What interactive messages are put together from."""

from collections.abc import Iterable, Iterator
from typing import Annotated, Any, Self

from pydantic import StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from gosend.whatsapp import violations
from gosend.whatsapp.media import File
from gosend.whatsapp.parts import NonEmpty, Part

# Meta, "Interactive messages".
MAX_HEADER_CHARACTERS = 60
MAX_BODY_CHARACTERS = 1024
MAX_LIST_BODY_CHARACTERS = 4096
MAX_FOOTER_CHARACTERS = 60
MAX_BUTTON_CHARACTERS = 20

ButtonLabel = Annotated[str, StringConstraints(min_length=1, max_length=MAX_BUTTON_CHARACTERS)]


class InteractiveHeader(Part):
    """A line of text, or a file. Kinds that are not here pass as they are."""

    type: NonEmpty
    text: Annotated[str, StringConstraints(min_length=1, max_length=MAX_HEADER_CHARACTERS)] | None = None
    image: File | None = None
    video: File | None = None
    document: File | None = None

    @model_validator(mode="after")
    def _has_its_value(self) -> Self:
        if self.type in _HEADER_KINDS and getattr(self, self.type) is None:
            raise violations.broken(
                f"is required when the type is {self.type}", field=self.type, missing=True
            )
        return self


_HEADER_KINDS = frozenset(InteractiveHeader.model_fields) - {"type"}


class InteractiveBody(Part):
    """The words."""

    text: Annotated[str, StringConstraints(min_length=1, max_length=MAX_BODY_CHARACTERS)]


class InteractiveListBody(Part):
    """The words above a list, of which there may be more."""

    text: Annotated[str, StringConstraints(min_length=1, max_length=MAX_LIST_BODY_CHARACTERS)]


class InteractiveFooter(Part):
    """A small line below the words."""

    text: Annotated[str, StringConstraints(min_length=1, max_length=MAX_FOOTER_CHARACTERS)]


def text_only(header: InteractiveHeader | None) -> InteractiveHeader | None:
    """Refuse a header that is no text."""
    if header is not None and header.type != "text":
        raise violations.broken("must have the type text in this kind of message", value=header.type)
    return header


def absent(value: object) -> None:
    """Refuse a part that this kind of message does not have."""
    if value is not None:
        raise violations.broken("is not possible in this kind of message", value=violations.shown(value))


def twice(values: Iterable[tuple[str, Any]]) -> PydanticCustomError | None:
    """Find the first value that an earlier one has already; each comes with its path."""
    seen: set[Any] = set()
    for path, value in values:
        if value in seen:
            return violations.broken("must be different from the others", field=path, value=value)
        seen.add(value)
    return None


def untitled(sections: Iterable[Any]) -> Iterator[int]:
    """The places of the sections that have no title."""
    return (index for index, section in enumerate(sections) if not section.title)
