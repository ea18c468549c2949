"""Claim due deliveries, post them, record each attempt."""

import logging
import time
import uuid
from collections import Counter, deque
from collections.abc import Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cache
from queue import Empty, SimpleQueue
from typing import Any

from django.conf import settings
from django.db import connection
from django.db.models import F, Q
from django.db.models.functions import Now

from gosend.lib import encryption, http, signing, stop
from webhooks_app import events, outcomes, secrets, session_events
from webhooks_app.models import Delivery, WebhookEndpoint
from webhooks_app.outcomes import Answer, Claim, Outcome

log = logging.getLogger(__name__)

# Attempts at the same moment in one process, and of these at most so many at one endpoint.
THREADS = 16
PER_ENDPOINT = 4
# Seconds after which a run claims nothing more, so that a worker can be asked to stop.
RUN_SECONDS = 20
# Seconds between two looks for due deliveries while attempts are under way.
_LOOK_SECONDS = 0.2
# A delivery whose worker died so often may be what kills them.
_MAX_CLAIMS = 5
_KEEP_BYTES = 2048
_MAX_BYTES = 65_536
# Deliveries held at once at the most, on the wire and waiting for a thread, and recorded together.
_MAX_LOT = 128
# Half a lot used up within so many seconds: the next one may be larger.
_QUICK_SECONDS = 0.5
# Seconds that an answer may wait for others, to be recorded with them.
_GATHER_SECONDS = 0.02
# Seconds of a lease kept for recording, where it has as many to spare.
_MARGIN_SECONDS = 5
_USER_AGENT = "GoSend-Webhooks/1"
# What an attempt needs to know besides the delivery.
_NEEDED = ("endpoint", "endpoint__tenant", "event")
_READ = (
    "tenant_id",
    "endpoint_id",
    "event__type",
    "event__body",
    "delivery_id",
    "attempt_count",
    "attempts_before",
    "trigger",
    "replay_id",
    "claim_count",
)

# Endpoints first, one jump of the index each, then a few deliveries of each: so a long queue costs
# the others nothing. What is claimed falls due again when its lease ends.
_CLAIM = """
WITH RECURSIVE waiting AS (
    (SELECT endpoint_id, next_attempt_at FROM webhooks_app_delivery
      WHERE next_attempt_at IS NOT NULL ORDER BY endpoint_id, next_attempt_at LIMIT 1)
    UNION ALL
    SELECT later.endpoint_id, later.next_attempt_at FROM waiting CROSS JOIN LATERAL (
        SELECT endpoint_id, next_attempt_at FROM webhooks_app_delivery
         WHERE next_attempt_at IS NOT NULL AND endpoint_id > waiting.endpoint_id
         ORDER BY endpoint_id, next_attempt_at LIMIT 1) later
), turns AS (
    SELECT waiting.endpoint_id, most.claims - count(busy.id) AS room
      FROM waiting JOIN webhooks_app_webhookendpoint endpoint ON endpoint.id = waiting.endpoint_id
     CROSS JOIN LATERAL (
        SELECT CASE WHEN endpoint.failing_since IS NULL THEN %(per_endpoint)s ELSE 1 END AS claims) most
      LEFT JOIN webhooks_app_delivery busy
        ON busy.endpoint_id = waiting.endpoint_id AND busy.lease_expires_at > statement_timestamp()
     WHERE waiting.next_attempt_at <= statement_timestamp()
     GROUP BY waiting.endpoint_id, waiting.next_attempt_at, most.claims
    HAVING count(busy.id) < most.claims
     ORDER BY waiting.next_attempt_at LIMIT %(limit)s
), free AS (
    SELECT due.id, due.next_attempt_at,
           row_number() OVER (PARTITION BY turns.endpoint_id ORDER BY due.next_attempt_at) AS place
      FROM turns CROSS JOIN LATERAL (
        SELECT id, next_attempt_at FROM webhooks_app_delivery
         WHERE endpoint_id = turns.endpoint_id AND next_attempt_at <= statement_timestamp()
         ORDER BY next_attempt_at LIMIT turns.room FOR UPDATE SKIP LOCKED) due
)
UPDATE webhooks_app_delivery delivery
   SET claim_token = %(token)s, claim_count = claim_count + 1,
       lease_expires_at = statement_timestamp() + make_interval(secs => %(lease)s),
       next_attempt_at = statement_timestamp() + make_interval(secs => %(lease)s)
  FROM (SELECT id FROM free ORDER BY place, next_attempt_at LIMIT %(limit)s) chosen
 WHERE delivery.id = chosen.id
RETURNING delivery.id, statement_timestamp()
"""


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
    return _Run(seconds).work()


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
        # How much to hold at once: what is used up quickly is claimed in larger lots.
        self._lot = THREADS
        self._looked_at = 0.0
        self._after_look = 0

    def work(self) -> int:
        kept = 0
        while True:
            found = self._claim()
            self._start()
            if not found and not self._held():
                return kept
            if answered := self._collect():
                kept += outcomes.record(answered)

    def _held(self) -> int:
        return self._on_wire.total() + sum(map(len, self._waiting.values()))

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
        claims = claim_due(limit=self._lot - held, per_endpoint=PER_ENDPOINT * self._lot // THREADS)
        for claim in claims:
            self._waiting.setdefault(claim.delivery.endpoint_id, deque()).append((claim, now))
        self._looked_at = now
        self._after_look = self._held() if claims else 0
        return len(claims)

    def _start(self) -> None:
        """Fill the free threads, one endpoint after another, with at most PER_ENDPOINT for each."""
        for endpoint_id in list(self._waiting):
            waiting = self._waiting.pop(endpoint_id)
            while waiting and self._on_wire[endpoint_id] < PER_ENDPOINT and self._on_wire.total() < THREADS:
                claim, claimed_at = waiting.popleft()
                waited = time.monotonic() - claimed_at
                if waited > _patience():
                    release([claim])
                    continue
                claim = replace(claim, at=claim.at + timedelta(seconds=waited))
                if post := _prepare(claim):
                    self._on_wire[endpoint_id] += 1
                    _pool().submit(self._post, claim, post)
            if waiting:  # behind the others
                self._waiting[endpoint_id] = waiting

    def _let_go(self, endpoint_id: int) -> None:
        release([claim for claim, _ in self._waiting.pop(endpoint_id, ())])

    def _post(self, claim: Claim, post: Post) -> None:
        self._answers.put((claim, _send(post)))

    def _collect(self) -> list[Outcome]:
        """Answers as they come, those of a moment together."""
        found: list[Outcome] = []
        until = time.monotonic() + _LOOK_SECONDS
        while self._on_wire.total() and len(found) < _MAX_LOT:
            try:
                claim, answer = self._answers.get(timeout=max(0.0, until - time.monotonic()))
            except Empty:
                break
            if not found:
                until = time.monotonic() + _GATHER_SECONDS
            found.append((claim, answer))
            endpoint_id = claim.delivery.endpoint_id
            self._on_wire[endpoint_id] -= 1
            if not answer.is_success:
                # The rest waits until this one is recorded: then it is tried one by one.
                self._let_go(endpoint_id)
            self._start()
        return found


def claim_due(
    *, limit: int, lease_seconds: int | None = None, per_endpoint: int = PER_ENDPOINT
) -> list[Claim]:
    """Take due deliveries, the same few of each endpoint, for this worker alone.

    Of an endpoint whose last attempt failed only one is taken at a time, until one succeeds: a dead
    receiver holds one thread, and its queue is not worn down while it is away.
    """
    token = uuid.uuid4()
    lease = settings.CLAIM_LEASE_SECONDS if lease_seconds is None else lease_seconds
    with connection.cursor() as cursor:
        cursor.execute(_CLAIM, {"token": token, "lease": lease, "limit": limit, "per_endpoint": per_endpoint})
        claimed: dict[int, datetime] = dict(cursor.fetchall())
    if not claimed:
        return []
    rows = list(Delivery.objects.select_related("event").only(*_READ).filter(pk__in=claimed))
    # Each endpoint once, however many of its deliveries there are.
    endpoints = WebhookEndpoint.objects.select_related("tenant").in_bulk({row.endpoint_id for row in rows})
    claims = []
    for row in rows:
        if endpoint := endpoints.get(row.endpoint_id):
            row.endpoint = endpoint
            claims.append(Claim(row, token, claimed[row.pk]))
    return claims


def release(claims: Collection[Claim]) -> None:
    """Hand back what was claimed and not begun, as if it had not been claimed."""
    if claims:
        tokens = {claim.token for claim in claims}
        mine = Delivery.objects.filter(
            pk__in=[claim.delivery.pk for claim in claims],
            claim_token__in=tokens,
            next_attempt_at__isnull=False,
        )
        mine.update(
            claim_token=None, claim_count=F("claim_count") - 1, lease_expires_at=None, next_attempt_at=Now()
        )


def claim_one(*, delivery: Delivery) -> Claim | None:
    """Take one delivery for this worker alone, whatever else waits; None when another has it."""
    token = uuid.uuid4()
    lease = timedelta(seconds=settings.CLAIM_LEASE_SECONDS)
    free = Q(lease_expires_at=None) | Q(lease_expires_at__lte=Now())
    taken = Delivery.objects.filter(free, pk=delivery.pk, next_attempt_at__isnull=False).update(
        claim_token=token,
        claim_count=F("claim_count") + 1,
        lease_expires_at=Now() + lease,
        next_attempt_at=Now() + lease,
    )
    if not taken:
        return None
    row = Delivery.objects.select_related(*_NEEDED).annotate(at=Now()).get(pk=delivery.pk)
    return Claim(row, token, row.at)


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
    body = events.wire_body(event=delivery.event, delivery=delivery)
    signers = secrets.signing_at(endpoint=endpoint, at=claim.at)
    if endpoint.type == WebhookEndpoint.Type.SESSION_EVENTS:
        signed = session_events.headers(secret=signers[0], event_id=delivery.event_id, at=claim.at, body=body)
        headers = {"Content-Type": "application/json", "User-Agent": _USER_AGENT, **signed}
        return Post(url=endpoint.url, headers=headers, body=body)
    delivery_id, timestamp = str(delivery.delivery_id), int(claim.at.timestamp())
    headers = {
        "Content-Type": "application/json",
        "User-Agent": _USER_AGENT,
        "X-GoSendAPI-Event": events.wire_name(delivery.event.type),
        "X-GoSendAPI-Delivery-Id": delivery_id,
        "X-GoSendAPI-Attempt": str(delivery.attempt_count + 1),
        "X-GoSendAPI-Timestamp": str(timestamp),
        "X-GoSendAPI-Signature": signing.gosend_signature(signers[0], body),
        **signing.standard_headers(signers, message_id=delivery_id, timestamp=timestamp, body=body),
    }
    return Post(url=endpoint.url, headers=headers, body=body)


@cache
def _pool() -> ThreadPoolExecutor:
    # Kept for the life of the process: the connections to receivers live in its threads.
    return ThreadPoolExecutor(THREADS, thread_name_prefix="webhooks")


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
            guard=http.Guard(tuple(settings.TRUSTED_NETWORKS)),
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
    return bool(mine.update(**changes, claim_token=None, claim_count=0, lease_expires_at=None))


def _end(claim: Claim, reason: str) -> None:
    _settle(claim, status=Delivery.Status.FAILED, ended_reason=reason, next_attempt_at=None)
