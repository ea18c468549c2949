"""Claim due deliveries, post them, record each attempt."""

import logging
import time
from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass
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
from webhooks_app.models import Delivery, WebhookEndpoint
from webhooks_app.outcomes import Answer, Outcome

log = logging.getLogger(__name__)

# Attempts of one run at the same moment, and runs of one process.
THREADS = 16
RUNS = 3
# Seconds after which a run claims nothing more, so that a worker can be asked to stop.
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
# Seconds of a lease kept for recording, where it has as many to spare.
_MARGIN_SECONDS = 5
_USER_AGENT = "GoSend-Webhooks/1"
# Kept for the life of the process: the connections to receivers live in its threads.
_crew = Crew(RUNS * THREADS, name="webhooks")

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
    """Claims that wait for a thread, those on the wire, and their answers.

    Only the posts run in threads: the database is spoken to from here alone.
    """

    def __init__(self, seconds: float) -> None:
        self._deadline = time.monotonic() + seconds
        self._answers: SimpleQueue[Outcome] = SimpleQueue()
        # With the moments at which they were claimed.
        self._waiting: dict[int, deque[tuple[Claim, float]]] = {}
        self._on_wire: Counter[int] = Counter()
        self._busy = 0
        # How much to hold at once: what is used up quickly is claimed in larger lots.
        self._lot = THREADS
        self._looked_at = 0.0
        self._after_look = 0

    @property
    def has_room(self) -> bool:
        may_claim = self._held() < self._lot and time.monotonic() < self._deadline
        return self._busy < THREADS and may_claim

    def work(self) -> int:
        try:
            return self._work()
        finally:
            # Only where something broke is anything left: what was posted is recorded all the same.
            for endpoint_id in list(self._waiting):
                self._let_go(endpoint_id)
            while self._busy:
                outcomes.record(self._collect())

    def _work(self) -> int:
        kept = 0
        while True:
            found = self._claim()
            self._start()
            if not found and not self._held():
                # With nothing else in hand, what workers were lost with goes out, each by itself.
                suspect = None if stop.asked.is_set() else claims.take_suspect()
                kept += suspect is not None and attempt(suspect)
                if suspect is None or time.monotonic() >= self._deadline:
                    return kept
            elif answered := self._collect():
                kept += outcomes.record(answered)

    def _held(self) -> int:
        return self._busy + sum(map(len, self._waiting.values()))

    def _claim(self) -> int:
        """Take on more, once half of what was held is done; return how many."""
        now = time.monotonic()
        if now >= self._deadline or stop.asked.is_set():
            for endpoint_id in list(self._waiting):
                self._let_go(endpoint_id)
            return 0
        held = self._held()
        # Where the last look found nothing more, the next one is for what falls due meanwhile.
        is_early = now - self._looked_at < _LOOK_SECONDS
        if held and is_early and (not self._after_look or held > self._after_look // 2):
            return 0
        if held <= self._lot // 2:
            is_quick = now - self._looked_at < _QUICK_SECONDS
            self._lot = min(2 * self._lot, _MAX_LOT) if is_quick else max(self._lot // 2, THREADS)
        per_endpoint = PER_ENDPOINT * self._lot // THREADS
        taken = claims.take_due(limit=self._lot - held, per_endpoint=per_endpoint)
        for claim in taken:
            self._waiting.setdefault(claim.delivery.endpoint_id, deque()).append((claim, now))
        self._looked_at = now
        self._after_look = self._held() if taken else 0
        return len(taken)

    def _start(self) -> None:
        """Fill the free threads, one endpoint after another, with at most PER_ENDPOINT for each."""
        for endpoint_id in list(self._waiting):
            if self._busy >= THREADS:
                return
            if self._on_wire[endpoint_id] >= PER_ENDPOINT:
                continue
            waiting = self._waiting.pop(endpoint_id)
            while waiting and self._on_wire[endpoint_id] < PER_ENDPOINT and self._busy < THREADS:
                self._begin(*waiting.popleft())
            if waiting:  # behind the others
                self._waiting[endpoint_id] = waiting

    def _begin(self, claim: Claim, claimed_at: float) -> None:
        waited = time.monotonic() - claimed_at
        if waited > _patience():
            claims.release([claim])
            return
        claim = Claim(claim.delivery, claim.token, claim.at + timedelta(seconds=waited))
        if post := _prepare(claim):
            self._on_wire[claim.delivery.endpoint_id] += 1
            self._busy += 1
            _crew.submit(partial(self._post, claim, post))

    def _let_go(self, endpoint_id: int) -> None:
        claims.release([claim for claim, _ in self._waiting.pop(endpoint_id, ())])

    def _post(self, claim: Claim, post: Post) -> None:
        self._answers.put((claim, _send(post)))

    def _collect(self) -> list[Outcome]:
        """Answers as they come, those of a moment together."""
        found: list[Outcome] = []
        until = time.monotonic() + _LOOK_SECONDS
        while self._busy and len(found) < _MAX_LOT:
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
        self._busy -= len(answered)
        for claim, answer in answered:
            endpoint_id = claim.delivery.endpoint_id
            self._on_wire[endpoint_id] -= 1
            if not answer.is_success:
                # The rest waits until this one is recorded: then it is tried one by one.
                self._let_go(endpoint_id)


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
