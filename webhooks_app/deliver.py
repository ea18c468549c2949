"""Claim due deliveries, post them, record each attempt."""

import logging
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from queue import Empty, SimpleQueue
from typing import Any

from django.conf import settings

from gosend.lib import crew, encryption, http, signing, stop
from gosend.lib.absence import persist
from gosend.lib.crew import Crew
from webhooks_app import claims, events, outcomes, secrets, session_events
from webhooks_app.claims import PER_ENDPOINT, Claim
from webhooks_app.hand import SLOW_SECONDS, Hand, slow
from webhooks_app.models import Delivery, WebhookEndpoint
from webhooks_app.outcomes import Answer, Outcome

log = logging.getLogger(__name__)

# Attempts of one run at the same moment, and runs of one process.
THREADS = 16
RUNS = 3
# Seconds after which a run claims nothing more and ends, unless posts that hang would keep it waiting.
RUN_SECONDS = 20
# Seconds between two looks for due deliveries while attempts are under way.
_LOOK_SECONDS = 0.2
# A delivery whose worker died so often, at the end alone with it, may be what kills them.
_MAX_CLAIMS = 5
_KEEP_BYTES = 2048
_MAX_BYTES = 65_536
# Deliveries held at once at the most, on the wire and waiting for a thread, and recorded together.
_MAX_LOT = 128
# Half a lot used up within so many seconds: the next one may be larger.
_QUICK_SECONDS = 0.5
# Seconds that an answer may wait for others, to be recorded with them.
_GATHER_SECONDS = 0.05
# Seconds between two suspects that are posted beside a lot.
_SUSPECT_SECONDS = 1.0
# Seconds of a lease kept for recording, where it has as many to spare.
_MARGIN_SECONDS = 5
_USER_AGENT = "GoSend-Webhooks/1"
# Kept for the life of the process: the connections to receivers live in its threads.
_crew = Crew(RUNS * THREADS, name="webhooks")

# Held by the run that has a suspect on the wire.
_suspect_place = threading.Lock()

_at_work: "set[_Run]" = set()


@dataclass(frozen=True, slots=True)
class Post:
    """One attempt, ready to go on the wire."""

    url: str
    headers: Mapping[str, str]
    body: bytes


def run(*, seconds: float = RUN_SECONDS) -> int:
    """Deliver until nothing is due; return how many attempts were kept.

    Ends early, with nothing in its hands, when the process is asked to stop.
    """
    one = _Run(seconds)
    _at_work.add(one)
    try:
        with crew.beside():
            return one.work()
    finally:
        _at_work.discard(one)


def has_room() -> bool:
    """Whether a run of this process has a free thread for what falls due."""
    return any(one.has_room for one in tuple(_at_work))


class _Run:
    """Claims what is due, posts it, records the answers.

    Only the posts run in threads: the database is spoken to from here alone.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._deadline = time.monotonic() + seconds
        self._answers: SimpleQueue[Outcome] = SimpleQueue()
        self._hand = Hand(THREADS)
        # How much to hold at once: what is used up quickly is claimed in larger lots.
        self._lot = THREADS
        self._looked_at = 0.0
        self._after_look = 0
        self._suspect_from = time.monotonic() + _SUSPECT_SECONDS
        self._suspect_id: int | None = None
        # Without one the run ends, and does not claim the same again and again; a sweep begins the next.
        self._has_threads = True

    @property
    def has_room(self) -> bool:
        may_claim = self._hand.held < self._lot and time.monotonic() < self._deadline
        return may_claim and self._hand.has_room

    def work(self) -> int:
        try:
            return self._work()
        finally:
            # Only where something broke is anything left: what was posted is recorded all the same.
            claims.release(self._hand.let_go_all())
            while self._hand.busy:
                outcomes.record(self._collect())

    def _work(self) -> int:
        kept = 0
        while True:
            found = self._claim()
            self._start()
            found += self._begin_suspect()
            if not found and not self._hand.held:
                return kept
            if answered := self._collect():
                kept += outcomes.record(answered)

    def _claim(self) -> int:
        """Take on more, once half of what was held is done; return how many."""
        now = time.monotonic()
        if self._is_over(now):
            claims.release(self._hand.let_go_all())
            return 0
        held = self._hand.held
        # Where the last look found nothing more, the next one is for what falls due meanwhile.
        is_early = now - self._looked_at < _LOOK_SECONDS
        if held and is_early and (not self._after_look or held > self._after_look // 2):
            return 0
        late = self._hand.let_go_late(before=now - _patience())
        claims.release(late + self._hand.note_slow(now=now))
        if held <= self._lot // 2:
            is_quick = now - self._looked_at < _QUICK_SECONDS
            self._lot = min(2 * self._lot, _MAX_LOT) if is_quick else max(self._lot // 2, THREADS)
        taken = self._take_due()
        for claim in taken:
            self._hand.keep(claim, at=now)
        self._looked_at = now
        self._after_look = self._hand.held if taken else 0
        return len(taken)

    def _take_due(self) -> list[Claim]:
        return claims.take_due(
            limit=max(0, self._lot - self._hand.held),
            per_endpoint=PER_ENDPOINT * self._lot // THREADS,
            bounds=self._hand.bounds(self._lot),
        )

    def _is_over(self, now: float) -> bool:
        """Whether to claim no more. Where posts hang the run begins again: else their threads' neighbours,
        and those of every run that began with it, would be idle until the last of them ends."""
        if now >= self._deadline and self._hand.is_held_up(now=now):
            self._deadline = now + self._seconds
        return stop.asked.is_set() or now >= self._deadline or not self._has_threads

    def _begin_suspect(self) -> int:
        """Post one of those that workers were lost with; return how many.

        There is one at a time in a process, so that it is known what it was if that is lost again: at once
        where nothing else is in hand, else every second, for under steady work something always is.
        """
        now = time.monotonic()
        if self._is_over(now) or self._hand.busy >= THREADS or (self._hand.held and now < self._suspect_from):
            return 0
        self._suspect_from = now + _SUSPECT_SECONDS
        if not _suspect_place.acquire(blocking=False):
            return 0
        try:
            suspect = claims.take_suspect()
            if suspect and self._begin(suspect, now):
                self._suspect_id = suspect.delivery.pk
        finally:
            if self._suspect_id is None:
                _suspect_place.release()
        return int(suspect is not None)

    def _start(self) -> None:
        """Fill the free threads."""
        for claim, claimed_at in self._hand.startable():
            self._begin(claim, claimed_at)
            if not self._has_threads:
                return

    def _begin(self, claim: Claim, claimed_at: float) -> bool:
        """Put a claim on the wire; tell whether it is there."""
        now = time.monotonic()
        if now - claimed_at > _patience():
            claims.release([claim])
            return False
        claim = replace(claim, at=claim.at + timedelta(seconds=now - claimed_at))
        post = _prepare(claim)
        if post is None:
            return False
        self._hand.begin(claim, at=now)
        try:
            _crew.submit(partial(self._post, claim, post))
        except RuntimeError:
            log.exception("no thread for delivery %s: it waits for another run", claim.delivery.pk)
            self._hand.end(claim)
            claims.release([claim])
            self._has_threads = False
            return False
        return True

    def _post(self, claim: Claim, post: Post) -> None:
        self._answers.put((claim, _send(post)))

    def _collect(self) -> list[Outcome]:
        """Answers as they come, those of a moment together."""
        found: list[Outcome] = []
        until = time.monotonic() + _LOOK_SECONDS
        while self._hand.busy and len(found) < _MAX_LOT:
            try:
                answered = [self._answers.get(timeout=max(0.0, until - time.monotonic()))]
            except Empty:
                break
            if not found:
                until = time.monotonic() + _GATHER_SECONDS
            answered += [self._answers.get() for _ in range(self._answers.qsize())]
            self._take(answered)
            found += answered
            self._start()
        return found

    def _take(self, answered: list[Outcome]) -> None:
        for claim, answer in answered:
            self._hand.end(claim)
            if claim.delivery.pk == self._suspect_id:
                self._suspect_id = None
                _suspect_place.release()
            endpoint_id = claim.delivery.endpoint_id
            if answer.duration_ms >= SLOW_SECONDS * 1000:
                slow.note(endpoint_id)
            else:
                slow.forget(endpoint_id)
            if not answer.is_success:
                # The rest waits until this one is recorded: then it is tried one by one.
                claims.release(self._hand.let_go(endpoint_id))


def attempt(claim: Claim) -> bool:
    """Make one attempt here and now; tell whether it was recorded."""
    post = _prepare(claim)
    return post is not None and record(claim, _send(post))


def record(claim: Claim, answer: Answer) -> bool:
    """Keep one attempt; the group of one. False when the claim was lost meanwhile."""
    return bool(outcomes.record([(claim, answer)]))


def build(claim: Claim) -> Post:
    """Sign a delivery anew, as its endpoint's dialect has it; the body is the same each time."""
    delivery, endpoint = claim.delivery, claim.delivery.endpoint
    body = events.wire_bytes(
        type=delivery.event_type,
        event_id=delivery.event_id,
        body=delivery.body,
        delivery_id=delivery.delivery_id,
        kind=endpoint.type,
    )
    signers = secrets.signing_at(endpoint=endpoint, at=claim.at)
    if endpoint.type == WebhookEndpoint.Type.SESSION_EVENTS:
        signed = session_events.headers(secret=signers[0], event_id=delivery.event_id, at=claim.at, body=body)
        headers = {"Content-Type": "application/json", "User-Agent": _USER_AGENT, **signed}
        return Post(url=endpoint.url, headers=headers, body=body)
    delivery_id, timestamp = str(delivery.delivery_id), int(claim.at.timestamp())
    headers = {
        "Content-Type": "application/json",
        "User-Agent": _USER_AGENT,
        "X-GoSendAPI-Event": events.wire_name(delivery.event_type),
        "X-GoSendAPI-Delivery-Id": delivery_id,
        "X-GoSendAPI-Attempt": str(delivery.attempt_count + 1),
        "X-GoSendAPI-Timestamp": str(timestamp),
        "X-GoSendAPI-Signature": signing.gosend_signature(signers[0], body),
        **signing.standard_headers(signers, message_id=delivery_id, timestamp=timestamp, body=body),
    }
    return Post(url=endpoint.url, headers=headers, body=body)


def _prepare(claim: Claim) -> Post | None:
    """The post to make; None when this delivery ends without one."""
    endpoint = claim.delivery.endpoint
    if endpoint.removed_at:
        _end(claim, Delivery.EndedReason.ENDPOINT_REMOVED)
    elif not endpoint.is_enabled:
        _end(claim, Delivery.EndedReason.ENDPOINT_DISABLED)
    elif claim.delivery.claim_count > _MAX_CLAIMS:
        _end(claim, Delivery.EndedReason.ABANDONED)
    else:
        try:
            return build(claim)
        except encryption.CannotOpen:
            log.exception("endpoint %s: its secret cannot be opened", endpoint.pk)
            record(claim, Answer(status=None, duration_ms=0, error="secret_unreadable"))
    return None


def _patience() -> float:
    """Seconds for which a claim may wait for a thread and still be recorded within its lease.

    A lease hardly longer than an attempt leaves half of what it has to spare: with none, nothing would
    ever be posted.
    """
    spare = settings.CLAIM_LEASE_SECONDS - settings.WEBHOOK_TIMEOUT_SECONDS
    return max(spare - _MARGIN_SECONDS, spare / 2)


def _send(post: Post) -> Answer:
    started = time.monotonic()
    try:
        response = http.fetch(
            method="POST",
            url=post.url,
            headers=post.headers,
            body=post.body,
            timeout_seconds=settings.WEBHOOK_TIMEOUT_SECONDS,
            max_bytes=_MAX_BYTES,
            keep_bytes=_KEEP_BYTES,
            guard=http.guard_of(tuple(settings.TRUSTED_NETWORKS)),
        )
    except http.Failed as failed:
        return Answer(status=None, duration_ms=_since(started), error=failed.reason)
    except Exception:  # one delivery that cannot be posted must not take the others along
        log.exception("webhook post failed in an unknown way")
        return Answer(status=None, duration_ms=_since(started), error="internal")
    return Answer(
        status=response.status,
        duration_ms=response.duration_ms,
        error=_complaint(response.status),
        headers=response.headers,
        body=response.body[:_KEEP_BYTES],
    )


def _since(started: float) -> int:
    return round((time.monotonic() - started) * 1000)


def _complaint(status: int) -> str:
    if 200 <= status < 300:
        return ""
    return "redirect_not_followed" if 300 <= status < 400 else "bad_status"


def _settle(claim: Claim, **changes: Any) -> bool:
    """Change a delivery and let it go, if it is still ours."""
    mine = Delivery.objects.filter(pk=claim.delivery.pk, claim_token=claim.token)
    ended = {**changes, "claim_token": None, "claim_count": 0, "lease_expires_at": None}
    return bool(persist(lambda: mine.update(**ended)))


def _end(claim: Claim, reason: str) -> None:
    _settle(claim, status=Delivery.Status.FAILED, ended_reason=reason, next_attempt_at=None)
