"""Record what became of attempts, many in one statement."""

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import orjson
from django.db import transaction
from django.db.models import F

from gosend.lib import logs, metrics, prepared
from gosend.lib.absence import is_absence, persist
from webhooks_app import health, retries
from webhooks_app.claims import Claim
from webhooks_app.models import Delivery, Replay, WebhookEndpoint

log = logging.getLogger(__name__)

_MAX_HEADERS = 40
_MAX_HEADER_LENGTH = 500


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


Outcome = tuple[Claim, Answer]


def record(outcomes: Sequence[Outcome]) -> int:
    """Keep attempts and what becomes of their deliveries; return how many were kept.

    Nothing is kept of one whose claim was lost meanwhile. The answers are in hand, so an absence of the
    database is waited out for as long as a lease lasts. One that cannot be kept costs the others nothing:
    then each is recorded by itself. It never raises.
    """
    for claim, answer in outcomes:
        _tell(claim, answer)
    return _keep(outcomes)


def _keep(outcomes: Sequence[Outcome]) -> int:
    try:
        return persist(lambda: _record(outcomes))
    except Exception as error:
        if len(outcomes) == 1 or is_absence(error):
            # Their leases end, and then they are tried again.
            ids = [claim.delivery.pk for claim, _ in outcomes]
            log.exception("attempts at deliveries %s could not be recorded", ids)
            return 0
        log.exception("%s attempts could not be recorded at once, and go one by one", len(outcomes))
    return sum(_keep([outcome]) for outcome in outcomes)


def _tell(claim: Claim, answer: Answer) -> None:
    outcome = "delivered" if answer.is_success else "refused" if answer.status else "unreachable"
    metrics.WEBHOOK_SECONDS.observe(answer.duration_ms / 1000, outcome)
    level = logging.DEBUG if answer.is_success else logging.INFO
    if not log.isEnabledFor(level):
        return
    with logs.about(delivery_id=claim.delivery.delivery_id):
        log.log(
            level, "webhook attempt: %s %s, %d ms", outcome, answer.status or answer.error, answer.duration_ms
        )


def _record(outcomes: Sequence[Outcome]) -> int:
    with transaction.atomic():
        held = _lock(outcomes)
        rows = [_row(claim, answer, held) for claim, answer in outcomes]
        ids = prepared.array(row["id"] for row in rows)
        kept = {pk for (pk,) in prepared.rows(_KEEP, [orjson.dumps(rows).decode(), ids])}
        for (claim, answer), row in zip(outcomes, rows, strict=True):
            if claim.delivery.pk not in kept:
                log.warning("delivery %s: the claim was lost, its attempt is not kept", claim.delivery.pk)
            elif endpoint := held.get(claim.delivery.endpoint_id):
                _judge(claim, answer, endpoint, is_given_up=row["status"] == Delivery.Status.FAILED)
        _count(
            claim.delivery for claim, answer in outcomes if answer.is_success and claim.delivery.pk in kept
        )
    return len(kept)


def _lock(outcomes: Sequence[Outcome]) -> dict[int, WebhookEndpoint]:
    """The endpoints whose record changes, locked before their deliveries, as everywhere."""
    wanted = {
        claim.delivery.endpoint_id
        for claim, answer in outcomes
        if not answer.is_success or claim.delivery.endpoint.failing_since
    }
    if not wanted:
        return {}
    locking = WebhookEndpoint.objects.select_for_update(no_key=True).order_by("pk")
    return {endpoint.pk: endpoint for endpoint in locking.filter(pk__in=wanted)}


def _judge(claim: Claim, answer: Answer, endpoint: WebhookEndpoint, *, is_given_up: bool) -> None:
    if answer.is_success:
        health.note_success(endpoint=endpoint)
    else:
        is_gone = answer.status == 410
        health.note_failure(endpoint=endpoint, at=claim.at, is_given_up=is_given_up, is_gone=is_gone)


def _count(delivered: Any) -> None:
    """Count what arrived towards the orders that it belongs to."""
    replayed = Counter(delivery.replay_id for delivery in delivered if delivery.replay_id)
    for replay_id, count in sorted(replayed.items()):
        Replay.objects.filter(pk=replay_id).update(delivered_count=F("delivered_count") + count)


def _row(claim: Claim, answer: Answer, held: Mapping[int, WebhookEndpoint]) -> dict[str, Any]:
    delivery = claim.delivery
    headers = list(answer.headers.items())[:_MAX_HEADERS]
    verdict = {"status": Delivery.Status.DELIVERED, "ended_reason": "", "delay": None}
    if not answer.is_success:
        verdict = _failed(claim, answer, held.get(delivery.endpoint_id))
    return {
        **verdict,
        "id": delivery.pk,
        "token": claim.token,
        "number": delivery.attempt_count + 1,
        "trigger": delivery.trigger,
        "started_at": claim.at,
        "duration_ms": answer.duration_ms,
        "response_status": answer.status,
        "response_headers": {
            _storable(name): _storable(value)[:_MAX_HEADER_LENGTH] for name, value in headers
        },
        "response_body": _storable(answer.body.decode("utf-8", "replace")),
        "error": answer.error[:200],
    }


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
        return {"status": Delivery.Status.FAILED, "ended_reason": reason, "delay": None}
    return {"status": Delivery.Status.RETRYING, "ended_reason": "", "delay": delay}


def _storable(text: str) -> str:
    # PostgreSQL keeps neither NUL nor half a surrogate pair.
    return text.replace("\0", "\ufffd").encode("utf-8", "replace").decode()


# Locked in the order of their ids, so that two workers cannot block each other. Ours are those that
# still carry our token. The ids are named twice, so that the planner takes the primary key.
_KEEP = """
WITH answer AS MATERIALIZED (
    SELECT * FROM jsonb_to_recordset(%s::jsonb) AS given
           (id bigint, token uuid, status text, ended_reason text, delay float8, number int, trigger text,
            started_at timestamptz, duration_ms int, response_status int, response_headers jsonb,
            response_body text, error text)
), ours AS MATERIALIZED (
    SELECT d.id FROM webhooks_app_delivery d JOIN answer ON answer.id = d.id AND answer.token = d.claim_token
     WHERE d.id = ANY(%s::bigint[])
     ORDER BY d.id FOR UPDATE OF d
), settled AS (
    UPDATE webhooks_app_delivery d
       SET status = answer.status, ended_reason = answer.ended_reason, attempt_count = answer.number,
           delivered_at = CASE answer.status WHEN 'delivered' THEN statement_timestamp()
                                             ELSE d.delivered_at END,
           next_attempt_at = statement_timestamp() + make_interval(secs => answer.delay),
           claim_token = NULL, claim_count = 0, lease_expires_at = NULL
      FROM answer JOIN ours USING (id) WHERE d.id = answer.id
    RETURNING d.id
)
INSERT INTO webhooks_app_attempt
       (delivery_id, number, trigger, started_at, duration_ms, response_status, response_headers,
        response_body, error)
SELECT id, number, trigger, started_at, duration_ms, response_status, response_headers, response_body, error
  FROM answer JOIN settled USING (id) ORDER BY id
RETURNING delivery_id
"""
