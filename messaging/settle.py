"""Decide by hand about a send whose outcome is not known: give it up, or send it again at one's own risk."""

from django.db import transaction
from django.utils import timezone

from gosend.lib import doorbell
from messaging import claims, statuses
from messaging.models import Dispatch, Message

# What may be decided by hand; everything else Meta has spoken about, or is still under way.
OPEN = (Message.Status.UNKNOWN, Message.Status.UNCONFIRMED)
_GIVEN_UP = {
    "code": None,
    "title": "Given up by an operator",
    "message": "Whether Meta has the message was never known",
    "details": "",
    "fbtrace_id": "",
    "cure": "Ask the recipient before it is sent again: it may have arrived.",
}


@transaction.atomic
def give_up(*, message_id: int) -> bool:
    """Call it failed; False when it was settled meanwhile. A late report of Meta's still overrides it."""
    if _lock(message_id) is None:
        return False
    Dispatch.objects.filter(pk=message_id, state=Dispatch.State.UNKNOWN).delete()
    failed = Message.Status.FAILED
    return statuses.advance(message_id=message_id, to=failed, at=timezone.now(), error=dict(_GIVEN_UP))


@transaction.atomic
def resend(*, message_id: int) -> bool:
    """Queue it once more, though it may arrive twice; False when it was settled meanwhile."""
    message = _lock(message_id)
    if message is None:
        return False
    unknown = Dispatch.objects.filter(pk=message_id, state=Dispatch.State.UNKNOWN)
    if not claims.begin_anew(unknown):
        Dispatch.objects.create(message=message, phone_number_id=message.phone_number_id, peer=message.peer)
    statuses.mark(message_id=message_id, to=Message.Status.QUEUED, error=message.error)
    doorbell.ring("messaging.drain", number_id=message.phone_number_id)
    return True


def _lock(message_id: int) -> Message | None:
    # The message's row first, then its dispatch, as everywhere.
    return Message.objects.select_for_update().filter(pk=message_id, status__in=OPEN).first()
