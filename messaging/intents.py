"""What is about to be sent, read and committed before the first byte goes out."""

import logging
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from django.conf import settings
from django.db import transaction
from django.utils import timezone

from gosend.lib import prepared
from gosend.whatsapp import content as contents
from gosend.whatsapp import links
from messaging import claims, media, opaque, standing, statuses
from messaging.claims import Claim
from messaging.models import Message
from messaging.statuses import Change

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
    """Commit that these calls are about to be made: three statements, however many they are.

    `files` holds, by message, the ids in the place of its links. Those whose claim no longer holds are
    left out.
    """
    lease = settings.CLAIM_LEASE_SECONDS
    begin_before = time.monotonic() + max(lease - settings.META_TIMEOUT_SECONDS, lease / 3) - _margin(lease)
    prepared = list(_prepare(drafts, files or {}, begin_before))
    if not prepared:
        return []
    with transaction.atomic():
        locked = standing.lock(message_ids=[intent.claim.message_id for intent in prepared])
        held = claims.settle(_INTEND, [intent.claim for intent in prepared], lease)
        now = timezone.now()
        statuses.advance_many(
            changes=[
                Change(message_id=pk, to=Message.Status.SENDING, at=now, is_attempt=True)
                for pk in sorted(held)
            ],
            locked=locked,
        )
    return [intent for intent in prepared if intent.claim.message_id in held]


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
_INTEND = """
UPDATE messaging_dispatch d
   SET state = 'sending', lease_expires_at = statement_timestamp() + make_interval(secs => %s::float8)
  FROM {held} AND d.state = 'claimed' AND d.lease_expires_at > statement_timestamp()
RETURNING d.message_id
"""
