"""Find or create the person, by number or by WhatsApp id."""

from collections.abc import Collection

from django.db.models import Q

from accounts.models import BusinessAccount
from gosend.lib import phone as phones
from messaging.models import Contact


def find_or_create(
    *,
    account: BusinessAccount,
    phone: str = "",
    user_id: str = "",
    name: str = "",
    username: str = "",
) -> Contact:
    """Return the account's contact with this phone or this business-scoped user id.

    The user id decides where both are known, since a number may change hands; what a contact lacks is
    filled in from the other key. Safe against the same contact being made twice at once.
    """
    contact = _find(account, phone, user_id)
    if contact is None:
        contact = _create(account, phone, user_id, name, username)
    return _complete(contact, phone=phone, user_id=user_id, name=name, username=username)


def find_many(*, account: BusinessAccount, peers: Collection[str]) -> dict[str, Contact]:
    """Return the contacts that the account has among these recipients, digits or user ids."""
    of_account = Contact.objects.filter(business_account=account)
    phone_numbers = [peer for peer in peers if _key(peer) == "phone"]
    user_ids = [peer for peer in peers if _key(peer) == "user_id"]
    found: dict[str, Contact] = {}
    if phone_numbers:
        found |= {contact.phone: contact for contact in of_account.filter(phone__in=phone_numbers)}
    if user_ids:
        by_user_id = of_account.filter(user_id__in=user_ids).select_related("merged_into")
        found |= {contact.user_id: contact.whole for contact in by_user_id}
    return found


def _key(peer: str) -> str:
    return "user_id" if phones.is_user_id(peer) or phones.is_group(peer) else "phone"


def _find(account: BusinessAccount, phone: str, user_id: str) -> Contact | None:
    if not phone and not user_id:
        raise ValueError("a person has a number or a user id")
    keys = Q()
    if phone:
        keys |= Q(phone=phone)
    if user_id:
        keys |= Q(user_id=user_id)
    rows = Contact.objects.filter(keys, business_account=account).select_related("merged_into")
    found = list(rows[:2])
    by_user_id = [contact for contact in found if user_id and contact.user_id == user_id]
    if by_user_id or not found:
        return next((contact.whole for contact in by_user_id), None)
    if user_id and found[0].user_id:
        # The number belongs to somebody else by now: it is taken from whom we knew by it.
        Contact.objects.filter(pk=found[0].pk).update(phone="")
        return None
    return found[0]


def _create(account: BusinessAccount, phone: str, user_id: str, name: str, username: str) -> Contact:
    fresh = Contact(
        tenant_id=account.tenant_id,
        business_account=account,
        phone=phone,
        user_id=user_id,
        name=name[:500],
        username=username[:200],
    )
    # Another process may be making the same contact: whoever is second takes the first one's row.
    Contact.objects.bulk_create([fresh], ignore_conflicts=True)
    found = _find(account, phone, user_id)
    if found is None:
        raise Contact.DoesNotExist("a contact was neither created nor found")
    return found


def _complete(contact: Contact, *, phone: str, user_id: str, name: str, username: str) -> Contact:
    changed = {}
    if name and contact.name != name[:500]:
        changed["name"] = name[:500]
    if username and contact.username != username[:200]:
        changed["username"] = username[:200]
    if phone and not contact.phone and not _is_taken(contact, Q(phone=phone)):
        changed["phone"] = phone
    if user_id and not contact.user_id and not _is_taken(contact, Q(user_id=user_id)):
        changed["user_id"] = user_id
    if changed:
        Contact.objects.filter(pk=contact.pk).update(**changed)
        for field, value in changed.items():
            setattr(contact, field, value)
    return contact


def _is_taken(contact: Contact, key: Q) -> bool:
    return Contact.objects.filter(key, business_account_id=contact.business_account_id).exists()
