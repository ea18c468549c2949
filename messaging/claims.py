"""The protocol of one send: claim it, commit the intent, record the outcome.

Whoever runs it (the request's thread, a task, the sweep): claim with a token, an epoch and a lease on
the database's clock; commit the intent before the first byte goes out; call; commit the outcome where
the claim still holds. What was claimed but not intended goes back to the queue; what was intended and
never answered is unknown, and is not sent again by itself.
"""

import uuid
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import connection, transaction
from django.db.models import F, QuerySet
from django.db.models.functions import Now
from django.utils import timezone

from accounts.models import PhoneNumber
from gosend.whatsapp import content as contents
from gosend.whatsapp import links
from gosend.whatsapp.client import Accepted
from gosend.whatsapp.errors import GraphError, Outcome
from messaging import media, opaque, reports, statuses
from messaging.models import Dispatch, Message

_FIRST_DELAY_SECONDS = 1.0
_MAX_DELAY_SECONDS = 300.0


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to send one message, until the lease ends or somebody else claims it."""

    message_id: int
    token: uuid.UUID
    epoch: int


@dataclass(frozen=True, slots=True)
class Intent:
    """A claim whose intent is committed: from now on its outcome is owed."""

    claim: Claim
    message: Message
    phone_number_id: str
    body: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Linked:
    """A claim whose message names files that have to be at Meta before anything is intended."""

    claim: Claim
    number: PhoneNumber
    links: tuple[links.Link, ...]


Answer = Accepted | GraphError


def take_one(*, message_id: int) -> Claim | None:
    """Claim one message, unless it is claimed or another to the same person is ahead of it."""
    return next(iter(_take("d.message_id = %s", message_id, limit=1)), None)


def take_due(*, number_id: int, limit: int) -> list[Claim]:
    """Claim what is due on a number, the oldest of each recipient, oldest first."""
    return _take("d.phone_number_id = %s", number_id, limit=limit)


def _take(condition: str, parameter: int, *, limit: int) -> list[Claim]:
    token = uuid.uuid4()
    seconds = settings.CLAIM_LEASE_SECONDS
    with connection.cursor() as cursor:
        cursor.execute(_TAKE.format(condition=condition), [parameter, limit, token, seconds])
        rows = cursor.fetchall()
    return [Claim(message_id, token, epoch) for message_id, epoch in rows]


def intend(claim: Claim, files: media.Ids | None = None) -> Intent | Linked | None:
    """Commit that the call is about to be made; None when the claim no longer holds.

    Without `files` nothing is committed for a message that names files by link.
    """
    with transaction.atomic():
        message = (
            Message.objects.select_for_update(of=("self",))
            .select_related("phone_number", "content")
            .get(pk=claim.message_id)
        )
        if files is None and (found := links.find(message.content.body)):
            return Linked(claim, message.phone_number, found)
        echo = opaque.write(message_id=message.pk, attempt=message.attempt_count + 1)
        content = links.replace(message.content.body, files or {})
        body = {**contents.envelope(to=message.peer, opaque=echo), **content}
        lease = timedelta(seconds=settings.CLAIM_LEASE_SECONDS)
        held = _held(claim, Dispatch.State.CLAIMED).filter(lease_expires_at__gt=Now())
        if not held.update(state=Dispatch.State.SENDING, lease_expires_at=Now() + lease):
            return None
        statuses.mark(message_id=message.pk, to=Message.Status.SENDING)
        Message.objects.filter(pk=message.pk).update(attempt_count=F("attempt_count") + 1)
    return Intent(claim, message, message.phone_number.phone_number_id, body)


def put_off(claim: Claim, problem: media.NotBrought) -> None:
    """Nothing of the message went out: back to the queue, or failed when no try would help."""
    with transaction.atomic():
        Message.objects.select_for_update().only("pk").get(pk=claim.message_id)
        held = _held(claim, Dispatch.State.CLAIMED)
        tries = held.values_list("claim_count", flat=True).first()
        if tries is None:
            return
        delay = problem.delay(tries)
        if delay is None:
            held.delete()
            failed = Message.Status.FAILED
            statuses.advance(message_id=claim.message_id, to=failed, at=timezone.now(), error=problem.error)
        else:
            due_at = Now() + timedelta(seconds=delay)
            held.update(state=Dispatch.State.QUEUED, due_at=due_at, lease_expires_at=None)
            statuses.mark(message_id=claim.message_id, to=Message.Status.QUEUED, error=problem.error)


def record(intent: Intent, answer: Answer) -> None:
    """Keep the outcome where the claim still holds.

    A definite answer counts even when the lease has ended and the sweep has called the send unknown,
    as long as nobody has claimed it anew.
    """
    message_id = intent.message.pk
    with transaction.atomic():
        # The message's row first, then its dispatch: the order that everyone keeps.
        Message.objects.select_for_update().only("pk").get(pk=message_id)
        held = _held(intent.claim, Dispatch.State.SENDING, Dispatch.State.UNKNOWN)
        if isinstance(answer, Accepted):
            if held.delete()[0]:
                _record_sent(message_id, answer)
        elif answer.outcome is Outcome.FINAL:
            if held.delete()[0]:
                failed = Message.Status.FAILED
                statuses.advance(message_id=message_id, to=failed, at=timezone.now(), error=answer.as_dict())
        elif answer.outcome is Outcome.NOT_SENT:
            due_at = Now() + timedelta(seconds=_delay(answer, intent.message.attempt_count + 1))
            queued = Dispatch.State.QUEUED
            if held.update(state=queued, due_at=due_at, claim_count=0, lease_expires_at=None):
                statuses.mark(message_id=message_id, to=Message.Status.QUEUED, error=answer.as_dict())
        else:
            in_doubt = _held(intent.claim, Dispatch.State.SENDING)
            doubt(in_doubt, message_id=message_id, error=answer.as_dict())


def _record_sent(message_id: int, answer: Accepted) -> None:
    statuses.advance(message_id=message_id, to=Message.Status.SENT, at=timezone.now(), wamid=answer.wamid)
    reports.adopt(message_ids=[message_id])


def doubt(held: QuerySet[Dispatch], *, message_id: int, error: dict[str, Any]) -> bool:
    """Set a send aside whose outcome nobody knows, until Meta speaks of it or its time is up."""
    deadline = Now() + timedelta(seconds=settings.UNCONFIRMED_AFTER_SECONDS)
    if not held.update(state=Dispatch.State.UNKNOWN, due_at=deadline, lease_expires_at=None):
        return False
    return statuses.mark(message_id=message_id, to=Message.Status.UNKNOWN, error=error)


def _held(claim: Claim, *states: Dispatch.State) -> QuerySet[Dispatch]:
    return Dispatch.objects.filter(
        message_id=claim.message_id, claim_token=claim.token, epoch=claim.epoch, state__in=states
    )


def _delay(error: GraphError, attempt: int) -> float:
    """Seconds until the next try: as long as Meta asks, else doubling."""
    doubling: float = min(_FIRST_DELAY_SECONDS * 2 ** min(attempt - 1, 16), _MAX_DELAY_SECONDS)
    return max(error.retry_after or 0.0, doubling)


# Only the oldest unsettled message of a (number, recipient) pair may be claimed: this keeps their order.
_TAKE = """
WITH due AS (
    SELECT d.message_id FROM messaging_dispatch d
     WHERE {condition} AND d.state = 'queued' AND d.due_at <= statement_timestamp()
       AND NOT EXISTS (
           SELECT 1 FROM messaging_dispatch ahead
            WHERE ahead.phone_number_id = d.phone_number_id AND ahead.peer = d.peer
              AND ahead.message_id < d.message_id AND ahead.state IN ('queued', 'claimed', 'sending'))
     ORDER BY d.due_at, d.message_id
     LIMIT %s
       FOR UPDATE OF d SKIP LOCKED)
UPDATE messaging_dispatch d
   SET state = 'claimed', claim_token = %s, epoch = d.epoch + 1, claim_count = d.claim_count + 1,
       lease_expires_at = statement_timestamp() + make_interval(secs => %s)
  FROM due WHERE d.message_id = due.message_id
RETURNING d.message_id, d.epoch
"""
