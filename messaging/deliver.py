"""Hand queued messages to Meta: one at once, or what is due on a number, side by side."""

import logging
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cache

from django.db.models.functions import Now

from accounts import numbers
from accounts.models import PhoneNumber
from gosend.lib import doorbell, http, logs, metrics
from gosend.whatsapp import errors, links
from gosend.whatsapp.client import GraphClient
from gosend.whatsapp.errors import GraphError
from messaging import claims, media, pacing, throughput
from messaging.claims import Answer, Claim, Intent, Linked
from messaging.models import Dispatch, Message

log = logging.getLogger(__name__)

# Messages that one drain claims and sends side by side.
BATCH = 16
# Seconds after which a drain claims nothing more, so that a worker can be asked to stop.
DRAIN_SECONDS = 20.0
# A spent budget is left to refill for as long before it is drawn upon again.
_REFILL_SECONDS = 0.2


_draining: set[int] = set()


def now(*, message: Message) -> None:
    """Send one freshly accepted message in this thread, unless another is ahead of it.

    Its place in the number's budget was taken when it was accepted. One with links is left to a worker
    when too many of its tenant's wait for theirs already.
    """
    if not links.find(message.content.body):
        _now(message)
        return
    with media.seat(tenant_id=message.tenant_id) as is_free:
        if is_free:
            _now(message)
        else:
            doorbell.ring("messaging.drain", number_id=message.phone_number_id)


def _now(message: Message) -> None:
    client = numbers.client_for(message.phone_number)
    claim = claims.take_one(message_id=message.pk)
    if claim is not None:
        _send(client, [claim])
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
        if not grant.count and pacing.held_seconds(number):
            break  # the sweep comes back to it when the time is over
        if not grant.count:
            doorbell.ring_later("messaging.drain", seconds=_REFILL_SECONDS, number_id=number_id)
            break
        taken = claims.take_due(number_id=number_id, limit=grant.count)
        throughput.give_back(number=number, count=grant.count - len(taken))
        if not taken:
            break
        _send(client, taken)
        total += len(taken)
        number.refresh_from_db(fields=pacing.FIELDS)
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


def _send(client: GraphClient, taken: list[Claim]) -> None:
    """Intend, call and record each; what goes wrong with one never touches the others."""
    found = [step for claim in taken if (step := _try_intend(claim)) is not None]
    _hand_over(client, [step for step in found if isinstance(step, Intent)])
    linked = [step for step in found if isinstance(step, Linked)]
    if not linked:
        return
    wanted = [step.links for step in linked]
    for index, files in media.bring_all(client=client, number=linked[0].number, wanted=wanted):
        if isinstance(files, media.NotBrought):
            claims.put_off(linked[index].claim, files)
        elif isinstance(intent := _try_intend(linked[index].claim, files), Intent):
            _hand_over(client, [intent])


def _hand_over(client: GraphClient, intents: list[Intent]) -> None:
    for intent, answer in zip(intents, _call_all(client, intents), strict=True):
        try:
            claims.record(intent, pacing.judged(answer))
            pacing.heed(intent.message.phone_number, answer)
        except Exception:
            # The lease will end and the row become unknown; the others' answers must still be kept.
            log.exception("the outcome of message %s could not be recorded or heeded", intent.message.pk)


def _call_all(client: GraphClient, intents: list[Intent]) -> Iterator[Answer]:
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


def _call(client: GraphClient, intent: Intent) -> Answer:
    """Make the call; count and time it, and say on the log how it went."""
    started = time.monotonic()
    with logs.about(message_id=intent.message.pk, request=intent.message.request_id):
        answer = _ask(client, intent)
        seconds = time.monotonic() - started
        outcome = answer.outcome.name.lower() if isinstance(answer, GraphError) else "sent"
        metrics.SEND_SECONDS.observe(seconds, outcome)
        level = logging.DEBUG if outcome == "sent" else logging.INFO
        log.log(
            level, "call to Meta: %s, code %s, %d ms", outcome, getattr(answer, "code", None), seconds * 1000
        )
    return answer


def _ask(client: GraphClient, intent: Intent) -> Answer:
    try:
        return client.send_message(phone_number_id=intent.phone_number_id, body=intent.body)
    except GraphError as error:
        return error
    except Exception:
        # A fault of ours, at a point nobody knows: so nobody knows whether Meta has the message.
        log.exception("the call for message %s broke", intent.message.pk)
        return errors.from_failed(http.Failed("broken", http.Outcome.UNKNOWN))


def _try_intend(claim: Claim, files: media.Ids | None = None) -> Intent | Linked | None:
    try:
        return claims.intend(claim, files)
    except Exception:
        # Nothing went out: its claim runs out and it is taken up again, five times at most.
        log.exception("message %s could not be prepared", claim.message_id)
        return None
