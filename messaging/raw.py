"""Pass Meta's callbacks on to the numbers that want them as they came.

The bytes are Meta's own where the whole callback concerns one number. Where several numbers share it,
each gets a body of its own with only its changes: the same JSON, written anew. What names no number (a
template's or an account's news) belongs to none of them.
"""

from collections import defaultdict
from typing import Any

import orjson
from django.db import transaction
from django.utils import timezone

from accounts.models import PhoneNumber
from messaging.models import MetaEvent
from webhooks_app import events
from webhooks_app.models import WebhookEndpoint

Json = dict[str, Any]


def forward(*, event: MetaEvent, payload: Any) -> None:
    """Owe a callback to the meta_raw endpoints of its numbers; once, however often it is handled."""
    if event.forwarded_at is not None:
        return
    by_number, is_shared = _parted(payload)
    wanting = _wanting(event, list(by_number)) if by_number else []
    if not wanting:
        return
    with transaction.atomic():
        # Of two workers that handle the same callback at once, one finds the row unmarked.
        fresh = MetaEvent.objects.filter(pk=event.pk, forwarded_at=None)
        if not fresh.update(forwarded_at=timezone.now()):
            return
        for number in wanting:
            own = {**payload, "entry": by_number[number.phone_number_id]}
            body = orjson.dumps(own) if is_shared else bytes(event.body)
            events.publish_raw(number=number, body=body, occurred_at=event.received_at)


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


def _wanting(event: MetaEvent, phone_number_ids: list[str]) -> list[PhoneNumber]:
    """Those numbers that have an endpoint for it, and for which the app that signed it may speak."""
    numbers = PhoneNumber.objects.select_related("business_account").filter(
        phone_number_id__in=phone_number_ids,
        webhook_endpoints__type=WebhookEndpoint.Type.META_RAW,
        webhook_endpoints__is_enabled=True,
        webhook_endpoints__removed_at=None,
    )
    return [
        number
        for number in numbers.order_by("pk").distinct()
        if number.business_account.hears(app=event.app, is_sandbox=event.is_sandbox)
    ]
