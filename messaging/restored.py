"""After a restored backup: what waited in it may have been sent since, so nobody sends it again by itself."""

from django.db import transaction

from messaging import statuses
from messaging.models import Dispatch, Message

_BATCH = 200
_SINCE_THE_BACKUP = {
    "code": None,
    "title": "It waited when the backup was made that this installation was restored from",
    "message": "Whether it was sent between the backup and the restore is not known",
    "details": "",
    "fbtrace_id": "",
    "cure": "Ask the recipient, or Meta's message log, before it is sent again: it may have arrived.",
}


def waiting() -> int:
    """How many sends the restored rows would still make, or wait for."""
    return Dispatch.objects.count()


def set_aside() -> int:
    """Make every waiting send unconfirmed; return how many. Run it before any worker or web process.

    Unconfirmed at once and not unknown: Meta has mostly spoken of these to the database that is gone,
    and a tenant that resends what stays unknown would certainly send them twice. A report that still
    comes settles them all the same.
    """
    total = 0
    while ids := list(Dispatch.objects.order_by("pk").values_list("pk", flat=True)[:_BATCH]):
        for message_id in ids:
            _set_aside(message_id)
        total += len(ids)
    return total


@transaction.atomic
def _set_aside(message_id: int) -> None:
    # The message's row first, then its dispatch, as everywhere.
    Message.objects.select_for_update().only("pk").get(pk=message_id)
    Dispatch.objects.filter(pk=message_id).delete()
    statuses.mark(message_id=message_id, to=Message.Status.UNCONFIRMED, error=dict(_SINCE_THE_BACKUP))
