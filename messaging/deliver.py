"""Hand queued messages to Meta: one at once, or what is due on a number, many side by side."""

import logging
import math
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

from django.conf import settings
from django.db.models import OuterRef, Subquery, Window
from django.db.models.functions import Now, RowNumber

from accounts import numbers
from accounts.models import PhoneNumber
from gosend.lib import crew, doorbell, metrics, stop
from gosend.whatsapp import links
from gosend.whatsapp.client import GraphClient
from messaging import claims, media, pacing, throughput
from messaging.claims import HEAD, Claim
from messaging.flight import CALLS_AT_ONCE
from messaging.line import Line
from messaging.models import Dispatch, Message

log = logging.getLogger(__name__)

# Messages that one statement claims: as many as are called at once.
BATCH = CALLS_AT_ONCE
# Seconds after which a drain claims nothing more, and goes to the end of the workers' line.
DRAIN_SECONDS = 5.0
# Drains of one tenant's numbers side by side in a process; the rest of its threads are for others.
DRAINS_PER_TENANT = 4
# Drains at once in a process, for all: the other threads are for what Meta and receivers are told and say.
DRAINS = 6
# A spent budget, or a tenant's turns, are left alone for as long before they are asked for again.
_REFILL_SECONDS = 0.2
# A long drain looks again at the head of the queue after as long, for those that had to wait for
# another to the same person; Meta takes one message to a person in six seconds anyway.
_HEAD_SECONDS = 5.0
# An empty queue is looked at again after as long while calls are in the air.
_EMPTY_SECONDS = 0.1

# Seconds for which a number that found no place for its drain counts as waiting for one.
_CROWDED_SECONDS = 1.0
# Numbers that one sweep rings for; the next follows within a second.
_MOST_NUMBERS = 500

_draining: dict[int, int] = {}
_draining_lock = threading.Lock()
_turned_away_at = -math.inf


def now(*, message: Message) -> None:
    """Send one freshly accepted message in this thread, or leave it to a worker.

    It is left where another to the same person is ahead of it, where as many requests of this process as
    may wait for Meta do so already, and where too many of its tenant's, or of all, wait for their links.
    Its place in the number's budget was taken when it was accepted.
    """
    client = numbers.client_for(message.phone_number)
    with _seat(message, client) as is_free:
        claim = claims.take_one(message_id=message.pk) if is_free else None
        if claim is not None:
            _send(client, message.phone_number, [claim])
            return
    # The worker takes a place of its own, or tries in this one's stead.
    throughput.give_back(number=message.phone_number, count=1)
    doorbell.ring("messaging.drain", number_id=message.phone_number_id)


@contextmanager
def _seat(message: Message, client: GraphClient) -> Iterator[bool]:
    """Whether this request may wait for what is not in this process: a Meta, or a link's host."""
    has_links = bool(links.find(message.content.body))
    with ExitStack() as seats:
        is_free = True
        if has_links or not client.is_in_process:
            is_free = seats.enter_context(_requests.seat())
        if has_links and is_free:
            is_free = seats.enter_context(media.seat(tenant_id=message.tenant_id))
        yield is_free


class _Requests:
    """The requests of this process that wait for Meta's answer to their own message.

    A Meta that hangs holds each of them as long as META_TIMEOUT_SECONDS: there must be threads left for
    everything else.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting = 0

    @contextmanager
    def seat(self) -> Iterator[bool]:
        with self._lock:
            is_free = self._waiting < settings.SYNCHRONOUS_SENDS
            self._waiting += is_free
        if not is_free:
            metrics.LIMITS.add("synchronous_sends", "process", "denied")
        try:
            yield is_free
        finally:
            with self._lock:
                self._waiting -= is_free


_requests = _Requests()


def _send(client: GraphClient, number: PhoneNumber, taken: Sequence[Claim]) -> None:
    """Carry these claims to their outcomes, one call after the other, in this thread."""
    with Line(client=client, number=number, here=True) as line:
        line.add(taken)
        while not line.is_idle:
            line.turn()
    pacing.end_try(number)


def drain(*, number_id: int, seconds: float = DRAIN_SECONDS) -> int:
    """Send what is due on one number; return how many messages were taken on.

    One drain of a number is enough in a process. It ends where its own time does, or the number's budget
    while nothing is in the air or another number waits for its place, and has the bell rung again for the
    rest; a number that may not send now keeps its queue. A process that was asked to stop claims nothing
    more, and hands back what it has not begun.
    """
    if number_id in _draining or stop.asked.is_set():
        return 0
    number = PhoneNumber.objects.select_related("business_account__customer", "tenant").get(pk=number_id)
    if numbers.why_not_sendable(number) is not None or pacing.held_seconds(number):
        return 0  # the sweep comes back to it
    with _turn(number) as is_ours:
        return _drain(number, until=time.monotonic() + seconds) if is_ours else 0


@contextmanager
def _turn(number: PhoneNumber) -> Iterator[bool]:
    """Whether this number may be drained in this process now; its tenant's others count."""
    global _turned_away_at
    with _draining_lock:
        is_busy = number.pk in _draining
        of_tenant = Counter(_draining.values())[number.tenant_id]
        is_crowded = of_tenant >= DRAINS_PER_TENANT or len(_draining) >= DRAINS
        is_ours = not (is_busy or is_crowded)
        if is_ours:
            _draining[number.pk] = number.tenant_id
    if is_crowded and not is_busy:
        _turned_away_at = time.monotonic()
        doorbell.ring_later("messaging.drain", seconds=_REFILL_SECONDS, number_id=number.pk)
    try:
        yield is_ours
    finally:
        if is_ours:
            with _draining_lock:
                _draining.pop(number.pk, None)


def _drain(number: PhoneNumber, *, until: float) -> int:
    client = numbers.client_for(number)
    queue = _Queue(number)
    while not _is_over(until) and (suspect := queue.take_suspect()):
        _send(client, number, [suspect])
    with crew.beside(), Line(client=client, number=number) as line:
        while not _is_over(until) and not pacing.held_seconds(number):
            if queue.is_throttled and _is_crowded():
                break  # what the budget brings by and by is worth no place that another number could fill
            if line.has_room and queue.may_have_more(is_idle=line.is_idle):
                line.add(queue.take())
            if line.is_idle:
                break
            line.turn()
    pacing.end_try(number)
    if queue.is_throttled and not pacing.held_seconds(number):
        doorbell.ring_later("messaging.drain", seconds=_REFILL_SECONDS, number_id=number.pk)
    elif _is_over(until):
        doorbell.ring("messaging.drain", number_id=number.pk)
    return queue.taken - line.handed_back


def _is_crowded() -> bool:
    return time.monotonic() - _turned_away_at < _CROWDED_SECONDS


def _is_over(until: float) -> bool:
    return time.monotonic() > until or stop.asked.is_set()


class _Queue:
    """What is due on one number, read from its head on, as fast as the number's budget lets it."""

    def __init__(self, number: PhoneNumber) -> None:
        self._number = number
        self._place = HEAD
        self._head_again_at = time.monotonic() + _HEAD_SECONDS
        self._ready_at = 0.0
        self.is_throttled = False
        self.taken = 0

    def may_have_more(self, *, is_idle: bool) -> bool:
        """Whether to claim now. Who is idle asks in any case, unless the budget is being refilled."""
        is_ready = time.monotonic() >= self._ready_at and not self._number.held_for
        return is_ready or (is_idle and not self.is_throttled)

    def take(self) -> list[Claim]:
        """Claim a batch; none when nothing is due, or the budget is spent."""
        if time.monotonic() >= self._head_again_at:
            self._place = HEAD
            self._head_again_at = time.monotonic() + _HEAD_SECONDS
        taken = self._take()
        if not taken and self._place != HEAD and not self.is_throttled:
            self._place = HEAD
            taken = self._take()
        if not taken and not self.is_throttled:
            self._ready_at = time.monotonic() + _EMPTY_SECONDS
        self.taken += len(taken)
        return taken

    def _take(self) -> list[Claim]:
        due = claims.count_due(number_id=self._number.pk, most=BATCH, after=self._place)
        granted = self._grant(due)
        if not granted:
            return []
        batch = claims.take_due(number_id=self._number.pk, limit=granted, after=self._place)
        left = granted - len(batch.claims)
        throughput.give_back(number=self._number, count=left)
        self._place = batch.place
        # Not so where the rest of what is due waits for another to the same person, and not for the one try
        # after a pause: its answer says how it goes on.
        self._throttle(granted < due and not left and not self._number.held_for)
        return batch.claims

    def take_suspect(self) -> Claim | None:
        """Claim one message that was lost with its worker before, to be sent with no other beside it."""
        claim = claims.take_suspect(number_id=self._number.pk)
        if claim is not None and not self._grant(1):
            claims.hand_back([claim])
            return None
        self.taken += claim is not None
        return claim

    def _grant(self, wanted: int) -> int:
        granted = throughput.take(number=self._number, most=wanted).count if wanted else 0
        self._throttle(bool(wanted and not granted))
        return granted

    def _throttle(self, is_spent: bool) -> None:
        """Let a spent budget come together again for a while, so that it is not taken a message at a time."""
        self.is_throttled = is_spent
        if is_spent:
            self._ready_at = time.monotonic() + _REFILL_SECONDS


def numbers_due() -> list[int]:
    """The numbers that may send and on which something waits that nobody has fetched.

    Those that have waited longest come first, and each tenant's first before any tenant's second.
    """
    waiting = Dispatch.objects.filter(
        phone_number=OuterRef("pk"), state=Dispatch.State.QUEUED, due_at__lte=Now()
    )
    oldest = Subquery(waiting.order_by("due_at", "message_id").values("due_at")[:1])
    free = PhoneNumber.objects.filter(numbers.sendable()).exclude(held_until__gt=Now())
    due = free.annotate(oldest=oldest).exclude(oldest=None)
    turn = Window(RowNumber(), partition_by="tenant_id", order_by="oldest")
    ranked = due.annotate(turn=turn).order_by("turn", "oldest").values_list("pk", flat=True)
    return list(ranked[:_MOST_NUMBERS])
