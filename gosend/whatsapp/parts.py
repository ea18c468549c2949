"""The ground that every content type and its parts stand on."""

from typing import Annotated, Any, ClassVar
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, StringConstraints

from gosend.whatsapp import violations

NonEmpty = Annotated[str, StringConstraints(min_length=1)]


class Part(BaseModel):
    """An object of Meta's: what we know is checked, what we do not know passes through untouched."""

    model_config = ConfigDict(extra="allow", frozen=True)

    def to_graph(self) -> dict[str, Any]:
        """The object as Graph takes it; fields that are null are left out."""
        return self.model_dump(exclude_none=True)


class TypedPart(Part):
    """The content of a message: what stands under the key named as its type."""

    type: ClassVar[str]
    # Whether it may answer another message.
    takes_context: ClassVar[bool] = True


def _web_address(value: str) -> str:
    """Meta fetches the link itself, so only its form is looked at here."""
    try:
        parts = urlsplit(value)
        is_web = parts.scheme.lower() in ("http", "https") and bool(parts.hostname)
    except ValueError:
        is_web = False
    if not is_web or any(character.isspace() or not character.isprintable() for character in value):
        raise violations.broken("must be an http or https address", value=value)
    return value


WebAddress = Annotated[str, AfterValidator(_web_address)]
