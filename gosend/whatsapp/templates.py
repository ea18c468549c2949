"""Template components and their parameters."""

import re
from typing import Annotated, Any, ClassVar, Self

from pydantic import Field, StringConstraints, field_validator, model_validator

from gosend.whatsapp import violations
from gosend.whatsapp.media import File
from gosend.whatsapp.parts import NonEmpty, Part, TypedPart

# Meta, "Templates", names: lower-case letters, digits and underscores.
MAX_NAME_CHARACTERS = 512
# Meta's OpenAPI document, TextParameter; the whole text is counted by Meta (error 132005).
MAX_PARAMETER_CHARACTERS = 32_768
# Meta, error 132018 and the reference of text parameters: no line break, no tab, no longer run of spaces.
MAX_SPACES_IN_A_ROW = 4
# Meta, "Template components": buttons per template, counted from 0.
MAX_BUTTONS = 10
# Meta, "Coupon code templates": the code, since December 2025.
MAX_COUPON_CHARACTERS = 20
# Meta, "Carousel templates": cards.
MAX_CARDS = 10

_NOT_IN_PARAMETERS = re.compile(r"[\n\r\t]")
_TOO_MANY_SPACES = re.compile(f" {{{MAX_SPACES_IN_A_ROW + 1},}}")
_NAME = re.compile(rf"[a-z0-9_]{{1,{MAX_NAME_CHARACTERS}}}")


class Language(Part):
    """`code` such as `en_US`."""

    code: NonEmpty


class Currency(Part):
    """An amount: `amount_1000` is a thousand times the amount in the currency `code`."""

    fallback_value: NonEmpty
    code: NonEmpty
    amount_1000: int


class DateTime(Part):
    """A moment, in words."""

    fallback_value: NonEmpty


class Parameter(Part):
    """What fills one place; its value stands under the key named as its type.

    Types that are not here (location, product, …) pass as they are, once that key is there.
    """

    type: NonEmpty
    parameter_name: NonEmpty | None = None
    text: Annotated[str, StringConstraints(min_length=1, max_length=MAX_PARAMETER_CHARACTERS)] | None = None
    currency: Currency | None = None
    date_time: DateTime | None = None
    image: File | None = None
    video: File | None = None
    gif: File | None = None
    document: File | None = None
    payload: NonEmpty | None = None
    coupon_code: Annotated[str, StringConstraints(min_length=1, max_length=MAX_COUPON_CHARACTERS)] | None = (
        None
    )
    action: dict[str, Any] | None = None

    @field_validator("text")
    @classmethod
    def _is_one_line(cls, text: str | None) -> str | None:
        if text is not None and _NOT_IN_PARAMETERS.search(text):
            raise violations.broken("must not contain a line break or a tab", value=text)
        if text is not None and _TOO_MANY_SPACES.search(text):
            raise violations.broken(
                f"must not contain more than {MAX_SPACES_IN_A_ROW} spaces in a row",
                limit=MAX_SPACES_IN_A_ROW,
                value=text,
            )
        return text

    @model_validator(mode="after")
    def _has_its_value(self) -> Self:
        if self.type in _PARAMETER_TYPES and getattr(self, self.type) is None:
            raise violations.broken(
                f"is required when the type is {self.type}", field=self.type, missing=True
            )
        return self


_PARAMETER_TYPES = frozenset(Parameter.model_fields) - {"type", "parameter_name"}


class Component(Part):
    """A header, body, button or carousel, and what fills its places."""

    type: NonEmpty
    sub_type: NonEmpty | None = None
    index: int | str | None = None
    parameters: list[Parameter] | None = None
    cards: Annotated[list["Card"], Field(max_length=MAX_CARDS)] | None = None

    @field_validator("index", mode="before")
    @classmethod
    def _is_a_place(cls, index: object) -> object:
        """Meta takes the number as a number and as a string."""
        text = "" if isinstance(index, bool) or not isinstance(index, int | str) else str(index)
        is_place = text.isascii() and text.isdigit() and len(text) <= 2 and int(text) < MAX_BUTTONS
        if index is not None and not is_place:
            raise violations.broken(
                f"must be a whole number from 0 to {MAX_BUTTONS - 1}, counting buttons from 0",
                limit=MAX_BUTTONS - 1,
                value=violations.shown(index),
            )
        return index

    @model_validator(mode="after")
    def _says_which_button(self) -> Self:
        if self.type.lower() == "button":
            for field in ("sub_type", "index"):
                if getattr(self, field) is None:
                    raise violations.broken("is required for a button", field=field, missing=True)
        return self


class Card(Part):
    """One card of a carousel."""

    card_index: int | None = None
    components: list[Component] | None = None


class Template(TypedPart):
    """An approved template of the number's account, and what fills its places."""

    type: ClassVar[str] = "template"

    name: str
    language: Language
    components: list[Component] | None = None

    @field_validator("name")
    @classmethod
    def _is_a_name(cls, name: str) -> str:
        if not _NAME.fullmatch(name):
            raise violations.broken(
                f"must be 1 to {MAX_NAME_CHARACTERS} lower-case letters, digits and underscores",
                limit=MAX_NAME_CHARACTERS,
                value=name,
            )
        return name
