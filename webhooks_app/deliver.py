"""Claim due deliveries, post them, record each attempt."""

import logging
import time
import uuid
from collections.abc import Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from django.conf import settings
from django.db import connection, transaction
from django.db.models import F, Q
from django.db.models.functions import Now

from gosend.lib import encryption, http, logs, metrics, signing
from webhooks_app import events, health, retries, secrets
from webhooks_app.models import Attempt, Delivery, Replay, WebhookEndpoint

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
_MAX_HEADERS = 40
_MAX_HEADER_LENGTH = 500
_USER_AGENT = "GoSend-Webhooks/1"
# What an attempt needs to know besides the delivery.
_NEEDED = ("endpoint", "endpoint__tenant", "event")

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
    SELECT waiting.endpoint_id, %(per_endpoint)s - count(busy.id) AS room
      FROM waiting LEFT JOIN webhooks_app_delivery busy
        ON busy.endpoint_id = waiting.endpoint_id AND busy.lease_expires_at > statement_timestamp()
     WHERE waiting.next_attempt_at <= statement_timestamp()
     GROUP BY waiting.endpoint_id, waiting.next_attempt_at
    HAVING count(busy.id) < %(per_endpoint)s
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
class Claim:
    """A delivery that is ours until the lease ends; `at` is the database's time of the claim."""

    delivery: Delivery
    token: uuid.UUID
    at: datetime


@dataclass(frozen=True, slots=True)
class Post:
    """One attempt, ready to go on the wire."""

    url: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of a post: a status, or the word for why there is none."""

    status: int | None
    duration_ms: int
    error: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    @property
    def is_success(self) -> bool:
        return self.status is not None and 200 <= self.status < 300


def run(*, seconds: float = RUN_SECONDS) -> int:
    """Deliver until nothing is due; return how many attempts were made.

    Only the posts run in threads: the database is spoken to from here alone.
    """
    deadline = time.monotonic() + seconds
    under_way: dict[Future[Answer], Claim] = {}
    attempts = 0
    while True:
        room = THREADS - len(under_way) if time.monotonic() < deadline else 0
        claims = claim_due(limit=room) if room else []
        for claim in claims:
            if post := _prepare(claim):
                under_way[_pool().submit(_send, post)] = claim
        if not claims and not under_way:
            return attempts
        for future in wait(under_way, timeout=_LOOK_SECONDS, return_when=FIRST_COMPLETED).done:
            attempts += record(under_way.pop(future), future.result())


def claim_due(*, limit: int, lease_seconds: int | None = None) -> list[Claim]:
    """Take due deliveries, the same few of each endpoint, for this worker alone."""
    token = uuid.uuid4()
    lease = settings.CLAIM_LEASE_SECONDS if lease_seconds is None else lease_seconds
    with connection.cursor() as cursor:
        cursor.execute(_CLAIM, {"token": token, "lease": lease, "limit": limit, "per_endpoint": PER_ENDPOINT})
        claimed: dict[int, datetime] = dict(cursor.fetchall())
    if not claimed:
        return []
    rows = Delivery.objects.select_related(*_NEEDED).filter(pk__in=claimed)
    return [Claim(row, token, claimed[row.pk]) for row in rows]


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
    """Keep the attempt and what becomes of the delivery; nothing, if the claim was lost meanwhile."""
    with logs.about(delivery_id=claim.delivery.delivery_id):
        _tell(claim, answer)
        return _record(claim, answer)


def _tell(claim: Claim, answer: Answer) -> None:
    outcome = "delivered" if answer.is_success else "refused" if answer.status else "unreachable"
    metrics.WEBHOOK_SECONDS.observe(answer.duration_ms / 1000, outcome)
    level = logging.DEBUG if answer.is_success else logging.INFO
    log.log(
        level, "webhook attempt: %s %s, %d ms", outcome, answer.status or answer.error, answer.duration_ms
    )


def _record(claim: Claim, answer: Answer) -> bool:
    delivery = claim.delivery
    with transaction.atomic():
        endpoint: WebhookEndpoint | None = delivery.endpoint
        if not answer.is_success or delivery.endpoint.failing_since:
            # Before the delivery, as everywhere (see endpoints.py), and to see if it still listens.
            locking = WebhookEndpoint.objects.select_for_update(no_key=True)
            endpoint = locking.filter(pk=delivery.endpoint_id).first()
        number = delivery.attempt_count + 1
        verdict = _delivered() if answer.is_success else _failed(claim, answer, endpoint)
        if endpoint is None or not _settle(claim, attempt_count=number, **verdict):
            log.warning("delivery %s: the claim was lost, its attempt is not kept", delivery.pk)
            return False
        _keep(claim, answer, number)
        if answer.is_success:
            _count_success(delivery)
            health.note_success(endpoint=endpoint)
        else:
            is_given_up = verdict["status"] == Delivery.Status.FAILED
            health.note_failure(
                endpoint=endpoint, at=claim.at, is_given_up=is_given_up, is_gone=answer.status == 410
            )
    return True


def build(claim: Claim) -> Post:
    """Sign a delivery anew, under both schemes; the body is the same each time."""
    delivery, endpoint = claim.delivery, claim.delivery.endpoint
    body = events.wire_body(event=delivery.event, delivery=delivery)
    signers = secrets.signing_at(endpoint=endpoint, at=claim.at)
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


def _delivered() -> dict[str, Any]:
    return {
        "status": Delivery.Status.DELIVERED,
        "delivered_at": Now(),
        "next_attempt_at": None,
        "ended_reason": "",
    }


def _count_success(delivery: Delivery) -> None:
    if delivery.replay_id:
        Replay.objects.filter(pk=delivery.replay_id).update(delivered_count=F("delivered_count") + 1)


def _failed(claim: Claim, answer: Answer, endpoint: WebhookEndpoint | None) -> dict[str, Any]:
    delay = retries.delay_before_next(
        schedule=claim.delivery.endpoint.schedule,
        attempts_made=claim.delivery.attempt_count + 1 - claim.delivery.attempts_before,
        retry_after=retries.parse_retry_after(
            answer.headers.get("retry-after"), now=claim.at + timedelta(milliseconds=answer.duration_ms)
        ),
    )
    reason = ""
    if answer.status == 410:
        reason = Delivery.EndedReason.GONE
    elif endpoint is None or endpoint.removed_at:
        reason = Delivery.EndedReason.ENDPOINT_REMOVED
    elif not endpoint.is_enabled:
        reason = Delivery.EndedReason.ENDPOINT_DISABLED
    elif delay is None:
        reason = Delivery.EndedReason.EXHAUSTED
    if reason or delay is None:
        return {"status": Delivery.Status.FAILED, "ended_reason": reason, "next_attempt_at": None}
    return {"status": Delivery.Status.RETRYING, "next_attempt_at": Now() + timedelta(seconds=delay)}


def _keep(claim: Claim, answer: Answer, number: int) -> None:
    headers = list(answer.headers.items())[:_MAX_HEADERS]
    Attempt.objects.create(
        delivery=claim.delivery,
        number=number,
        trigger=claim.delivery.trigger,
        started_at=claim.at,
        duration_ms=answer.duration_ms,
        response_status=answer.status,
        response_headers={_storable(name): _storable(value)[:_MAX_HEADER_LENGTH] for name, value in headers},
        response_body=_storable(answer.body.decode("utf-8", "replace")),
        error=answer.error[:200],
    )


def _storable(text: str) -> str:
    # PostgreSQL keeps neither NUL nor half a surrogate pair.
    return text.replace("\0", "\ufffd").encode("utf-8", "replace").decode()
