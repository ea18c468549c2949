"""A number that Meta's answers hold back: why, until when, the cure, and trying again at once."""

from django.db.models import QuerySet
from django.utils import timezone

from accounts.models import PhoneNumber
from gosend.lib import doorbell

REASONS = {
    "token": "Meta does not accept the account's access token: connect the account again.",
    "spam": "Customers blocked or reported this number, so Meta limits it: send less until it recovers.",
    "account_calls": "The WhatsApp account has used up its calls for now: it goes on by itself.",
}
# Why numbers pause that pause together.
OF_ACCOUNT = ("token", "account_calls")
RECOVERY_SECONDS = 60.0


def held_seconds(number: PhoneNumber) -> float:
    """For how long nothing may be sent on this number; 0 when it may."""
    if number.held_until is None:
        return 0.0
    return max(0.0, (number.held_until - timezone.now()).total_seconds())


def share_of(number: PhoneNumber) -> float:
    """The share of its rate that a number has now, growing evenly to 1 within a minute."""
    if number.slowed_at is None or number.slowed_to is None:
        return 1.0
    passed = max(0.0, (timezone.now() - number.slowed_at).total_seconds())
    return min(1.0, number.slowed_to + passed / RECOVERY_SECONDS)


def held_with(number: PhoneNumber) -> QuerySet[PhoneNumber]:
    """The number, and those that pause with it for the same reason."""
    if number.held_for in OF_ACCOUNT:
        rows = PhoneNumber.objects.filter(business_account_id=number.business_account_id)
        return rows.filter(held_for__in=OF_ACCOUNT)
    return PhoneNumber.objects.filter(pk=number.pk)


def resume(number: PhoneNumber) -> int:
    """End a pause now, of all numbers that pause together; return how many there were.

    One message tries first, and the rest follow when Meta accepts it: where the cause is still there,
    Meta says so once more and the pause begins anew.
    """
    paused = held_with(number).filter(held_until__gt=timezone.now())
    ids = list(paused.values_list("pk", flat=True))
    PhoneNumber.objects.filter(pk__in=ids).update(held_until=None)
    for number_id in ids:
        doorbell.ring("messaging.drain", number_id=number_id)
    return len(ids)
