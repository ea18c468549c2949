"""Route what Meta posted to the room that owns it."""

import hashlib
import json
import logging
import re
import time
from datetime import timedelta
from typing import Any

import orjson
from django.db import connection, transaction
from django.db.models.functions import Now
from django.utils import timezone

from accounts import numbers
from accounts.models import BusinessAccount, MetaApp, PhoneNumber
from gosend.lib import doorbell, logs, metrics
from gosend.whatsapp import events
from messaging import echoes, inbound, merges, notices, raw, reports
from messaging.models import MetaEvent
from templates_app import notices as templates

log = logging.getLogger(__name__)

# Callbacks that one task takes at a time, and the seconds after which it takes no more.
BATCH = 50
RUN_SECONDS = 20.0
# Seconds until a callback whose handling ended with its worker, or failed, is taken up again.
_LEASE_SECONDS = 20
_RETRY_SECONDS = (5, 30, 120, 600, 3600)
# Tries after which a callback takes its workers down with it, and is left for the console.
MAX_ATTEMPTS = 10
# Escapes of what PostgreSQL does not store: NUL, and surrogates, which may stand alone.
_UNSTORABLE = re.compile(rb"\\u(?:0000|d[89a-f])", re.IGNORECASE)


def store(*, body: bytes, app: MetaApp | None, is_sandbox: bool) -> None:
    """Keep a verified callback before anything is read from it; the same bytes are kept once."""
    event = MetaEvent(app=app, is_sandbox=is_sandbox, body=body, digest=hashlib.sha256(body).digest())
    with transaction.atomic():
        MetaEvent.objects.bulk_create([event], ignore_conflicts=True)
        doorbell.ring("messaging.ingest")


def handle_due(*, seconds: float = RUN_SECONDS) -> int:
    """Work through the callbacks that wait, oldest first; return how many were taken."""
    total = 0
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and (due := _take()):
        for event in due:
            if _renew(event):
                with logs.about(callback_id=event.pk):
                    handle(event=event)
        total += len(due)
    return total


def handle(*, event: MetaEvent) -> None:
    """Handle every item of one callback; a bad one never stops its siblings, and stays visible."""
    if event.attempt_count > MAX_ATTEMPTS:
        stopped = f"{MAX_ATTEMPTS} workers stopped while they handled this callback"
        MetaEvent.objects.filter(pk=event.pk).update(
            errors=[{"field": "", "error": stopped}], next_attempt_at=None
        )
        return
    payload = _read(bytes(event.body))
    problems = []
    try:
        raw.forward(event=event, payload=payload)
    except Exception as error:
        log.exception("callback %s could not be passed on", event.pk)
        problems.append({"field": "meta_raw", "error": f"{type(error).__name__}: {error}"[:500]})
    for item in events.parse(payload):
        try:
            _route(event, item)
        except Exception as error:
            log.exception("an item of callback %s could not be handled", event.pk)
            problems.append({"field": item.field, "error": f"{type(error).__name__}: {error}"[:500]})
    _close(event, problems)


def replay(*, event: MetaEvent) -> None:
    """Handle a callback again, whether or not it was; handling twice changes nothing twice."""
    MetaEvent.objects.filter(pk=event.pk).update(handled_at=None, next_attempt_at=Now(), attempt_count=0)
    doorbell.ring("messaging.ingest")


def _read(body: bytes) -> Any:
    """Read JSON as far as PostgreSQL can keep it: NUL and half an emoji become U+FFFD, not a lost item."""
    if not _UNSTORABLE.search(body):
        try:
            return orjson.loads(body)
        except orjson.JSONDecodeError:
            return None
    try:
        return _storable(json.loads(body.decode(errors="replace")))
    except (ValueError, RecursionError):
        return None


def _storable(value: Any) -> Any:
    match value:
        case str():
            return value.replace("\0", "\ufffd").encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        case list():
            return [_storable(item) for item in value]
        case dict():
            return {_storable(key): _storable(item) for key, item in value.items()}
    return value


def _route(event: MetaEvent, item: events.Item) -> None:
    match item:
        case events.InboundMessage() | events.MessageEcho() | events.StatusUpdate():
            if number := _number(event, item.phone_number_id):
                _take_in(number, item)
        case events.UserIdUpdate():
            if account := _account(event, item):
                merges.follow(account=account, previous=item.previous, current=item.current, phone=item.phone)
        case (
            events.TemplateUpdate()
            | events.TemplateQualityUpdate()
            | events.TemplateCategoryUpdate()
            | events.TemplateComponentsUpdate()
        ):
            templates.take(update=item, is_sandbox=event.is_sandbox, app=event.app)
        case (
            events.QualityUpdate()
            | events.NameUpdate()
            | events.CapabilityUpdate()
            | events.AccountUpdate()
            | events.AccountAlert()
        ):
            notices.take(item=item, is_sandbox=event.is_sandbox, app=event.app)
        case _:
            pass  # kept raw in the event; nobody here acts on it


def _take_in(
    number: PhoneNumber, item: events.InboundMessage | events.MessageEcho | events.StatusUpdate
) -> None:
    match item:
        case events.InboundMessage():
            inbound.receive(number=number, item=item)
        case events.MessageEcho():
            echoes.receive(number=number, item=item)
        case events.StatusUpdate():
            reports.take(reported=[(number.pk, item)])


def _number(event: MetaEvent, phone_number_id: str) -> PhoneNumber | None:
    """The number an item is about, if we have it and the signing app may speak for it."""
    number = (
        PhoneNumber.objects.select_related("business_account").filter(phone_number_id=phone_number_id).first()
    )
    if number is not None:
        numbers.require_hears(number.business_account, app=event.app, is_sandbox=event.is_sandbox)
    return number


def _account(event: MetaEvent, item: events.UserIdUpdate) -> BusinessAccount | None:
    """The account in which a person goes by another id now; the entry names it, else the number does."""
    account = BusinessAccount.objects.filter(waba_id=item.waba_id).first()
    if account is None:
        number = _number(event, item.phone_number_id)
        return number.business_account if number else None
    numbers.require_hears(account, app=event.app, is_sandbox=event.is_sandbox)
    return account


def _take() -> list[MetaEvent]:
    with connection.cursor() as cursor:
        cursor.execute(_TAKE, [BATCH, _LEASE_SECONDS])
        ids = [row[0] for row in cursor.fetchall()]
    return list(MetaEvent.objects.filter(pk__in=ids).select_related("app").order_by("pk"))


def _renew(event: MetaEvent) -> bool:
    """Hold a callback for longer, just before its turn; false when another worker has taken it."""
    mine = MetaEvent.objects.filter(pk=event.pk, attempt_count=event.attempt_count, handled_at=None)
    return bool(mine.update(next_attempt_at=Now() + timedelta(seconds=_LEASE_SECONDS)))


def _close(event: MetaEvent, problems: list[dict[str, str]]) -> None:
    row = MetaEvent.objects.filter(pk=event.pk)
    metrics.CALLBACKS.add("failed" if problems else "handled")
    if not problems:
        metrics.CALLBACK_LAG.observe(max(0.0, (timezone.now() - event.received_at).total_seconds()))
        row.update(handled_at=timezone.now(), next_attempt_at=None, errors=[])
        return
    tries_left = event.attempt_count <= len(_RETRY_SECONDS)
    delay = _RETRY_SECONDS[min(event.attempt_count, len(_RETRY_SECONDS)) - 1]
    due = Now() + timedelta(seconds=delay) if tries_left else None
    row.update(errors=problems, next_attempt_at=due)


_TAKE = """
WITH due AS (
    SELECT id FROM messaging_metaevent
     WHERE next_attempt_at <= statement_timestamp()
     ORDER BY next_attempt_at, id
     LIMIT %s
       FOR UPDATE SKIP LOCKED)
UPDATE messaging_metaevent e
   SET next_attempt_at = statement_timestamp() + make_interval(secs => %s),
       attempt_count = e.attempt_count + 1
  FROM due WHERE e.id = due.id
RETURNING e.id
"""
