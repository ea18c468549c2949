"""What Meta answered, committed where the claim still holds: many answers in one transaction."""

import logging
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any, NamedTuple

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet
from django.db.models.functions import Now
from django.utils import timezone

from gosend.lib.absence import is_absence, persist
from gosend.whatsapp.client import Accepted
from gosend.whatsapp.errors import GraphError, Outcome
from messaging import claims, media, reports, standing, statuses
from messaging.claims import Claim
from messaging.intents import Intent
from messaging.models import Dispatch, Message
from messaging.statuses import Change

log = logging.getLogger(__name__)

_FIRST_DELAY_SECONDS = 1.0
_MAX_DELAY_SECONDS = 300.0

Answer = Accepted | GraphError


class Landed(NamedTuple):
    """A call that is over, or that was not begun, which is no try."""

    intent: Intent
    answer: Answer
    is_begun: bool = True


def keep(landed: Sequence[Landed]) -> None:
    """Record answers as well as can be: through a restart of the database, and one bad one by itself.

    The answer is in hand, so it is not given up before the lease of its send is over; only then it is
    left to the sweep, which calls the send unknown. An accepted message whose wamid cannot be kept, as when
    it is another message's, counts as sent without one: Meta has taken it, and its reports find it by our
    own id, which they echo. As unknown it might be sent a second time.
    """
    if not landed:
        return
    try:
        persist(lambda: record(landed))
    except Exception as error:
        if len(landed) > 1 and not is_absence(error):
            for one in landed:
                keep([one])
            return
        # The leases will end and the rows become unknown; the others' answers must still be kept.
        ids = [one.intent.claim.message_id for one in landed]
        log.exception("the outcomes of messages %s could not be recorded", ids)
        if not is_absence(error):
            _keep_without_wamid(landed[0])


def _keep_without_wamid(one: Landed) -> None:
    if isinstance(one.answer, Accepted) and one.answer.wamid:
        log.error("message %s counts as sent, without a wamid", one.intent.claim.message_id)
        keep([one._replace(answer=replace(one.answer, wamid=""))])


def record(landed: Sequence[Landed]) -> None:
    """Keep outcomes, all or none.

    A definite answer counts even when the lease has ended and the sweep has called the send unknown,
    as long as nobody has claimed it anew.
    """
    with transaction.atomic():
        locked = standing.lock(message_ids=[one.intent.claim.message_id for one in landed])
        over = [one for one in landed if _is_over(one.answer)]
        back = [one for one in landed if _outcome(one.answer) is Outcome.NOT_SENT]
        doubtful = [one for one in landed if _outcome(one.answer) is Outcome.UNKNOWN]
        touched: set[int] = set()
        if over:
            touched |= claims.settle(_SETTLE, [one.intent.claim for one in over])
        for one in back:
            delay = _delay(one.answer, one.intent.attempt) if one.is_begun else _FIRST_DELAY_SECONDS
            touched |= claims.settle(_PUT_BACK, [one.intent.claim], delay)
        if doubtful:
            wait = settings.UNCONFIRMED_AFTER_SECONDS
            touched |= claims.settle(_DOUBT, [one.intent.claim for one in doubtful], wait)
        held = [one for one in landed if one.intent.claim.message_id in touched]
        statuses.advance_many(changes=[_change(one) for one in held], locked=locked)
        claims.untry(one.intent.claim.message_id for one in held if not one.is_begun)
        if sent := [one.intent.claim.message_id for one in held if isinstance(one.answer, Accepted)]:
            reports.adopt(message_ids=sent)


def _change(one: Landed) -> Change:
    message_id, now, answer = one.intent.claim.message_id, timezone.now(), one.answer
    if isinstance(answer, Accepted):
        return Change(message_id=message_id, to=Message.Status.SENT, at=now, wamid=answer.wamid)
    to = {
        Outcome.FINAL: Message.Status.FAILED,
        Outcome.NOT_SENT: Message.Status.QUEUED,
        Outcome.UNKNOWN: Message.Status.UNKNOWN,
    }[answer.outcome]
    return Change(message_id=message_id, to=to, at=now, error=answer.as_dict())


def _outcome(answer: Answer) -> Outcome | None:
    return answer.outcome if isinstance(answer, GraphError) else None


def _is_over(answer: Answer) -> bool:
    return isinstance(answer, Accepted) or answer.outcome is Outcome.FINAL


def _delay(answer: Answer, attempt: int) -> float:
    """Seconds until the next try: as long as Meta asks, else doubling."""
    doubling: float = min(_FIRST_DELAY_SECONDS * 2 ** min(attempt - 1, 16), _MAX_DELAY_SECONDS)
    asked = answer.retry_after if isinstance(answer, GraphError) else None
    return max(asked or 0.0, doubling)


def put_off(claim: Claim, problem: media.NotBrought) -> None:
    """Nothing of the message went out: back to the queue, or failed when no try would help."""
    with transaction.atomic():
        message = Message.objects.select_for_update().only("pk", "error").get(pk=claim.message_id)
        held = Dispatch.objects.filter(
            message_id=claim.message_id,
            claim_token=claim.token,
            epoch=claim.epoch,
            state=Dispatch.State.CLAIMED,
        )
        tries = held.values_list("claim_count", flat=True).first()
        if tries is None:
            return
        if not problem.is_like(message.error):
            tries = 1  # the link's faults are counted by themselves, and Meta's are
        delay = problem.delay(tries)
        if delay is None:
            held.delete()
            failed = Message.Status.FAILED
            statuses.advance(message_id=claim.message_id, to=failed, at=timezone.now(), error=problem.error)
        else:
            due_at = Now() + timedelta(seconds=delay)
            held.update(state=Dispatch.State.QUEUED, due_at=due_at, claim_count=tries, lease_expires_at=None)
            statuses.mark(message_id=claim.message_id, to=Message.Status.QUEUED, error=problem.error)


def doubt(held: QuerySet[Dispatch], *, message_id: int, error: dict[str, Any]) -> bool:
    """Set a send aside whose outcome nobody knows, until Meta speaks of it or its time is up."""
    deadline = Now() + timedelta(seconds=settings.UNCONFIRMED_AFTER_SECONDS)
    if not held.update(state=Dispatch.State.UNKNOWN, due_at=deadline, lease_expires_at=None):
        return False
    return statuses.mark(message_id=message_id, to=Message.Status.UNKNOWN, error=error)


_SETTLE = """
DELETE FROM messaging_dispatch d USING {held} AND d.state IN ('sending', 'unknown')
RETURNING d.message_id
"""
_PUT_BACK = """
UPDATE messaging_dispatch d
   SET state = 'queued', claim_count = 0, lost_count = 0, lease_expires_at = NULL,
       due_at = statement_timestamp() + make_interval(secs => %s::float8)
  FROM {held} AND d.state IN ('sending', 'unknown')
RETURNING d.message_id
"""
_DOUBT = """
UPDATE messaging_dispatch d
   SET state = 'unknown', lease_expires_at = NULL,
       due_at = statement_timestamp() + make_interval(secs => %s::float8)
  FROM {held} AND CASE d.state WHEN 'sending' THEN true ELSE false END
RETURNING d.message_id
"""
