"""Contact cards."""

import re
from datetime import date
from typing import Annotated, Any, ClassVar

from pydantic import ConfigDict, Field, RootModel, field_validator

from gosend.whatsapp import violations
from gosend.whatsapp.parts import NonEmpty, Part

# Meta, "Contacts messages".
MAX_CONTACT_CARDS = 257

_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


class ContactName(Part):
    """`formatted_name` is what the recipient sees."""

    formatted_name: NonEmpty
    first_name: str | None = None
    last_name: str | None = None
    middle_name: str | None = None
    suffix: str | None = None
    prefix: str | None = None


class ContactPhone(Part):
    """Without `wa_id` the card offers to invite the person to WhatsApp."""

    phone: str | None = None
    type: str | None = None
    wa_id: str | None = None


class ContactEmail(Part):
    """An address for mail."""

    email: str | None = None
    type: str | None = None


class ContactUrl(Part):
    """A web address, in any form."""

    url: str | None = None
    type: str | None = None


class ContactAddress(Part):
    """A postal address."""

    street: str | None = None
    city: str | None = None
    state: str | None = None
    zip: str | None = None
    country: str | None = None
    country_code: str | None = None
    type: str | None = None


class ContactOrganization(Part):
    """Where the person works."""

    company: str | None = None
    department: str | None = None
    title: str | None = None


class ContactCard(Part):
    """One person."""

    name: ContactName
    phones: list[ContactPhone] | None = None
    emails: list[ContactEmail] | None = None
    addresses: list[ContactAddress] | None = None
    urls: list[ContactUrl] | None = None
    org: ContactOrganization | None = None
    birthday: str | None = None

    @field_validator("birthday")
    @classmethod
    def _is_a_date(cls, birthday: str | None) -> str | None:
        if birthday is not None and not _is_date(birthday):
            raise violations.broken("must be a date in the form YYYY-MM-DD", value=birthday)
        return birthday


class Contacts(RootModel[Annotated[list[ContactCard], Field(min_length=1, max_length=MAX_CONTACT_CARDS)]]):
    """One card or more; the only content that is a list."""

    model_config = ConfigDict(frozen=True)

    type: ClassVar[str] = "contacts"
    takes_context: ClassVar[bool] = True

    def to_graph(self) -> list[dict[str, Any]]:
        return [card.to_graph() for card in self.root]


def _is_date(text: str) -> bool:
    try:
        return bool(_DATE.fullmatch(text) and date.fromisoformat(text))
    except ValueError:
        return False
