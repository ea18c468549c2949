"""Take over what Meta's callbacks say about an account or a number."""

from dataclasses import dataclass

from accounts import numbers
from accounts.models import BusinessAccount, MetaApp, PhoneNumber
from gosend.whatsapp.events import AccountUpdate, NameUpdate, QualityUpdate

# What Meta calls a change of quality. It does not say how good it has become again: at least medium.
_RATINGS = {"FLAGGED": PhoneNumber.Quality.RED, "UNFLAGGED": PhoneNumber.Quality.YELLOW}
_STATES = {"DISABLE": BusinessAccount.Status.SUSPENDED, "REINSTATE": BusinessAccount.Status.ACTIVE}
# A number that also runs in the WhatsApp Business app may leave the platform, and come back.
_CONNECTION = {
    "ACCOUNT_OFFBOARDED": PhoneNumber.Status.DISCONNECTED,
    "ACCOUNT_RECONNECTED": PhoneNumber.Status.ACTIVE,
}


@dataclass(frozen=True, slots=True)
class QualityChange:
    """A number as it is now, and how it was rated before."""

    number: PhoneNumber
    previous_rating: str


def account_of(*, waba_id: str, app: MetaApp | None, is_sandbox: bool) -> BusinessAccount | None:
    """The account that a callback is about, if we have it and the signing app may speak for it."""
    account = BusinessAccount.objects.filter(waba_id=waba_id).first()
    if account is not None:
        numbers.require_hears(account, app=app, is_sandbox=is_sandbox)
    return account


def note_quality(*, account: BusinessAccount, update: QualityUpdate) -> QualityChange | None:
    """Take over a number's rating, throughput and limit; None when they were so already."""
    number = _number(account, update.display_phone_number)
    is_new_limit = note_limit(account=account, limit=update.limit)
    if number is None:
        return None
    before = (number.quality_rating, number.throughput_tier)
    number.quality_rating = _RATINGS.get(update.event, number.quality_rating)
    # The other tiers were set by an operator, as a check leaves them too.
    if update.event == "THROUGHPUT_UPGRADE" and number.throughput_tier == PhoneNumber.Tier.STANDARD:
        number.throughput_tier = PhoneNumber.Tier.HIGH
    if (number.quality_rating, number.throughput_tier) == before and not is_new_limit:
        return None
    number.save(update_fields=["quality_rating", "throughput_tier"])
    return QualityChange(number, previous_rating=before[0])


def note_name(*, account: BusinessAccount, update: NameUpdate) -> None:
    """Take over a name that Meta has approved."""
    number = _number(account, update.display_phone_number)
    if number is not None and update.decision == "APPROVED" and update.name:
        number.verified_name = update.name[:200]
        number.save(update_fields=["verified_name"])


def note_limit(*, account: BusinessAccount, limit: str) -> bool:
    """Take over how many people may be written to in a day; True when that is news."""
    limit = limit[:20]
    if not limit or limit == account.messaging_limit:
        return False
    account.messaging_limit = limit
    account.save(update_fields=["messaging_limit"])
    return True


def note_state(*, account: BusinessAccount, update: AccountUpdate) -> list[tuple[PhoneNumber, str]]:
    """Suspend an account that Meta disabled or deleted, and let it work again when Meta does.

    Returns the numbers that left or came back with it, each with the status that it had.
    """
    state = _STATES.get(update.ban_state) if update.event == "DISABLED_UPDATE" else None
    if update.event == "ACCOUNT_DELETED":
        state = BusinessAccount.Status.SUSPENDED
    if state is not None and state != account.status:
        account.status = state
        account.save(update_fields=["status"])
    connection = _CONNECTION.get(update.event)
    return _move(account, connection) if connection else []


def _move(account: BusinessAccount, status: PhoneNumber.Status) -> list[tuple[PhoneNumber, str]]:
    coexisting = account.phone_numbers.filter(connection_type=PhoneNumber.Connection.COEXISTENCE)
    rows = coexisting.exclude(status__in=[PhoneNumber.Status.PENDING, status])
    moved = []
    for number in rows.select_for_update(no_key=True).order_by("pk"):
        moved.append((number, number.status))
        number.status = status
        number.business_account = account
        number.save(update_fields=["status"])
    return moved


def _number(account: BusinessAccount, display_phone_number: str) -> PhoneNumber | None:
    digits = "".join(character for character in display_phone_number if character.isdigit())
    rows = account.phone_numbers.select_for_update(of=("self",)).select_related("business_account")
    number = rows.filter(display_phone_number_normalized=digits).first() if digits else None
    if number is not None:
        number.business_account = account
    return number
