"""An emoji put on a message."""

import re
from typing import ClassVar

from pydantic import field_validator

from gosend.whatsapp import violations
from gosend.whatsapp.parts import NonEmpty, TypedPart

# The longest emoji that Unicode recommends has 10 characters; whether it is one is Meta's to say.
MAX_EMOJI_CHARACTERS = 20

_NO_EMOJI = re.compile(r"[A-Za-z\s]")


class Reaction(TypedPart):
    """`message_id` is the wamid of the message; an empty `emoji` takes the reaction back."""

    type: ClassVar[str] = "reaction"
    # What it belongs to is its own message_id.
    takes_context: ClassVar[bool] = False

    message_id: NonEmpty
    emoji: str

    @field_validator("emoji")
    @classmethod
    def _may_be_one_emoji(cls, emoji: str) -> str:
        if len(emoji) > MAX_EMOJI_CHARACTERS or _NO_EMOJI.search(emoji):
            raise violations.broken(
                "must be a single emoji, or empty to remove the reaction", limit=1, value=emoji
            )
        return emoji
