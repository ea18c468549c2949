"""Messages with something to choose from: reply buttons, lists, products."""

from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, field_validator, model_validator

from gosend.whatsapp import interactive_parts as parts
from gosend.whatsapp import violations
from gosend.whatsapp.interactive_parts import (
    ButtonLabel,
    InteractiveBody,
    InteractiveFooter,
    InteractiveHeader,
    InteractiveListBody,
)
from gosend.whatsapp.parts import NonEmpty, Part

# Meta, "Interactive reply buttons messages".
MAX_REPLY_BUTTONS = 3
MAX_REPLY_ID_CHARACTERS = 256
# Meta, "Interactive list messages"; the rows are counted over all sections.
MAX_SECTIONS = 10
MAX_SECTION_TITLE_CHARACTERS = 24
MAX_ROWS = 10
MAX_ROW_ID_CHARACTERS = 200
MAX_ROW_TITLE_CHARACTERS = 24
MAX_ROW_DESCRIPTION_CHARACTERS = 72
# Meta, "Multi-product messages"; counted over all sections.
MAX_PRODUCTS = 30

SectionTitle = Annotated[str, StringConstraints(max_length=MAX_SECTION_TITLE_CHARACTERS)]


class Reply(Part):
    """What a button says, and the id that comes back."""

    id: Annotated[str, StringConstraints(min_length=1, max_length=MAX_REPLY_ID_CHARACTERS)]
    title: ButtonLabel


class ReplyButton(Part):
    """One button."""

    type: Literal["reply"]
    reply: Reply


class ReplyButtonsAction(Part):
    """The buttons, each with a title and an id of its own."""

    buttons: Annotated[list[ReplyButton], Field(min_length=1, max_length=MAX_REPLY_BUTTONS)]

    @model_validator(mode="after")
    def _differ(self) -> Self:
        for key in ("id", "title"):
            found = [
                (f"buttons[{index}].reply.{key}", getattr(button.reply, key))
                for index, button in enumerate(self.buttons)
            ]
            if error := parts.twice(found):
                raise error
        return self


class ReplyButtonsInteractive(Part):
    """Up to three buttons."""

    type: Literal["button"]
    header: InteractiveHeader | None = None
    body: InteractiveBody
    footer: InteractiveFooter | None = None
    action: ReplyButtonsAction


class ListRow(Part):
    """One thing to choose, and the id that comes back."""

    id: Annotated[str, StringConstraints(min_length=1, max_length=MAX_ROW_ID_CHARACTERS)]
    title: Annotated[str, StringConstraints(min_length=1, max_length=MAX_ROW_TITLE_CHARACTERS)]
    description: Annotated[str, StringConstraints(max_length=MAX_ROW_DESCRIPTION_CHARACTERS)] | None = None


class ListSection(Part):
    """Rows under a title, which only a single section may lack."""

    title: SectionTitle | None = None
    rows: Annotated[list[ListRow], Field(min_length=1)]


class ListAction(Part):
    """`button` opens the list."""

    button: ButtonLabel
    sections: Annotated[list[ListSection], Field(min_length=1, max_length=MAX_SECTIONS)]

    @model_validator(mode="after")
    def _holds_together(self) -> Self:
        _require_titles(self.sections)
        _require_at_most(MAX_ROWS, "rows", sum(len(section.rows) for section in self.sections))
        ids = (
            (f"sections[{at}].rows[{index}].id", row.id)
            for at, section in enumerate(self.sections)
            for index, row in enumerate(section.rows)
        )
        if error := parts.twice(ids):
            raise error
        return self


class ListInteractive(Part):
    """A list that opens on a button."""

    type: Literal["list"]
    header: InteractiveHeader | None = None
    body: InteractiveListBody
    footer: InteractiveFooter | None = None
    action: ListAction

    _header_is_text = field_validator("header")(parts.text_only)


class ProductAction(Part):
    """One product of the catalogue that the account is linked to."""

    catalog_id: NonEmpty
    product_retailer_id: NonEmpty


class ProductInteractive(Part):
    """One product."""

    type: Literal["product"]
    header: None = None
    body: InteractiveBody | None = None
    footer: InteractiveFooter | None = None
    action: ProductAction

    _has_no_header = field_validator("header", mode="before")(parts.absent)


class ProductItem(Part):
    """A product, by the id that it has in the catalogue."""

    product_retailer_id: NonEmpty


class ProductSection(Part):
    """Products under a title, which only a single section may lack."""

    title: SectionTitle | None = None
    product_items: Annotated[list[ProductItem], Field(min_length=1)]


class ProductListAction(Part):
    """Products of one catalogue."""

    catalog_id: NonEmpty
    sections: Annotated[list[ProductSection], Field(min_length=1, max_length=MAX_SECTIONS)]

    @model_validator(mode="after")
    def _holds_together(self) -> Self:
        _require_titles(self.sections)
        count = sum(len(section.product_items) for section in self.sections)
        _require_at_most(MAX_PRODUCTS, "products", count)
        return self


class ProductListInteractive(Part):
    """Several products, in sections."""

    type: Literal["product_list"]
    header: InteractiveHeader
    body: InteractiveBody
    footer: InteractiveFooter | None = None
    action: ProductListAction

    _header_is_text = field_validator("header")(parts.text_only)


def _require_titles(sections: list[ListSection] | list[ProductSection]) -> None:
    without = next(parts.untitled(sections), None)
    if len(sections) > 1 and without is not None:
        raise violations.broken(
            "is required when there are several sections", field=f"sections[{without}].title", missing=True
        )


def _require_at_most(limit: int, things: str, count: int) -> None:
    if count > limit:
        raise violations.broken(
            f"must have at most {limit} {things} in all", field="sections", limit=limit, value=count
        )
