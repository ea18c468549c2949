"""One box for whatever support has in hand: each meaning of a term is one probe of an index."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from uuid import UUID

from django.db.models import Model, QuerySet
from django.db.models.functions import Lower
from django.urls import reverse
from django.utils.http import urlencode

from accounts import access
from accounts.models import PhoneNumber, Tenant, User
from gosend.lib import ids, moments, phone
from messaging.console.masking import Veil
from messaging.models import Contact, Conversation, Message
from webhooks_app.models import Delivery

# Of one kind; a request that sent a batch has more messages than anybody reads in a list.
_PER_KIND = 10
_CHARACTERS_MAX = 255


@dataclass(frozen=True, slots=True)
class Hit:
    kind: str
    title: str
    detail: str
    url: str


def find(term: str, *, user: User, veil: Veil) -> list[Hit]:
    """Everything that the term names exactly and that the user may see."""
    text = term.strip()
    if not text or len(text) > _CHARACTERS_MAX or "\x00" in text:
        return []
    seen: dict[str, Hit] = {}
    for probe in _PROBES:
        for hit in probe(text, user, veil):
            seen.setdefault(hit.url, hit)
    return list(seen.values())


def queries(text: str, user: User) -> Iterator["QuerySet[Model]"]:
    """The probes as they are sent to the database, for the test of their plans."""
    yield from (*_messages(text, user), *_conversations(text, user), *_contacts(text, user))
    yield from (*_numbers(text, user), *_tenants(text, user), *_deliveries(text, user))


def _messages(text: str, user: User) -> Iterator["QuerySet[Message]"]:
    rows = access.narrow(Message.objects.all(), user=user, path="tenant_id")
    rows = rows.select_related("tenant")
    if (pk := ids.parse_id(text)) is not None:
        yield rows.filter(pk=pk)[:1]
    if text.startswith("wamid."):
        yield rows.filter(wamid=text)[:_PER_KIND]
    else:
        yield rows.filter(request_id=text).exclude(request_id="")[:_PER_KIND]


def _conversations(text: str, user: User) -> Iterator["QuerySet[Conversation]"]:
    if (pk := ids.parse_id(text)) is not None:
        rows = access.narrow(Conversation.objects.all(), user=user, path="tenant_id")
        yield rows.filter(pk=pk).select_related("tenant")[:1]


def _contacts(text: str, user: User) -> Iterator["QuerySet[Contact]"]:
    rows = access.narrow(Contact.objects.all(), user=user, path="tenant_id")
    rows = rows.select_related("tenant", "merged_into__tenant")
    digits = phone.plain(text)
    if digits.isdigit():
        yield rows.filter(phone=digits).exclude(phone="")[:_PER_KIND]
    elif phone.is_user_id(text):
        yield rows.filter(user_id=text).exclude(user_id="")[:_PER_KIND]


def _numbers(text: str, user: User) -> Iterator["QuerySet[PhoneNumber]"]:
    digits = phone.plain(text)
    if digits.isdigit():
        rows = access.narrow(PhoneNumber.objects.all(), user=user, path="tenant_id").select_related("tenant")
        yield rows.filter(phone_number_id=digits)[:1]
        yield rows.filter(display_phone_number_normalized=digits)[:_PER_KIND]


def _tenants(text: str, user: User) -> Iterator["QuerySet[Tenant]"]:
    rows = access.tenants_of(user)
    if (pk := ids.parse_id(text)) is not None:
        yield rows.filter(pk=pk)[:1]
    yield rows.filter(external_id=text).exclude(external_id="")[:_PER_KIND]
    yield rows.annotate(lowered=Lower("name")).filter(lowered=text.lower())[:_PER_KIND]


def _deliveries(text: str, user: User) -> Iterator["QuerySet[Delivery]"]:
    try:
        delivery_id = UUID(text)
    except ValueError:
        return
    rows = access.narrow(Delivery.objects.all(), user=user, path="tenant_id").select_related("event")
    yield rows.filter(delivery_id=delivery_id)[:1]


def _of_messages(text: str, user: User, veil: Veil) -> Iterator[Hit]:
    for rows in _messages(text, user):
        for row in rows:
            to = veil.number(row.peer, record=row)
            detail = f"{row.direction} {row.type}, {row.status}, {moments.written(row.created_at)}, {to}"
            yield Hit("message", f"{row.tenant.name}: {row.pk}", detail, _page("messaging_message", row.pk))


def _of_conversations(text: str, user: User, veil: Veil) -> Iterator[Hit]:
    for rows in _conversations(text, user):
        for row in rows:
            detail = f"{row.status}, {row.messages_count} messages"
            url = _page("messaging_conversation", row.pk)
            yield Hit("conversation", f"{row.tenant.name}: {row.pk}", detail, url)


def _of_contacts(text: str, user: User, veil: Veil) -> Iterator[Hit]:
    for rows in _contacts(text, user):
        for contact in (row.whole for row in rows):
            shown = veil.number(contact.phone or contact.user_id, record=contact)
            latest = contact.conversations.order_by("-pk").first()
            if latest is not None:
                url = _page("messaging_conversation", latest.pk)
                detail = f"{shown}; the latest conversation, of {moments.written(latest.last_message_at)}"
            else:
                # What was typed: a user id must not put the number into the address.
                peer = contact.user_id if phone.is_user_id(text) else contact.phone
                asked = {"tenant": str(contact.tenant_id), "peer": peer}
                url = f"{reverse('admin:messaging_message_changelist')}?{urlencode(asked)}"
                detail = f"{shown}; the messages, outside of conversations"
            yield Hit("contact", f"{contact.tenant.name}: {contact.name or shown}", detail, url)


def _of_numbers(text: str, user: User, veil: Veil) -> Iterator[Hit]:
    for rows in _numbers(text, user):
        for row in rows:
            url = _page("accounts_phonenumber", row.pk)
            yield Hit(
                "number", f"{row.tenant.name}: {row}", f"{row.status}, quality {row.quality_rating}", url
            )


def _of_tenants(text: str, user: User, veil: Veil) -> Iterator[Hit]:
    for rows in _tenants(text, user):
        for row in rows:
            yield Hit("tenant", row.name, f"{row.plan}, {row.status}", _page("accounts_tenant", row.pk))


def _of_deliveries(text: str, user: User, veil: Veil) -> Iterator[Hit]:
    for rows in _deliveries(text, user):
        for row in rows:
            url = _page("webhooks_app_delivery", row.pk)
            yield Hit("delivery", str(row.delivery_id), f"{row.event.type}, {row.status}", url)


def _page(name: str, pk: int) -> str:
    return reverse(f"admin:{name}_change", args=[pk])


_PROBES: tuple[Callable[[str, User, Veil], Iterator[Hit]], ...] = (
    _of_messages,
    _of_conversations,
    _of_contacts,
    _of_numbers,
    _of_tenants,
    _of_deliveries,
)
