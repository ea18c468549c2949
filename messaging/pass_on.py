"""Pass Meta's callbacks on, as they came, to the endpoints that want them raw."""

import json
from collections.abc import Iterator
from typing import Any

from django.db import transaction
from django.db.models import Exists, OuterRef

from accounts.models import PhoneNumber
from gosend.lib import ids
from messaging.models import MetaEvent
from webhooks_app import events
from webhooks_app.models import Event, WebhookEndpoint

Json = dict[str, Any]


def raw(*, event: MetaEvent, payload: Any) -> None:
    """Owe each number's raw endpoint the callback, once, without what concerns other numbers.

    It gets Meta's very bytes where nothing has to be left out.
    """
    found = {_number_of(change) for change in _changes(payload)}
    for number in _listening(found - {""}):
        if not number.business_account.hears(app=event.app, is_sandbox=event.is_sandbox):
            continue  # signed by an app that does not speak for it; its items are refused and noted
        own = number.phone_number_id
        body = bytes(event.body) if found == {own} else _without_others(payload, own)
        with transaction.atomic():
            # Whoever handles the callback again waits here, and finds it passed on.
            MetaEvent.objects.select_for_update().get(pk=event.pk)
            if not _is_passed(event, number, body):
                events.publish_raw(number=number, body=body, occurred_at=event.received_at)


def _listening(phone_number_ids: set[str]) -> list[PhoneNumber]:
    if not phone_number_ids:
        return []
    endpoints = WebhookEndpoint.objects.filter(
        phone_number=OuterRef("pk"),
        type=WebhookEndpoint.Type.META_RAW,
        is_enabled=True,
        removed_at=None,
    )
    rows = PhoneNumber.objects.filter(Exists(endpoints), phone_number_id__in=phone_number_ids)
    return list(rows.select_related("business_account"))


def _is_passed(event: MetaEvent, number: PhoneNumber, body: bytes) -> bool:
    # The earliest id that it can have: so only few rows are looked at.
    made = Event.objects.filter(pk__gte=ids.first_at(event.received_at), type=events.RAW)
    return made.filter(phone_number=number, occurred_at=event.received_at, body=body).exists()


def _without_others(payload: Json, phone_number_id: str) -> bytes:
    kept = []
    for entry in payload["entry"]:
        changes = [change for change in _changes({"entry": [entry]}) if _number_of(change) == phone_number_id]
        if changes:
            kept.append({**entry, "changes": changes})
    return json.dumps({**payload, "entry": kept}, ensure_ascii=False, separators=(",", ":")).encode()


def _changes(payload: Any) -> Iterator[Any]:
    """Every change of a callback; nothing for what is no callback."""
    entries = payload.get("entry") if isinstance(payload, dict) else None
    for entry in entries if isinstance(entries, list) else []:
        changes = entry.get("changes") if isinstance(entry, dict) else None
        yield from changes if isinstance(changes, list) else []


def _number_of(change: Any) -> str:
    """Meta's id of the number that a change is about, or nothing."""
    value = change.get("value") if isinstance(change, dict) else None
    metadata = value.get("metadata") if isinstance(value, dict) else None
    found = metadata.get("phone_number_id") if isinstance(metadata, dict) else None
    return found if isinstance(found, str) else ""
