"""One person, however many of a project's business accounts know them."""

from collections.abc import Collection, Mapping
from typing import Any

from django.db.models import Exists, Max, OuterRef, Q, QuerySet

from accounts.models import ApiKey, BusinessAccount, PhoneNumber, Tenant
from gosend.lib.errors import DomainError
from messaging.models import AddressBookEntry, Contact, Message

# The user id of a contact that had none and became part of another; of older ones nothing else is kept.
_MERGED = "merged."


class ContactUnknown(DomainError):
    code = "contact_not_found"


class ContactExists(DomainError):
    code = "contact_exists"


def rows(*, tenant: Tenant, environment: str) -> QuerySet[Contact]:
    """Every contact of the project's test accounts, or of its live ones."""
    is_test = environment == ApiKey.Environment.TEST
    return Contact.objects.filter(tenant=tenant, business_account__is_sandbox=is_test)


def unmerged(contacts: QuerySet[Contact]) -> QuerySet[Contact]:
    """Without what became part of another contact when a message showed that both are one person."""
    return contacts.filter(merged_into__isnull=True).exclude(user_id__startswith=_MERGED)


def once_each(*, tenant: Tenant, environment: str) -> QuerySet[Contact]:
    """Each person by the oldest of their contacts, who wrote last first; with `last_at`."""
    is_test = environment == ApiKey.Environment.TEST
    accounts = BusinessAccount.objects.filter(tenant=tenant, is_sandbox=is_test).values("pk")
    older = Contact.objects.filter(
        business_account__in=accounts, phone=OuterRef("phone"), pk__lt=OuterRef("pk")
    ).exclude(phone="")
    people = unmerged(rows(tenant=tenant, environment=environment))
    return people.filter(~Exists(older)).annotate(last_at=Max("conversations__last_message_at"))


def find(*, tenant: Tenant, environment: str, contact_id: int) -> Contact:
    """Return a contact with its account, or the one that it became part of; raises ContactUnknown."""
    contact = _first(rows(tenant=tenant, environment=environment).filter(pk=contact_id))
    if contact is None:
        raise ContactUnknown("Contact not found")
    return contact


def by_phone(*, tenant: Tenant, environment: str, phone: str) -> Contact | None:
    """The oldest contact with this number, or user id."""
    found = rows(tenant=tenant, environment=environment).filter(Q(phone=phone) | Q(user_id=phone))
    return _first(found)


def _first(found: QuerySet[Contact]) -> Contact | None:
    related = ("business_account", "entry", "merged_into__business_account", "merged_into__entry")
    contact = found.select_related(*related).order_by("pk").first()
    return contact.whole if contact else None


def kin(*, tenant: Tenant, environment: str, contacts: Collection[Contact]) -> dict[int, int]:
    """Every contact that is one of these people → the one of these that it is."""
    by_number = {contact.phone: contact.pk for contact in contacts if contact.phone}
    own = {contact.pk: contact.pk for contact in contacts}
    near = Q(phone__in=by_number) | Q(merged_into__phone__in=by_number) | Q(merged_into__in=own)
    same = rows(tenant=tenant, environment=environment).filter(near)
    found = list(same.values_list("pk", "phone", "merged_into"))
    known = {pk: by_number[phone] for pk, phone, whole in found if whole is None and phone in by_number} | own
    return known | {pk: known[whole] for pk, _, whole in found if whole in known}


def names(contact: Contact) -> list[str]:
    """What a person goes by now."""
    return [name for name in (contact.phone, contact.user_id) if name]


def peers(contact: Contact) -> list[str]:
    """What messages with a person are kept under: what they go by, and by what became part of them."""
    former = contact.merged.exclude(user_id__startswith=_MERGED).values_list("user_id", flat=True)
    return [*names(contact), *former]


def messages(*, tenant: Tenant, environment: str, contact: Contact) -> QuerySet[Message]:
    """All that was exchanged with a person, over all of the project's accounts."""
    near = Q(merged_into=contact)
    if contact.phone:
        near |= Q(phone=contact.phone) | Q(merged_into__phone=contact.phone)
    found = rows(tenant=tenant, environment=environment).filter(near)
    same, former = [contact.pk], []
    for pk, user_id, merged_into in found.values_list("pk", "user_id", "merged_into"):
        # A send that was accepted while they became one may have stayed with the former.
        same.append(pk)
        if merged_into is not None:
            former.append(user_id)
    return tenant.messages.filter(peer__in=[*names(contact), *former], contact__in=same)


def note(
    *, tenant: Tenant, environment: str, number: PhoneNumber, phone: str, said: Mapping[str, Any]
) -> tuple[Contact, bool]:
    """Enter a person whom nobody wrote to yet; one who is known stays as they are. Says whether it is new."""
    if known := by_phone(tenant=tenant, environment=environment, phone=phone):
        return known, False
    fresh = Contact(tenant=tenant, business_account=number.business_account, phone=phone)
    # Of two who enter the same person at once the second makes no row.
    Contact.objects.bulk_create([fresh], ignore_conflicts=True)
    made = by_phone(tenant=tenant, environment=environment, phone=phone)
    if made is None:
        raise Contact.DoesNotExist("a contact was neither created nor found")
    return describe(contact=made, said=said), True


def describe(*, contact: Contact, said: Mapping[str, Any]) -> Contact:
    """Write down what the project says of a contact: `name`, `tags`, `metadata`; the rest stays."""
    if said:
        entry, _ = AddressBookEntry.objects.update_or_create(contact=contact, defaults=dict(said))
        contact.entry = entry
    return contact
