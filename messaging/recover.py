"""Take up what a dead worker, a lost doorbell or Meta's silence left behind."""

import logging
from collections.abc import Callable
from datetime import timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, F, OuterRef, QuerySet
from django.db.models.functions import Now
from django.utils import timezone

from accounts.models import Tenant
from messaging import claims, outcomes, reports, statuses
from messaging.models import Dispatch, Message, StatusReport

log = logging.getLogger(__name__)

# A message claimed so often without ever being sent takes its worker down with it.
MAX_CLAIMS = 5
# Calls to Meta after which an unknown send is not repeated by itself, whatever the tenant chose.
_SENDINGS = 2
# A message that could not be handed over for as long is given up.
MAX_WAIT = timedelta(hours=24)
# Rows handled by one look, so that a look stays short.
_BATCH = 200
# A report can miss its message only while the send's answer is being recorded: within the send's lease, or as
# long again, for which `persist` tries. The rest mean other software's sends, and each look pays for all.
_STRAY_LEASES = 2

_LEASE_ENDED = {
    "code": None,
    "title": "The sender stopped before Meta's answer was recorded",
    "message": "Whether Meta has the message is not known yet",
    "details": "",
    "fbtrace_id": "",
    "cure": "Wait: Meta's status callback settles it. It is not sent again by itself.",
}
_POISON = {
    "code": None,
    "title": "The message could not be processed",
    "message": f"{MAX_CLAIMS} workers stopped while they prepared this message",
    "details": "",
    "fbtrace_id": "",
    "cure": "Report it with the message id; these workers did not send it.",
}
_TOO_OLD = {
    "code": None,
    "title": "The message waited for a day and was never sent",
    "message": "Meta could not be reached, or kept asking us to wait",
    "details": "",
    "fbtrace_id": "",
    "cure": "See the number's health in the console; send it again if it still matters.",
}
_TRIED_FOR_TOO_LONG = {
    "code": None,
    "title": "The message was tried and waited for a day after that",
    "message": "Meta put it off, could not be reached, or did not say whether it took it",
    "details": "",
    "fbtrace_id": "",
    "cure": "Ask the recipient before it is sent again: if a try had no answer, it may have arrived.",
}


def leases_ended() -> int:
    """Free the claims of workers that are gone; return how many.

    Claimed only: nothing went out, so back to the queue. Sending: it may have gone out, so unknown.
    """
    ended = Dispatch.objects.filter(
        state__in=[Dispatch.State.CLAIMED, Dispatch.State.SENDING], lease_expires_at__lt=Now()
    )
    return _each(ended.values_list("message_id", flat=True), _free)


def _free(message_id: int) -> None:
    row = Dispatch.objects.select_for_update().filter(message_id=message_id, lease_expires_at__lt=Now())
    dispatch = row.first()
    if dispatch is None:
        return
    mine = Dispatch.objects.filter(message_id=message_id)
    if dispatch.state == Dispatch.State.SENDING:
        outcomes.doubt(mine, message_id=message_id, error=dict(_LEASE_ENDED))
    elif dispatch.state == Dispatch.State.CLAIMED and dispatch.lost_count + 1 < MAX_CLAIMS:
        queued = Dispatch.State.QUEUED
        lost = F("lost_count") + 1
        mine.update(state=queued, claim_token=None, lease_expires_at=None, due_at=Now(), lost_count=lost)
    elif dispatch.state == Dispatch.State.CLAIMED:
        mine.delete()
        failed = Message.Status.FAILED
        statuses.advance(message_id=message_id, to=failed, at=timezone.now(), error=dict(_POISON))


def unknown_overdue() -> int:
    """Close the sends that Meta has not spoken of in time; return how many.

    They become unconfirmed, or go back to the queue where the tenant chose to risk a second sending: a
    second one, and never a third.
    """
    overdue = Dispatch.objects.filter(state=Dispatch.State.UNKNOWN, due_at__lte=Now())
    return _each(overdue.values_list("message_id", flat=True), _close)


def _close(message_id: int) -> None:
    mine = Dispatch.objects.filter(message_id=message_id, state=Dispatch.State.UNKNOWN, due_at__lte=Now())
    message = Message.objects.select_related("tenant").get(pk=message_id)
    if message.tenant.on_unknown == Tenant.OnUnknown.RESEND and message.attempt_count < _SENDINGS:
        if claims.begin_anew(mine):
            statuses.mark(message_id=message_id, to=Message.Status.QUEUED, error=message.error)
    elif mine.delete()[0]:
        statuses.mark(message_id=message_id, to=Message.Status.UNCONFIRMED, error=message.error)


def too_old() -> int:
    """Fail what has waited for a day, since its acceptance or since it began anew; return how many.

    A message that comes so late does more harm than one that is reported as failed.
    """
    waiting = Dispatch.objects.filter(state=Dispatch.State.QUEUED, created_at__lt=Now() - MAX_WAIT)
    return _each(waiting.values_list("message_id", flat=True), _expire)


def _expire(message_id: int) -> None:
    mine = Dispatch.objects.filter(message_id=message_id, state=Dispatch.State.QUEUED)
    if mine.delete()[0]:
        failed = Message.Status.FAILED
        is_tried = Message.objects.filter(pk=message_id, attempt_count__gt=0).exists()
        error = dict(_TRIED_FOR_TOO_LONG if is_tried else _TOO_OLD)
        statuses.advance(message_id=message_id, to=failed, at=timezone.now(), error=error)


def strays() -> int:
    """Match reports that came between a send's answer and its commit; return how many messages."""
    known = Message.objects.filter(
        phone_number_id=OuterRef("phone_number_id"), wamid=OuterRef("wamid"), direction="outbound"
    )
    age = timedelta(seconds=_STRAY_LEASES * settings.CLAIM_LEASE_SECONDS)
    unmatched = StatusReport.objects.filter(Exists(known), message=None, created_at__gt=Now() - age)
    pairs = set(unmatched.values_list("phone_number_id", "wamid")[:_BATCH])
    for phone_number_id, wamid in pairs:
        try:
            _adopt(phone_number_id, wamid)
        except Exception:
            log.exception("the reports of %s could not be matched", wamid)
    return len(pairs)


@transaction.atomic
def _adopt(phone_number_id: int, wamid: str) -> None:
    mine = Message.objects.select_for_update(no_key=True)
    message = mine.get(phone_number_id=phone_number_id, wamid=wamid)
    reports.adopt(message_ids=[message.pk])


def _each(message_ids: "QuerySet[Dispatch, int]", act: Callable[[int], None]) -> int:
    """Act on each message in a transaction of its own, its row locked first as everyone does."""
    ids = list(message_ids[:_BATCH])
    for message_id in ids:
        try:
            with transaction.atomic():
                if Message.objects.select_for_update().only("pk").filter(pk=message_id).exists():
                    act(message_id)
        except Exception:
            # One row that cannot be mended must not keep the others from it.
            log.exception("message %s could not be taken up again", message_id)
    return len(ids)
