"""What is about to be sent, read and committed before the first byte goes out."""

import logging
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from django.conf import settings

from gosend.lib import metrics, prepared
from gosend.whatsapp import content as contents
from gosend.whatsapp import links
from messaging import media, opaque, statuses
from messaging.claims import Claim
from messaging.models import Message

log = logging.getLogger(__name__)

# Seconds between the last moment at which a call may begin and the one at which it would be too late.
_MARGIN_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Draft:
    """A claimed message as it will go out. Nobody changes it while it is claimed."""

    claim: Claim
    phone_number_id: str
    peer: str
    content: dict[str, Any]
    attempt: int
    request_id: str
    links: tuple[links.Link, ...]


@dataclass(frozen=True, slots=True)
class Intent:
    """A claim whose intent is committed: from now on its outcome is owed.

    `begin_before` is on `time.monotonic()`: a process that slept past it must not make the call,
    because by its end another may have taken the message for lost.
    """

    claim: Claim
    phone_number_id: str
    body: dict[str, Any]
    attempt: int
    request_id: str
    begin_before: float


def read(taken: Sequence[Claim]) -> list[Draft]:
    """Read what claimed messages say, in one statement, in the order given.

    One that cannot be read is left out: its claim runs out, and it is taken up again, five times at most.
    """
    if not taken:
        return []
    found = prepared.rows(_READ, [prepared.array(claim.message_id for claim in taken)])
    rows = {row[0]: row[1:] for row in found}
    drafts = []
    for claim in taken:
        try:
            drafts.append(_draft(claim, *rows[claim.message_id]))
        except Exception:
            log.exception("message %s could not be prepared", claim.message_id)
    return drafts


def _draft(
    claim: Claim, phone_number_id: str, peer: str, attempts: int, request_id: str, content: str
) -> Draft:
    body = orjson.loads(content)
    return Draft(claim, phone_number_id, peer, body, attempts + 1, request_id, links.find(body))


def commit(drafts: Sequence[Draft], files: Mapping[int, media.Ids] | None = None) -> list[Intent]:
    """Commit that these calls are about to be made: one statement, however many they are.

    `files` holds, by message, the ids in the place of its links. Those whose claim no longer holds are
    left out.
    """
    lease = settings.CLAIM_LEASE_SECONDS
    begin_before = time.monotonic() + lease - settings.META_TIMEOUT_SECONDS - _margin(lease)
    about = list(_prepare(drafts, files or {}, begin_before))
    held = _intend([intent.claim for intent in about]) if about else set()
    return [intent for intent in about if intent.claim.message_id in held]


def _intend(taken: Sequence[Claim]) -> set[int]:
    """Write that these messages are tried once more; return those whose claim still holds."""
    found = prepared.rows(_INTEND, _given(taken))
    metrics.MESSAGES.add(Message.Status.SENDING, amount=sum(is_moved for _, is_moved in found))
    return {message_id for message_id, _ in found}


def _given(taken: Sequence[Claim]) -> dict[str, str]:
    return {
        "ids": prepared.array(claim.message_id for claim in taken),
        "tokens": prepared.array(claim.token for claim in taken),
        "epochs": prepared.array(claim.epoch for claim in taken),
        "lease": str(settings.CLAIM_LEASE_SECONDS),
        "open": prepared.array(statuses.UNSETTLED),
    }


def _prepare(
    drafts: Iterable[Draft], files: Mapping[int, media.Ids], begin_before: float
) -> Iterable[Intent]:
    for draft in drafts:
        message_id = draft.claim.message_id
        echo = opaque.write(message_id=message_id, attempt=draft.attempt)
        found = files.get(message_id)
        content = links.replace(draft.content, found) if found else draft.content
        body = {**contents.envelope(to=draft.peer, opaque=echo), **content}
        yield Intent(draft.claim, draft.phone_number_id, body, draft.attempt, draft.request_id, begin_before)


def _margin(lease: float) -> float:
    return min(_MARGIN_SECONDS, lease / 10)


_READ = """
SELECT m.id, n.phone_number_id, m.peer, m.attempt_count, m.request_id, c.body::text
  FROM messaging_message m
  JOIN messaging_messagecontent c ON c.message_id = m.id
  JOIN accounts_phonenumber n ON n.id = m.phone_number_id
 WHERE m.id = ANY(%s::bigint[])
"""
# One statement, because each one more is a round trip for every message of a drain. The messages are locked
# before the dispatches, in the order of their ids, as everyone does; what a lock waited for is judged anew.
# By the rule of `statuses.py`, only one whose fate is open comes to `sending`; the try counts in any case.
# CASE for the reason that `claims.py` gives.
_INTEND = """
WITH locked AS MATERIALIZED (
    SELECT m.id, m.status FROM messaging_message m
     WHERE m.id = ANY(%(ids)s::bigint[])
     ORDER BY m.id
       FOR NO KEY UPDATE
), intended AS (
    UPDATE messaging_dispatch d
       SET state = 'sending',
           lease_expires_at = clock_timestamp() + make_interval(secs => %(lease)s::float8)
      FROM unnest(%(ids)s::bigint[], %(tokens)s::uuid[], %(epochs)s::bigint[])
           AS held (message_id, token, epoch)
     WHERE d.message_id = ANY(ARRAY(SELECT id FROM locked))
       AND d.message_id = held.message_id AND d.claim_token = held.token AND d.epoch = held.epoch
       AND CASE d.state WHEN 'claimed' THEN d.lease_expires_at > clock_timestamp() ELSE false END
    RETURNING d.message_id
), tried AS (
    UPDATE messaging_message m
       SET attempt_count = m.attempt_count + 1, updated_at = greatest(m.updated_at, clock_timestamp()),
           status = CASE WHEN m.status = ANY(%(open)s::text[]) THEN 'sending' ELSE m.status END,
           error = CASE WHEN m.status = ANY(%(open)s::text[]) THEN NULL ELSE m.error END
     WHERE m.id = ANY(ARRAY(SELECT message_id FROM intended))
)
SELECT locked.id, locked.status = ANY(%(open)s::text[]) AND locked.status <> 'sending'
  FROM intended JOIN locked ON locked.id = intended.message_id
"""
