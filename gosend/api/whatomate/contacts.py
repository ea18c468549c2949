"""Contacts: list, search, create, read, change."""

from collections.abc import Mapping, Sequence
from typing import Any, cast

from django.db.models import F, Q
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from pydantic import BaseModel, Field
from rest_framework.response import Response

from accounts.models import PhoneNumber
from gosend.api import errors, json, schema
from gosend.api.view import TenantRequest
from gosend.api.whatomate import bodies, envelope, fields, messages, paging, sends, uuids
from gosend.lib import phone
from gosend.lib.errors import DomainError
from messaging import acquaintance, people, senders
from messaging.models import AddressBookEntry, Contact

_MAX_NAME, _MAX_TAGS, _MAX_TAG, _MAX_METADATA_BYTES = 500, 50, 100, 16_384
_MAX_SEARCH = 1000


class ContactExists(DomainError):
    code = "contact_exists"


class WhatomateContact(BaseModel):
    """A person, once, however many of the project's accounts know them."""

    id: str
    phone_number: str | None = Field(description="Digits; null for a person known by user id alone.")
    user_id: str | None
    name: str = Field(description="What the project calls them, else what they call themselves.")
    profile_name: str
    avatar_url: None
    status: str
    tags: list[str]
    metadata: dict[str, Any]
    whatsapp_account: str
    last_message_at: str | None
    last_message_preview: str
    last_inbound_at: str | None
    unread_count: int = Field(description="Of the latest 100 messages.")
    is_read: bool
    service_window_open: bool = Field(
        description="Whether they wrote within 24 hours, as far as was seen here. Numbers that leave the"
        " window to Meta, as the sandbox's do, send without."
    )
    service_window_expires_at: str | None
    marketing_opt_out: bool
    assigned_user_id: None
    created_at: str
    updated_at: str


class ContactPage(BaseModel):
    """A page of contacts, who wrote last first; `items` and `contacts` are the same."""

    items: list[WhatomateContact]
    contacts: list[WhatomateContact]
    total: int
    total_is_capped: bool | None = None
    page: int
    limit: int


class ContactList(envelope.WhatomateView):
    scopes = {"GET": "read", "POST": "send"}

    @extend_schema(
        operation_id="whatomate.contacts.list",
        summary="List contacts, who wrote last first",
        tags=["Contacts"],
        parameters=[
            *paging.PARAMETERS,
            schema.optional("search", "Part of a name or of a number."),
            schema.optional("tags", "Tags, between commas: contacts that have any of them."),
        ],
        responses=envelope.answers(ContactPage),
    )
    def get(self, request: TenantRequest) -> Response:
        place = paging.asked(request)
        rows = people.once_each(tenant=request.tenant, environment=request.api_key.environment)
        if search := request.query_params.get("search", "").strip()[:_MAX_SEARCH]:
            named = Q(name__icontains=search) | Q(entry__name__icontains=search)
            digits = phone.plain(search)  # of "00", how a number begins abroad, nothing is left
            rows = rows.filter(named | Q(phone__contains=digits) if digits else named)
        if tags := [tag.strip() for tag in request.query_params.get("tags", "").split(",") if tag.strip()]:
            rows = rows.filter(Q(*(("entry__tags__contains", [tag]) for tag in tags), _connector=Q.OR))
        totals = paging.totals(rows, place)
        ordered = rows.select_related("entry").order_by(F("last_at").desc(nulls_last=True), "-pk")
        written = _written(request, paging.cut(ordered, place))
        return envelope.success({"items": written, "contacts": written, **totals})

    @extend_schema(
        operation_id="whatomate.contacts.create",
        summary="Create a contact",
        description="Only needed for names and tags: a send to a new number creates the contact by itself.",
        tags=["Contacts"],
        parameters=[schema.IDEMPOTENCY_KEY],
        request={"application/json": bodies.CONTACT},
        examples=bodies.examples("contact"),
        responses=envelope.answers(WhatomateContact, 404, 409, 413, 415, 503),
    )
    def post(self, request: TenantRequest) -> Response:
        data = cast(dict[str, Any], request.data)
        number = fields.phone_number(data)
        if not number:
            raise errors.MissingField("phone_number is required", details={"field": "phone_number"})
        said = _said(data)
        environment = request.api_key.environment
        contact, is_new = people.note(
            tenant=request.tenant,
            environment=environment,
            number=senders.choose(
                tenant=request.tenant,
                environment=environment,
                name=fields.text(data, "whatsapp_account", "account_name"),
            ),
            phone=number,
            said=said,
        )
        if not is_new:
            raise ContactExists(
                "A contact with this phone number exists already",
                details={"field": "phone_number", "contact_id": uuids.write(uuids.CONTACT, contact.pk)},
            )
        return envelope.success(_written(request, [contact])[0])


class ContactDetail(envelope.WhatomateView):
    scopes = {"GET": "read", "PUT": "send"}

    @extend_schema(
        operation_id="whatomate.contacts.get",
        summary="Read one contact",
        tags=["Contacts"],
        parameters=[messages.INSIDE],
        responses=envelope.answers(WhatomateContact, 404),
    )
    def get(self, request: TenantRequest, contact_id: str) -> Response:
        return envelope.success(_written(request, [sends.find_contact(request, contact_id)])[0])

    @extend_schema(
        operation_id="whatomate.contacts.update",
        summary="Change a contact's name, tags or metadata",
        description="What is not sent stays as it is.",
        tags=["Contacts"],
        parameters=[messages.INSIDE],
        request={"application/json": bodies.CONTACT_CHANGE},
        examples=bodies.examples("contact_change"),
        responses=envelope.answers(WhatomateContact, 404, 413, 415, 503),
    )
    def put(self, request: TenantRequest, contact_id: str) -> Response:
        contact = sends.find_contact(request, contact_id)
        data = cast(dict[str, Any], request.data)
        if (number := fields.phone_number(data)) and number not in people.names(contact):
            raise errors.InvalidField(
                "phone_number cannot be changed: another number is another contact",
                details={"field": "phone_number", "value": number},
            )
        people.describe(contact=contact, said=_said(data))
        return envelope.success(_written(request, [contact])[0])


def _said(data: Mapping[str, Any]) -> dict[str, Any]:
    """What a body says of a contact, within bounds."""
    said: dict[str, Any] = {}
    if any(data.get(name) is not None for name in ("name", "profile_name")):
        said["name"] = fields.text(data, "profile_name", "name")
        if len(said["name"]) > _MAX_NAME:
            raise fields.wrong("profile_name", f"at most {_MAX_NAME} characters", said["name"])
    tags = data.get("tags")
    if tags is not None:
        if not isinstance(tags, list) or len(tags) > _MAX_TAGS or not all(map(_is_tag, tags)):
            raise fields.wrong("tags", f"at most {_MAX_TAGS} strings of at most {_MAX_TAG} characters", tags)
        said["tags"] = list(dict.fromkeys(tags))
    metadata = data.get("metadata")
    if metadata is not None:
        if not isinstance(metadata, dict) or len(json.dumps(metadata)) > _MAX_METADATA_BYTES:
            raise fields.wrong("metadata", f"an object of at most {_MAX_METADATA_BYTES} bytes", metadata)
        said["metadata"] = metadata
    return said


def _is_tag(tag: Any) -> bool:
    return isinstance(tag, str) and 0 < len(tag) <= _MAX_TAG


def _written(request: TenantRequest, contacts: Sequence[Contact]) -> list[dict[str, Any]]:
    """Write contacts; six statements, however many they are."""
    environment = request.api_key.environment
    facts = acquaintance.of(tenant=request.tenant, environment=environment, contacts=contacts)
    numbers = list(senders.all_of(tenant=request.tenant, environment=environment)) if contacts else []
    return [_contact(one, facts[one.pk], numbers) for one in contacts]


def _contact(contact: Contact, known: acquaintance.Facts, numbers: Sequence[PhoneNumber]) -> dict[str, Any]:
    entry: AddressBookEntry | None = getattr(contact, "entry", None)
    by_id = {number.pk: number for number in numbers}
    of_account = (one for one in numbers if one.business_account_id == contact.business_account_id)
    number = by_id.get(known.phone_number_id or 0) or next(of_account, None)
    # Two clocks write created_at and updated_at; what was made is no older than that.
    updated = [contact.created_at, contact.updated_at, *([entry.updated_at] if entry else [])]
    ends_at = known.window_ends_at
    return {
        "id": uuids.write(uuids.CONTACT, contact.pk),
        "phone_number": contact.phone or None,
        "user_id": contact.user_id or None,
        "name": (entry.name if entry else "") or contact.name,
        "profile_name": (entry.name if entry else "") or contact.name,
        "avatar_url": None,
        "status": "active",
        "tags": entry.tags if entry else [],
        "metadata": entry.metadata if entry else {},
        "whatsapp_account": senders.name_of(number) if number else "",
        "last_message_at": envelope.moment(known.last_message_at),
        "last_message_preview": known.last_words[:200],
        "last_inbound_at": envelope.moment(known.last_inbound_at),
        "unread_count": known.unread,
        "is_read": known.unread == 0,
        "service_window_open": ends_at is not None and ends_at > timezone.now(),
        "service_window_expires_at": envelope.moment(ends_at),
        "marketing_opt_out": False,
        "assigned_user_id": None,
        "created_at": envelope.moment(contact.created_at),
        "updated_at": envelope.moment(max(updated)),
    }
