"""Which room takes which item of a callback, and for which number it may speak."""

from collections.abc import Sequence

from accounts import numbers
from accounts.models import BusinessAccount, PhoneNumber
from gosend.whatsapp import events
from messaging import echoes, inbound, merges, notices
from messaging.callbacks import Callback
from templates_app import notices as templates


def statuses_of(batch: Sequence[Callback]) -> list[tuple[Callback, int, events.StatusUpdate]]:
    """The statuses of a batch with their numbers' row ids, in one look-up; what is nobody's is left out.

    A status that its callback may not tell is held against the callback.
    """
    told = [(one, item) for one in batch for item in one.items if isinstance(item, events.StatusUpdate)]
    if not told:
        return []
    known = PhoneNumber.objects.select_related("business_account").filter(
        phone_number_id__in={item.phone_number_id for _, item in told}
    )
    by_meta_id = {number.phone_number_id: number for number in known}
    found = []
    for callback, item in told:
        if (number := by_meta_id.get(item.phone_number_id)) is None:
            continue
        try:
            _require_hears(callback, number.business_account)
        except numbers.NotForThisApp as refusal:
            callback.blame(item.field, refusal)
        else:
            found.append((callback, number.pk, item))
    return found


def item(*, callback: Callback, item: events.Item) -> None:
    """Hand an item that is no status to its room; raises what the room raises."""
    match item:
        case events.InboundMessage() | events.MessageEcho():
            if number := _number(callback, item.phone_number_id):
                _take_in(number, item)
        case events.UserIdUpdate():
            if account := _account(callback, item):
                merges.follow(account=account, previous=item.previous, current=item.current, phone=item.phone)
        case (
            events.TemplateUpdate()
            | events.TemplateQualityUpdate()
            | events.TemplateCategoryUpdate()
            | events.TemplateComponentsUpdate()
        ):
            templates.take(update=item, is_sandbox=callback.is_sandbox, app=callback.app)
        case (
            events.QualityUpdate()
            | events.NameUpdate()
            | events.CapabilityUpdate()
            | events.AccountUpdate()
            | events.AccountAlert()
        ):
            notices.take(item=item, is_sandbox=callback.is_sandbox, app=callback.app)
        case _:
            pass  # kept raw in the event; nobody here acts on it


def _take_in(number: PhoneNumber, item: events.InboundMessage | events.MessageEcho) -> None:
    if isinstance(item, events.InboundMessage):
        inbound.receive(number=number, item=item)
    else:
        echoes.receive(number=number, item=item)


def _require_hears(callback: Callback, account: BusinessAccount) -> None:
    numbers.require_hears(account, app=callback.app, is_sandbox=callback.is_sandbox)


def _number(callback: Callback, phone_number_id: str) -> PhoneNumber | None:
    """The number an item is about, if we have it and the signing app may speak for it."""
    number = (
        PhoneNumber.objects.select_related("business_account").filter(phone_number_id=phone_number_id).first()
    )
    if number is not None:
        _require_hears(callback, number.business_account)
    return number


def _account(callback: Callback, item: events.UserIdUpdate) -> BusinessAccount | None:
    """The account in which a person goes by another id now; the entry names it, else the number does."""
    account = BusinessAccount.objects.filter(waba_id=item.waba_id).first()
    if account is None:
        number = _number(callback, item.phone_number_id)
        return number.business_account if number else None
    _require_hears(callback, account)
    return account
