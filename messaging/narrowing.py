"""What narrows a list of messages by an index, however few of a tenant's millions it is true of."""

from django.db.models import Q

from messaging.models import Message

# What these statuses leave in their rows, and what customers write, has a partial index by tenant and id.
FAILED = Q(failed_at__isnull=False)
IN_DOUBT = Q(error__isnull=False, failed_at__isnull=True)
BY_STATUS: dict[str, Q] = {
    Message.Status.FAILED: FAILED,
    Message.Status.UNKNOWN: IN_DOUBT,
    Message.Status.UNCONFIRMED: IN_DOUBT,
    Message.Status.RECEIVED: Q(direction=Message.Direction.INBOUND),
}
