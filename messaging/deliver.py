"""Hand queued messages to Meta; record the answers.

The protocol, whoever runs it (the request's thread, a task, the sweep): claim with a token, an epoch
and a lease on the database's clock; commit the intent before the first byte goes out; call; commit
the outcome where the claim still holds. What was claimed but not intended goes back to the queue; what
was intended and never answered is unknown, and is not sent again by itself.
"""

import logging
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from typing import Any

from django.conf import settings
from django.db import connection, transaction
from django.db.models import F, QuerySet
from django.db.models.functions import Now
from django.utils import timezone

from accounts import numbers
from accounts.models import PhoneNumber
from gosend.lib import doorbell, http
from gosend.whatsapp import content as contents
from gosend.whatsapp import errors
from gosend.whatsapp.client import Accepted, GraphClient
from gosend.whatsapp.errors import GraphError, Outcome
from messaging import opaque, statuses, throughput
from messaging.models import Dispatch, Message

log = logging.getLogger(__name__)

# Messages that one drain claims and sends side by side.
BATCH = 16
# Seconds after which a drain claims nothing more, so that a worker can be asked to stop.
DRAIN_SECONDS = 20.0
# A spent budget is left to refill for as long before it is drawn upon again.
_REFILL_SECONDS = 0.2
_FIRST_DELAY_SECONDS = 1.0
_MAX_DELAY_SECONDS = 300.0


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to send one message, until the lease ends or somebody else claims it."""

    message_id: int
    token: uuid.UUID
    epoch: int


@dataclass(frozen=True, slots=True)
class _Intent:
    """A claim whose intent is committed: from now on its outcome is owed."""

    claim: Claim
    message: Message
    phone_number_id: str
    body: dict[str, Any]


Answer = Accepted | GraphError

_draining: set[int] = set()


def now(*, message: Message) -> None:
    """Send one freshly accepted message in this thread, unless another is ahead of it.

    Its place in the number's budget was taken when it was accepted.
    """
    client = numbers.client_for(message.phone_number)
    claims = _claim("d.message_id = %s", [message.pk], limit=1)
    if claims:
        _send(client, claims)
    else:
        doorbell.ring("messaging.drain", number_id=message.phone_number_id)


def drain(*, number_id: int, seconds: float = DRAIN_SECONDS) -> int:
    """Send what is due on one number, batch by batch; return how many were claimed.

    One drain of a number is enough in a process. It ends where the number's budget or its own time
    does, and has the bell rung again for the rest; a number that may not send now keeps its queue.
    """
    if number_id in _draining:
        return 0
    _draining.add(number_id)
    try:
        return _drain(number_id, deadline=time.monotonic() + seconds)
    finally:
        _draining.discard(number_id)


def _drain(number_id: int, *, deadline: float) -> int:
    number = PhoneNumber.objects.select_related("business_account__customer", "tenant").get(pk=number_id)
    if numbers.why_not_sendable(number) is not None:
        return 0
    client = numbers.client_for(number)
    total = 0
    while due := _due(number_id):
        if time.monotonic() > deadline:
            doorbell.ring("messaging.drain", number_id=number_id)
            break
        grant = throughput.take(number=number, most=due)
        if not grant.count:
            doorbell.ring_later("messaging.drain", seconds=_REFILL_SECONDS, number_id=number_id)
            break
        claims = _claim("d.phone_number_id = %s", [number_id], limit=grant.count)
        throughput.give_back(number=number, count=grant.count - len(claims))
        if not claims:
            break
        _send(client, claims)
        total += len(claims)
    return total


def _due(number_id: int) -> int:
    """How many messages one batch could hold; those behind another to the same person count too."""
    due = Dispatch.objects.filter(phone_number_id=number_id, state=Dispatch.State.QUEUED, due_at__lte=Now())
    return due.order_by()[:BATCH].count()


def numbers_due() -> list[int]:
    """The numbers that may send and on which something waits that nobody has fetched."""
    due = Dispatch.objects.filter(
        numbers.sendable("phone_number__"), state=Dispatch.State.QUEUED, due_at__lte=Now()
    )
    return list(due.order_by().values_list("phone_number_id", flat=True).distinct()[:500])


def _send(client: GraphClient, claims: list[Claim]) -> None:
    """Intend, call and record each; what goes wrong with one never touches the others."""
    intents = [intent for claim in claims if (intent := _try_intend(claim)) is not None]
    for intent, answer in zip(intents, _call_all(client, intents), strict=True):
        try:
            _record(intent, answer)
        except Exception:
            # The lease will end and the row become unknown; the others' answers must still be kept.
            log.exception("the outcome of message %s could not be recorded", intent.message.pk)


def _call_all(client: GraphClient, intents: list[_Intent]) -> Iterator[Answer]:
    """Call side by side where there is a network to wait for; answers come in the order of the intents."""
    if client.is_in_process or len(intents) <= 1:
        yield from (_call(client, intent) for intent in intents)
    else:
        calls = [_pool().submit(_call, client, intent) for intent in intents]
        yield from (call.result() for call in calls)


@cache
def _pool() -> ThreadPoolExecutor:
    # Kept for the life of the process: the connections to Meta live in its threads.
    return ThreadPoolExecutor(4 * BATCH, thread_name_prefix="sends")


def _call(client: GraphClient, intent: _Intent) -> Answer:
    try:
        return client.send_message(phone_number_id=intent.phone_number_id, body=intent.body)
    except GraphError as error:
        return error
    except Exception:
        # A fault of ours, at a point nobody knows: so nobody knows whether Meta has the message.
        log.exception("the call for message %s broke", intent.message.pk)
        return errors.from_failed(http.Failed("broken", http.Outcome.UNKNOWN))


def _try_intend(claim: Claim) -> _Intent | None:
    try:
        return _intend(claim)
    except Exception:
        # Nothing went out: its claim runs out and it is taken up again, five times at most.
        log.exception("message %s could not be prepared", claim.message_id)
        return None


def _claim(condition: str, parameters: list[Any], *, limit: int) -> list[Claim]:
    token = uuid.uuid4()
    seconds = settings.CLAIM_LEASE_SECONDS
    with connection.cursor() as cursor:
        cursor.execute(_CLAIM.format(condition=condition), [*parameters, limit, token, seconds])
        rows = cursor.fetchall()
    return [Claim(message_id, token, epoch) for message_id, epoch in rows]


def _intend(claim: Claim) -> _Intent | None:
    """Commit that the call is about to be made; None when the claim no longer holds."""
    with transaction.atomic():
        message = (
            Message.objects.select_for_update(of=("self",))
            .select_related("phone_number", "content")
            .get(pk=claim.message_id)
        )
        echo = opaque.write(message_id=message.pk, attempt=message.attempt_count + 1)
        body = {**contents.envelope(to=message.peer, opaque=echo), **message.content.body}
        lease = timedelta(seconds=settings.CLAIM_LEASE_SECONDS)
        held = _held(claim, Dispatch.State.CLAIMED).filter(lease_expires_at__gt=Now())
        if not held.update(state=Dispatch.State.SENDING, lease_expires_at=Now() + lease):
            return None
        statuses.mark(message_id=message.pk, to=Message.Status.SENDING)
        Message.objects.filter(pk=message.pk).update(attempt_count=F("attempt_count") + 1)
    return _Intent(claim, message, message.phone_number.phone_number_id, body)


def _record(intent: _Intent, answer: Answer) -> None:
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
    message = statuses.advance(
        message_id=message_id, to=Message.Status.SENT, at=timezone.now(), wamid=answer.wamid
    )
    statuses.adopt_strays(message=message)


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
_CLAIM = """
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
