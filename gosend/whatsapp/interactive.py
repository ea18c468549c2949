"""Interactive messages: one shape for each kind."""

from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import (
    ConfigDict,
    Discriminator,
    Field,
    RootModel,
    StringConstraints,
    Tag,
    field_validator,
    model_validator,
)

from gosend.whatsapp import interactive_parts as parts
from gosend.whatsapp import violations
from gosend.whatsapp.interactive_lists import (
    ListInteractive,
    ProductInteractive,
    ProductListInteractive,
    ReplyButtonsInteractive,
)
from gosend.whatsapp.interactive_parts import (
    ButtonLabel,
    InteractiveBody,
    InteractiveFooter,
    InteractiveHeader,
)
from gosend.whatsapp.parts import NonEmpty, Part, WebAddress

# Meta, "Flows": the label of the button.
MAX_FLOW_CTA_CHARACTERS = 30
# Meta, "Media card carousel messages".
MIN_CAROUSEL_CARDS = 2
MAX_CAROUSEL_CARDS = 10


class UrlParameters(Part):
    """What the button says and opens."""

    display_text: ButtonLabel
    url: WebAddress


class UrlAction(Part):
    """A button that opens a web address."""

    name: Literal["cta_url"]
    parameters: UrlParameters


class UrlInteractive(Part):
    """A button that opens a web address."""

    type: Literal["cta_url"]
    header: InteractiveHeader | None = None
    body: InteractiveBody
    footer: InteractiveFooter | None = None
    action: UrlAction


class FlowPayload(Part):
    """Where a flow starts, and with what."""

    screen: NonEmpty | None = None
    data: dict[str, Any] | None = None


class FlowParameters(Part):
    """Which flow: exactly one of `flow_id` and `flow_name`."""

    flow_message_version: NonEmpty
    flow_id: NonEmpty | None = None
    flow_name: NonEmpty | None = None
    flow_cta: Annotated[str, StringConstraints(min_length=1, max_length=MAX_FLOW_CTA_CHARACTERS)]
    flow_token: NonEmpty | None = None
    mode: Literal["draft", "published"] | None = None
    flow_action: Literal["navigate", "data_exchange"] | None = None
    flow_action_payload: FlowPayload | None = None

    @model_validator(mode="after")
    def _names_one_flow(self) -> Self:
        if self.flow_id is None and self.flow_name is None:
            raise violations.broken("is required, or flow_name instead", field="flow_id", missing=True)
        if self.flow_id is not None and self.flow_name is not None:
            raise violations.broken(
                "cannot stand beside flow_id: give one of the two", field="flow_name", value=self.flow_name
            )
        return self


class FlowAction(Part):
    """A button that opens a flow."""

    name: Literal["flow"]
    parameters: FlowParameters


class FlowInteractive(Part):
    """A button that opens a flow: forms inside WhatsApp."""

    type: Literal["flow"]
    header: InteractiveHeader | None = None
    body: InteractiveBody
    footer: InteractiveFooter | None = None
    action: FlowAction


class CatalogParameters(Part):
    """The product whose picture stands for the catalogue."""

    thumbnail_product_retailer_id: NonEmpty | None = None


class CatalogAction(Part):
    """A button that opens the catalogue."""

    name: Literal["catalog_message"]
    parameters: CatalogParameters | None = None


class CatalogInteractive(Part):
    """A button that opens the catalogue."""

    type: Literal["catalog_message"]
    body: InteractiveBody
    footer: InteractiveFooter | None = None
    action: CatalogAction


class LocationRequestAction(Part):
    """A button that sends the person's place."""

    name: Literal["send_location"]


class LocationRequestInteractive(Part):
    """Asks where the person is."""

    type: Literal["location_request_message"]
    body: InteractiveBody
    action: LocationRequestAction


class CarouselCard(Part):
    """One card; what its action takes depends on its type, and is for Meta to check."""

    card_index: int | None = None
    type: NonEmpty
    header: InteractiveHeader | None = None
    body: Part | None = None
    action: dict[str, Any]


class CarouselAction(Part):
    """The cards, all with the same type of header."""

    cards: Annotated[list[CarouselCard], Field(min_length=MIN_CAROUSEL_CARDS, max_length=MAX_CAROUSEL_CARDS)]

    @model_validator(mode="after")
    def _look_alike(self) -> Self:
        kinds = [card.header.type if card.header else None for card in self.cards]
        odd = next((index for index, kind in enumerate(kinds) if kind != kinds[0]), None)
        if odd is not None:
            raise violations.broken(
                "must have the same type on all cards", field=f"cards[{odd}].header", value=kinds[odd]
            )
        return self


class CarouselInteractive(Part):
    """Cards to swipe through."""

    type: Literal["carousel"]
    header: None = None
    body: InteractiveBody
    footer: None = None
    action: CarouselAction

    _stands_alone = field_validator("header", "footer", mode="before")(parts.absent)


def _tag(value: object) -> str:
    """Choose the shape; the brackets keep the choice out of the paths that violations name."""
    kind = value.get("type") if isinstance(value, dict) else getattr(value, "type", None)
    return f"<{kind}>" if isinstance(kind, str) and kind in _KINDS else "<other>"


_KINDS = (
    "button",
    "list",
    "cta_url",
    "flow",
    "product",
    "product_list",
    "catalog_message",
    "location_request_message",
    "carousel",
)


class OtherInteractive(Part):
    """A kind that Meta has and this list does not: it passes as it is."""

    type: Annotated[str, StringConstraints(min_length=1), Field(json_schema_extra={"not": {"enum": _KINDS}})]
    action: dict[str, Any] | None = None


class Interactive(
    RootModel[
        Annotated[
            Annotated[ReplyButtonsInteractive, Tag("<button>")]
            | Annotated[ListInteractive, Tag("<list>")]
            | Annotated[UrlInteractive, Tag("<cta_url>")]
            | Annotated[FlowInteractive, Tag("<flow>")]
            | Annotated[ProductInteractive, Tag("<product>")]
            | Annotated[ProductListInteractive, Tag("<product_list>")]
            | Annotated[CatalogInteractive, Tag("<catalog_message>")]
            | Annotated[LocationRequestInteractive, Tag("<location_request_message>")]
            | Annotated[CarouselInteractive, Tag("<carousel>")]
            | Annotated[OtherInteractive, Tag("<other>")],
            Discriminator(_tag),
        ]
    ]
):
    """Something to tap on; `type` says what."""

    model_config = ConfigDict(frozen=True)

    type: ClassVar[str] = "interactive"
    takes_context: ClassVar[bool] = True

    def to_graph(self) -> dict[str, Any]:
        return self.root.to_graph()
