"""Pass Meta's callbacks on to the numbers that want them as they came.

The bytes are Meta's own where the whole callback concerns one number. Where several numbers share it,
each gets a body of its own with only its changes: the same JSON, written anew. What names no number (a
template's or an account's news) belongs to none of them.
"""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import orjson
from django.db import connection, transaction
from django.db.models import QuerySet

from accounts.models import PhoneNumber
from messaging.callbacks import Callback
from webhooks_app import events
from webhooks_app.models import WebhookEndpoint

Json = dict[str, Any]


def forward(batch: Sequence[Callback]) -> None:
    """Owe callbacks to the meta_raw endpoints of their numbers; once, however often they are handled."""
    parted = [(one, *_parted(one.payload)) for one in batch if not one.is_forwarded]
    named = {name for _, by_number, _ in parted for name in by_number}
    wanting = {number.phone_number_id: number for number in _wanting(named)} if named else {}
    if not wanting:
        return
    owed: list[tuple[int, events.Raw]] = []
    for callback, by_number, is_shared in parted:
        for name in sorted(by_number.keys() & wanting.keys()):
            number = wanting[name]
            if number.business_account.hears(app=callback.app, is_sandbox=callback.is_sandbox):
                own = {**callback.payload, "entry": by_number[name]}
                body = orjson.dumps(own) if is_shared else callback.body
                source = events.Source(number.tenant_id, number.pk, name, number.is_sandbox)
                owed.append((callback.pk, events.Raw(source, body, callback.received_at)))
    if owed:
        _owe(owed)


def _owe(owed: Sequence[tuple[int, events.Raw]]) -> None:
    """Mark the callbacks and publish. Of two workers with the same callback, one finds it unmarked."""
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(_MARK, [[pk for pk, _ in owed]])
            unmarked = {pk for (pk,) in cursor.fetchall()}
        events.publish_raw(raws=[raw for pk, raw in owed if pk in unmarked])


def _parted(payload: Any) -> tuple[dict[str, list[Json]], bool]:
    """The entries of each number named, and whether anything in the callback is not of the one number."""
    by_number: dict[str, list[Json]] = defaultdict(list)
    entries = payload.get("entry") if isinstance(payload, dict) else None
    is_shared = False
    for entry in entries if isinstance(entries, list) else []:
        changes = entry.get("changes") if isinstance(entry, dict) else None
        changes_of: dict[str, list[Any]] = defaultdict(list)
        for change in changes if isinstance(changes, list) else [None]:
            changes_of[_number_named(change)].append(change)
        is_shared |= "" in changes_of
        for number, its_changes in changes_of.items():
            if number:
                by_number[number].append({**entry, "changes": its_changes})
    return by_number, is_shared or len(by_number) > 1


def _number_named(change: Any) -> str:
    value = change.get("value") if isinstance(change, dict) else None
    metadata = value.get("metadata") if isinstance(value, dict) else None
    number = metadata.get("phone_number_id") if isinstance(metadata, dict) else None
    return str(number) if isinstance(number, str | int) else ""


def _wanting(names: set[str]) -> QuerySet[PhoneNumber]:
    """Those of the numbers that have an endpoint for it."""
    numbers = PhoneNumber.objects.select_related("business_account").filter(
        phone_number_id__in=names,
        webhook_endpoints__type=WebhookEndpoint.Type.META_RAW,
        webhook_endpoints__is_enabled=True,
        webhook_endpoints__removed_at=None,
    )
    return numbers.distinct()


_MARK = """
UPDATE messaging_metaevent SET forwarded_at = statement_timestamp()
 WHERE id = ANY(%s::bigint[]) AND forwarded_at IS NULL
RETURNING id
"""
