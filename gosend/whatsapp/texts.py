"""Plain text."""

from typing import Annotated, ClassVar

from pydantic import StringConstraints

from gosend.whatsapp.parts import TypedPart

# Meta, "Text messages": the body.
MAX_BODY_CHARACTERS = 4096


class Text(TypedPart):
    """`preview_url` shows a preview of the first web address."""

    type: ClassVar[str] = "text"

    body: Annotated[str, StringConstraints(min_length=1, max_length=MAX_BODY_CHARACTERS)]
    preview_url: bool | None = None
