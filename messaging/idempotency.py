"""The same request twice gets the same answer, once."""

from dataclasses import dataclass
from datetime import timedelta

from django.db import connection
from django.db.models import Q, QuerySet
from django.db.models.functions import Now

from gosend.lib import encryption
from gosend.lib.errors import DomainError
from messaging.models import Dispatch, IdempotentAnswer

# A key is forgotten after this; until then the same request is answered from the row.
LIFETIME = timedelta(hours=24)
# No request runs as long: one that took its key, accepted no message and has not answered is dead, and
# its key free for a repeat. What it may have done by then is harmless when done again.
_ABANDONED = timedelta(minutes=3)
# From its acceptance a request takes at most so long until it claims its message or answers.
_ANSWERS_WITHIN = timedelta(seconds=10)


class KeyConflict(DomainError):
    code = "idempotency_key_conflict"


class InProgress(DomainError):
    code = "idempotency_in_progress"


@dataclass(frozen=True, slots=True)
class Once:
    """A key, where it counts, and the SHA-256 of the request that it stands for."""

    tenant_id: int
    environment: str
    key: str
    fingerprint: bytes


@dataclass(frozen=True, slots=True)
class Stored:
    """The answer that was given first, byte for byte."""

    status_code: int
    body: bytes


@dataclass(frozen=True, slots=True)
class Accepted:
    """The first answer said that the message is kept; the message itself tells what it said."""

    message_id: int
    status_code: int


@dataclass(frozen=True, slots=True)
class Unanswered:
    """The first request was accepted, its outcome is known, but it ended before it could answer."""

    message_id: int


def recall(once: Once) -> Stored | Accepted | Unanswered | None:
    """Look up what became of the first request with this key; None when there was none.

    Raises KeyConflict for another request, InProgress while the first one is still running.
    """
    row = _rows(once).filter(created_at__gt=Now() - LIFETIME).first()
    if row is None:
        return None
    if bytes(row.fingerprint) != once.fingerprint:
        raise KeyConflict("This Idempotency-Key was already used for another request")
    if row.status_code is not None:
        if row.body is None and row.message_id is not None:
            return Accepted(row.message_id, row.status_code)
        return _opened(once, row)
    if row.message_id is not None and not _is_under_way(row.message_id):
        return Unanswered(row.message_id)
    if row.message_id is None and _rows(once).filter(created_at__lte=Now() - _ABANDONED).exists():
        return None
    raise in_progress()


def claim(once: Once, *, message_id: int | None = None) -> None:
    """Take the key, in the transaction that does what it stands for.

    Whoever comes second waits for that transaction and then gets InProgress, which undoes its own. A
    row past its lifetime, or abandoned, is taken over in place.
    """
    with connection.cursor() as cursor:
        cursor.execute(_CLAIM, [message_id, *_scope(once), once.fingerprint.hex()])
        if cursor.fetchone() is None:
            raise in_progress()


def remember(once: Once, *, status_code: int, body: bytes) -> Stored:
    """Freeze the answer; of two that come at once the first stands, and is returned to both.

    It is stored encrypted: an answer may hold a secret that is shown this once.
    """
    sealed = encryption.seal(body.decode(), context=_context(once)).encode()
    if _rows(once).filter(status_code=None).update(status_code=status_code, body=sealed):
        return Stored(status_code, body)
    return _opened(once, _rows(once).get())


def forget_expired(*, limit: int = 5000) -> int:
    """Delete a batch of rows past their lifetime; return how many."""
    old = IdempotentAnswer.objects.filter(created_at__lt=Now() - LIFETIME).order_by("created_at")
    return IdempotentAnswer.objects.filter(pk__in=old.values("pk")[:limit]).delete()[0]


def in_progress() -> InProgress:
    return InProgress("The first request with this Idempotency-Key is still running", retry_after=1)


# Takes the keys of those rows of `ready` that have one.
TAKE = f"""
INSERT INTO messaging_idempotentanswer AS held
       (tenant_id, environment, key, fingerprint, message_id, status_code, created_at)
SELECT tenant_id, environment, key, decode(fingerprint, 'hex'), id, status_code, statement_timestamp()
  FROM ready WHERE key IS NOT NULL
ON CONFLICT (tenant_id, environment, key) DO UPDATE
   SET fingerprint = excluded.fingerprint, message_id = excluded.message_id,
       status_code = excluded.status_code, body = NULL, created_at = excluded.created_at
 WHERE held.created_at <= statement_timestamp() - interval '{LIFETIME.total_seconds():.0f} seconds'
    OR held.message_id IS NULL AND held.status_code IS NULL
       AND held.fingerprint = excluded.fingerprint
       AND held.created_at <= statement_timestamp() - interval '{_ABANDONED.total_seconds():.0f} seconds'
RETURNING message_id
"""  # noqa: S608 -- constants of ours
_CLAIM = f"""
WITH ready AS (
    SELECT %s::bigint AS id, %s::bigint AS tenant_id, %s::text AS environment, %s::text AS key,
           %s::text AS fingerprint, NULL::smallint AS status_code
) {TAKE}
"""


def _scope(once: Once) -> tuple[int, str, str]:
    return once.tenant_id, once.environment, once.key


def _rows(once: Once) -> QuerySet[IdempotentAnswer]:
    tenant_id, environment, key = _scope(once)
    return IdempotentAnswer.objects.filter(tenant_id=tenant_id, environment=environment, key=key)


def _context(once: Once) -> str:
    return f"messaging.IdempotentAnswer.body:{once.environment}:{once.key}:{once.tenant_id}"


def _opened(once: Once, row: IdempotentAnswer) -> Stored:
    sealed = bytes(row.body or b"").decode()
    return Stored(row.status_code or 0, encryption.open_sealed(sealed, context=_context(once)).encode())


def _is_under_way(message_id: int) -> bool:
    """Whether the first request may still be about to answer: it is sending, or has just been accepted."""
    claimed = Q(state__in=[Dispatch.State.CLAIMED, Dispatch.State.SENDING])
    fresh = Q(state=Dispatch.State.QUEUED, created_at__gt=Now() - _ANSWERS_WITHIN)
    return Dispatch.objects.filter(claimed | fresh, message_id=message_id).exists()
