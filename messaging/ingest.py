"""Route what Meta posted to the room that owns it, a batch of callbacks at a time."""

import hashlib
import logging
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from django.db.models.functions import Now

from accounts.models import MetaApp
from gosend.lib import doorbell, gather, logs, prepared, stop
from gosend.whatsapp import events
from messaging import callback_body, callbacks, raw, reports, route
from messaging.callbacks import Callback
from messaging.models import MetaEvent

log = logging.getLogger(__name__)

# Callbacks that one task takes at a time, and the seconds after which it takes no more.
BATCH = 300
RUN_SECONDS = 20.0
# Tries after which a callback takes its workers down with it, and is left for the console.
MAX_ATTEMPTS = 10
# Seconds after which a worker that is busy with a batch says again that it is.
_RENEW_SECONDS = 5.0
# A batch that takes longer is no reason for others to wait.
_BRISK_SECONDS = 0.5


@dataclass(slots=True)
class _Brisk:
    until: float = -math.inf


_brisk = _Brisk()


def store(*, body: bytes, app: MetaApp | None, is_sandbox: bool) -> None:
    """Keep a verified callback before anything is read from it; the same bytes are kept once."""
    _line.store(_Kept(app.pk if app else None, is_sandbox, body, hashlib.sha256(body).digest()))
    doorbell.ring("messaging.ingest")


def handle_due(*, seconds: float = RUN_SECONDS) -> int:
    """Work through the callbacks that wait, oldest first; return how many were taken.

    Ends early, with nothing in its hands, when the process is asked to stop.
    """
    total = 0
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and not stop.asked.is_set():
        _brisk.until = time.monotonic() + _BRISK_SECONDS
        # What was tried before goes alone, and does not wait until nothing new comes any more.
        found = [due for due in (callbacks.take(limit=BATCH), callbacks.take_again()) if due]
        if not found:
            break
        for due in found:
            _handle_all(due)
            total += len(due)
    return total


def is_brisk() -> bool:
    """Whether somebody in this process took a batch just now, and will soon take the next."""
    return time.monotonic() < _brisk.until


def handle(*, event: MetaEvent) -> None:
    """Handle every item of one callback; a bad one never stops its siblings, and stays visible."""
    _handle_all([callbacks.of_event(event)])


def replay(*, event: MetaEvent) -> None:
    """Handle a callback again, whether or not it was; handling twice changes nothing twice."""
    MetaEvent.objects.filter(pk=event.pk).update(handled_at=None, next_attempt_at=Now(), attempt_count=0)
    doorbell.ring("messaging.ingest")


def _handle_all(taken: Sequence[Callback]) -> None:
    batch = [one for one in taken if one.attempt_count <= MAX_ATTEMPTS]
    for one in taken:
        if one.attempt_count > MAX_ATTEMPTS:
            callbacks.park(one, f"{MAX_ATTEMPTS} workers stopped while they handled this callback")
    for one in batch:
        one.payload = callback_body.read(one.body)
        one.items = events.parse(one.payload)
    _all_or_each(batch, "meta_raw", raw.forward)
    _report(batch)
    done, left = _route_rest(batch)
    callbacks.close(done)
    if left:
        callbacks.release(left)


def _all_or_each(batch: Sequence[Callback], field: str, act: Callable[[Sequence[Callback]], None]) -> None:
    """Act on a batch at once; where that fails, on each alone, so that one spoils it for itself only."""
    try:
        act(batch)
        return
    except Exception as error:
        log.warning("a batch of %s callbacks goes one by one: %s", len(batch), type(error).__name__)
    for one in batch:
        try:
            act([one])
        except Exception as error:
            log.exception("callback %s: %s could not be handled", one.pk, field)
            one.blame(field, error)


def _report(batch: Sequence[Callback]) -> None:
    """Take in the statuses of all, in a few statements; where that fails, each by itself."""
    told = route.statuses_of(batch)
    if not told:
        return
    try:
        reports.take(reported=[(number_id, item) for _, number_id, item in told])
        return
    except Exception as error:
        log.warning("a batch of %s statuses goes one by one: %s", len(told), type(error).__name__)
    for callback, number_id, item in told:
        try:
            reports.take_one(number_id=number_id, update=item)
        except Exception as error:
            log.exception("a status of callback %s could not be handled", callback.pk)
            callback.blame(item.field, error)


def _route_rest(batch: Sequence[Callback]) -> tuple[list[Callback], list[Callback]]:
    """Route what is no status, item by item; what was done, and what was left because of a stop.

    A callback that another worker has taken meanwhile is in neither.
    """
    done: list[Callback] = []
    waiting = list(batch)
    renewed_at = time.monotonic()
    while waiting:
        one = waiting.pop(0)
        items = [item for item in one.items if not isinstance(item, events.StatusUpdate)]
        if items and stop.asked.is_set():
            return done, [one, *waiting]
        if time.monotonic() - renewed_at > _RENEW_SECONDS:
            ours = callbacks.renew([one, *waiting])
            renewed_at = time.monotonic()
            waiting = [other for other in waiting if other.pk in ours]
            if one.pk not in ours:
                continue
        if items:
            with logs.about(callback_id=one.pk):
                _route_each(one, items)
        done.append(one)
    return done, []


def _route_each(callback: Callback, items: Sequence[events.Item]) -> None:
    for item in items:
        try:
            route.item(callback=callback, item=item)
        except Exception as error:
            log.exception("an item of callback %s could not be handled", callback.pk)
            callback.blame(item.field, error)


class _Kept(NamedTuple):
    """One callback as it is stored."""

    app_id: int | None
    is_sandbox: bool
    body: bytes
    digest: bytes


def _store(arrived: Sequence[_Kept]) -> list[bool]:
    apps, kinds, bodies, digests = zip(*arrived, strict=True)
    columns = [prepared.array("NULL" if app is None else app for app in apps), prepared.array(kinds)]
    prepared.rows(_STORE, [*columns, *map(prepared.array_of_bytes, (bodies, digests))])
    return [True] * len(arrived)


# Of the same bytes one is kept, so that they may be stored again whatever became of them; and in one order,
# so that two processes that are told the same do not block each other for good.
_line: gather.Line[_Kept, bool] = gather.Line(
    _store,
    key=lambda one: (one.digest,),
    is_repeatable=lambda _one: True,
    weight=lambda one: len(one.body),
)

# One statement, which commits by itself: Meta waits for no more than this.
_STORE = """
INSERT INTO messaging_metaevent (app_id, is_sandbox, body, digest, attempt_count, errors)
SELECT app_id, is_sandbox, body, digest, 0, '[]'
  FROM unnest($1::bigint[], $2::bool[], $3::bytea[], $4::bytea[])
       AS arrived (app_id, is_sandbox, body, digest)
    ON CONFLICT DO NOTHING
RETURNING id
"""
