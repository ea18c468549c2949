"""One person under two ids becomes one contact."""

from django.db import transaction
from django.db.models import F, Q
from django.db.models.functions import Greatest

from accounts.models import BusinessAccount
from gosend.whatsapp.events import InboundMessage
from messaging import endings, people
from messaging.models import AddressBookEntry, Contact, Conversation, Message, ServiceWindow


def followed(*, account: BusinessAccount, item: InboundMessage) -> str:
    """The sender's user id; where the message says that it was replaced, the contact has followed."""
    told = item.message.get("system")
    if item.type != "system" or not isinstance(told, dict) or told.get("type") != "user_changed_user_id":
        return item.from_user_id
    current = told.get("user_id")
    if not isinstance(current, str) or not current:
        return item.from_user_id
    follow(account=account, previous=item.from_user_id, current=current, phone=item.from_phone)
    return current


def follow(*, account: BusinessAccount, previous: str, current: str, phone: str = "") -> Contact | None:
    """Let a contact go by its new user id; told twice, or in two ways, it changes nothing twice.

    Where the new id is known already as a contact of its own, that one takes over what was exchanged
    under the old id. None when neither id is known.
    """
    if not previous or not current or previous == current:
        return None
    with transaction.atomic():
        rows = Contact.objects.select_for_update(no_key=True).filter(business_account=account)
        known = {row.user_id: row for row in rows.filter(user_id__in=[previous, current]).order_by("pk")}
        old, new = known.get(previous), known.get(current)
        if old is None or old.merged_into_id is not None:  # unknown, or told before
            found = old or new
            return found.whole if found else None
        if new is None:
            return _complete(old, current, phones=(phone, old.phone), like=old)
        if new.merged_into_id == old.pk:  # the person came back to it
            new.merged_into = None
        elif new.merged_into_id is not None:  # what followed on this change was told first
            new = rows.get(pk=new.merged_into_id)
            current = new.user_id
        phone_before = old.phone
        _merge(old, new)
        return _complete(new, current, phones=(new.phone, phone, phone_before), like=old)


def meet(*, account: BusinessAccount, phone: str, user_id: str) -> None:
    """Make one of two contacts when a message shows that the number and the user id are one person's.

    Only where the number's contact has no user id of its own: otherwise the number changed hands.
    """
    if not phone or not user_id:
        return
    rows = Contact.objects.filter(business_account=account)
    if rows.filter(Q(phone=phone, user_id="") | Q(user_id=user_id)).count() < 2:
        return
    with transaction.atomic():
        locked = rows.select_for_update(no_key=True).order_by("pk")
        former = rows.filter(user_id=user_id).values("merged_into")
        found = list(locked.filter(Q(phone=phone, user_id="") | Q(user_id=user_id) | Q(pk__in=former)))
        by_phone = next((row for row in found if row.phone == phone and not row.user_id), None)
        by_id = next((row for row in found if row.user_id == user_id), None)
        if by_id is not None and by_id.merged_into_id is not None:
            # A message from before the id was changed.
            by_id = next((row for row in found if row.pk == by_id.merged_into_id), None)
        if by_phone is None or by_id is None:
            return
        _merge(by_phone, by_id)
        _complete(by_id, by_id.user_id, phones=(by_id.phone, phone), like=by_phone)


def _merge(old: Contact, new: Contact) -> None:
    """Let the new contact have all that was exchanged with the old one, and lead whoever asks for that on."""
    _take_over(old, new)
    # The row stays: looking through all messages for one that names it would cost too much, and a project
    # may have kept its id. It must be somebody: without a user id of its own it is nobody in so many words.
    old.phone, old.user_id, old.merged_into = "", old.user_id or f"merged.{old.pk}", new
    old.save()
    Contact.objects.filter(merged_into=old).exclude(pk=new.pk).update(merged_into=new)


def _complete(contact: Contact, user_id: str, *, phones: tuple[str, ...], like: Contact) -> Contact:
    contact.user_id = user_id
    contact.phone = _phone(contact, phones)
    contact.name = contact.name or like.name
    contact.username = contact.username or like.username
    contact.save()
    return contact


def _phone(contact: Contact, candidates: tuple[str, ...]) -> str:
    """The first phone number that is known and is nobody else's."""
    others = Contact.objects.filter(business_account_id=contact.business_account_id).exclude(pk=contact.pk)
    return next((one for one in candidates if one and not others.filter(phone=one).exists()), "")


def _take_over(old: Contact, new: Contact) -> None:
    running = Conversation.objects.exclude(status=Conversation.Status.ENDED)
    # A pair has one running conversation at most: the old one's gives way.
    twofold = running.filter(contact=new).values("phone_number")
    endings.end_now(list(running.filter(contact=old, phone_number__in=twofold).values_list("pk", flat=True)))
    Conversation.objects.filter(contact=old).update(contact=new)
    if not AddressBookEntry.objects.filter(contact=new).exists():
        AddressBookEntry.objects.filter(contact=old).update(contact=new)
    # Messages are found by who they are with, as no index leads from a contact to them.
    Message.objects.filter(tenant_id=old.tenant_id, peer__in=people.peers(old), contact=old).update(
        contact=new
    )
    for window in ServiceWindow.objects.filter(contact=old):
        held = ServiceWindow.objects.filter(phone_number_id=window.phone_number_id, contact=new)
        if held.update(expires_at=Greatest(F("expires_at"), window.expires_at)):
            window.delete()
        else:
            ServiceWindow.objects.filter(pk=window.pk).update(contact=new)
