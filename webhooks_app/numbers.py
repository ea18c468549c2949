"""Connect and disconnect a project's numbers, and tell the project."""

from typing import Any

from django.db import transaction
from django.db.models.functions import Now
from django.utils import timezone

from accounts.models import PhoneNumber
from webhooks_app import events

_CONNECTED = PhoneNumber.Status.ACTIVE
_GONE = PhoneNumber.Status.DISCONNECTED


@transaction.atomic
def keep(*, number: PhoneNumber) -> None:
    """Save a number, new or changed; tell when that connected or disconnected it.

    A number that comes back counts as connected anew: what its customers wrote meanwhile is not known.
    """
    before = PhoneNumber.objects.select_for_update(no_key=True).filter(pk=number.pk).first()
    was = before.status if before else ""
    number.save()
    if before is not None and number.status == _CONNECTED != was:
        PhoneNumber.objects.filter(pk=number.pk).update(connected_at=Now())
        number.refresh_from_db(fields=["connected_at"])
    changed(number=number, was=was)


def disconnect(*, number: PhoneNumber) -> None:
    """Take a number out of service. Its messages stay, and it can be connected again."""
    number.status = _GONE
    keep(number=number)


def changed(*, number: PhoneNumber, was: str) -> None:
    """Tell of a number's new status, in the transaction that saved it; `was` is empty for a new number."""
    if number.status == was:
        return
    if number.status == _CONNECTED:
        _tell(number, "phone_number.created")
    elif number.status == _GONE and was:
        _tell(number, "phone_number.deleted")


def described(number: PhoneNumber, **more: Any) -> dict[str, Any]:
    """A number as its events show it."""
    return {
        "id": str(number.pk),
        "waba_id": number.business_account.waba_id,
        "phone_number_id": number.phone_number_id,
        "display_phone_number": number.display_phone_number,
        **more,
    }


def _tell(number: PhoneNumber, type: str) -> None:
    events.publish(
        tenant_id=number.tenant_id,
        number=number,
        type=type,
        occurred_at=timezone.now(),
        data={
            "phone_number": described(
                number,
                status=number.status,
                customer_id=str(number.business_account.customer_id),
                display_name=number.display_name,
                connection_type=number.connection_type,
            )
        },
    )
