"""Say that something happened: one event row, one delivery per endpoint that subscribed."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

import orjson
from django.db import transaction
from django.db.models import QuerySet

from accounts.models import PhoneNumber
from gosend.lib import doorbell, ids
from webhooks_app import fallback
from webhooks_app.models import Delivery, Event, WebhookEndpoint


class Scope(StrEnum):
    """Who hears an event: the endpoints of its number, or those of the whole project."""

    PHONE = "phone"
    PROJECT = "project"


CATALOG: Mapping[str, Scope] = {
    "message.received": Scope.PHONE,
    "message.sent": Scope.PHONE,
    "message.delivered": Scope.PHONE,
    "message.read": Scope.PHONE,
    "message.failed": Scope.PHONE,
    "message.unconfirmed": Scope.PHONE,
    "conversation.created": Scope.PHONE,
    "conversation.inactive": Scope.PHONE,
    "conversation.ended": Scope.PHONE,
    "phone_number.created": Scope.PROJECT,
    "phone_number.deleted": Scope.PROJECT,
    "phone_number.quality": Scope.PROJECT,
    "template.approved": Scope.PROJECT,
    "template.rejected": Scope.PROJECT,
    "template.paused": Scope.PROJECT,
    "account.alert": Scope.PROJECT,
}
# Subscribes to everything of the endpoint's scope, also to what later versions add.
ALL = "*"
# The type of an event that is Meta's own callback, passed on as it came.
RAW = "meta_raw"
# The type of an event that an endpoint's owner asks for, to see whether it arrives.
TEST = "webhook.test"
_PREFIX = "whatsapp."


def wire_name(type: str) -> str:
    """Spell a type as receivers see it."""
    return type if type in {RAW, TEST} else _PREFIX + type


def type_of(wire_name: str) -> str:
    """Undo `wire_name`; a type without the prefix stays as it is."""
    return wire_name.removeprefix(_PREFIX)


def wire_names(scope: Scope) -> list[str]:
    return [wire_name(type) for type, its_scope in CATALOG.items() if its_scope is scope]


def publish(
    *,
    tenant_id: int,
    number: PhoneNumber | None,
    type: str,
    data: Mapping[str, Any],
    occurred_at: datetime,
    is_test: bool = False,
) -> None:
    """Owe an event to every endpoint that subscribed, in the transaction that caused it.

    Test and live never mix: `is_test` says which it is where no number does.
    """
    if CATALOG[type] is Scope.PHONE and number is None:
        raise ValueError(f"{type} needs a number")
    is_test = number.is_sandbox if number else is_test
    endpoints = _subscribed(tenant_id=tenant_id, number=number, type=type, is_test=is_test)
    if not endpoints and CATALOG[type] is Scope.PROJECT and not is_test:
        endpoints = fallback.listening(tenant_id=tenant_id)
    if endpoints:
        body = _freeze(tenant_id=tenant_id, number=number, type=type, data=data, occurred_at=occurred_at)
        event = Event(tenant_id=tenant_id, phone_number=number, type=type, occurred_at=occurred_at, body=body)
        _owe(event, endpoints)


def publish_many(
    *, number: PhoneNumber, type: str, data: Sequence[Mapping[str, Any]], occurred_at: datetime
) -> None:
    """Publish one event for each `data`, all of a number and of one moment, in three statements."""
    tenant_id = number.tenant_id
    is_test = number.is_sandbox
    endpoints = _subscribed(tenant_id=tenant_id, number=number, type=type, is_test=is_test) if data else []
    if not endpoints:
        return
    fresh = [
        Event(
            id=event_id,
            tenant_id=tenant_id,
            phone_number=number,
            type=type,
            occurred_at=occurred_at,
            body=_freeze(tenant_id=tenant_id, number=number, type=type, data=one, occurred_at=occurred_at),
        )
        for event_id, one in zip(ids.reserve(len(data)), data, strict=True)
    ]
    with transaction.atomic(savepoint=False):
        Event.objects.bulk_create(fresh)
        Delivery.objects.bulk_create(
            Delivery(tenant_id=tenant_id, endpoint=endpoint, event=event)
            for event in fresh
            for endpoint in endpoints
        )
        doorbell.ring("webhooks_app.deliver")


def publish_raw(*, number: PhoneNumber, body: bytes, occurred_at: datetime) -> None:
    """Owe Meta's own bytes to the number's meta_raw endpoint, if it has one.

    The caller sees to it that the bytes concern this number only.
    """
    endpoints = _listening().filter(phone_number=number, type=WebhookEndpoint.Type.META_RAW)
    if endpoints:
        event = Event(
            tenant_id=number.tenant_id, phone_number=number, type=RAW, occurred_at=occurred_at, body=body
        )
        _owe(event, list(endpoints))


def publish_to(
    *, endpoint: WebhookEndpoint, type: str, data: Mapping[str, Any], occurred_at: datetime
) -> Delivery:
    """Owe an event to one endpoint, whether it subscribed or not."""
    number = endpoint.phone_number
    body = (
        orjson.dumps(data)
        if type == RAW
        else _freeze(
            tenant_id=endpoint.tenant_id, number=number, type=type, data=data, occurred_at=occurred_at
        )
    )
    event = Event(
        tenant_id=endpoint.tenant_id, phone_number=number, type=type, occurred_at=occurred_at, body=body
    )
    with transaction.atomic():
        event.save(force_insert=True)
        doorbell.ring("webhooks_app.deliver")
        return Delivery.objects.create(tenant_id=event.tenant_id, endpoint=endpoint, event=event)


def wire_body(*, event: Event, delivery: Delivery) -> bytes:
    """The bytes that are posted: the same for every attempt at this delivery."""
    body = bytes(event.body)
    if event.type == RAW:
        return body
    cut = len(_opening(event.type))
    return body[:cut] + b',"delivery_id":"%s"' % str(delivery.delivery_id).encode() + body[cut:]


def _listening() -> QuerySet[WebhookEndpoint]:
    rows = WebhookEndpoint.objects.filter(is_enabled=True, removed_at=None, is_fallback=False)
    return rows.only("pk")


def _subscribed(
    *, tenant_id: int, number: PhoneNumber | None, type: str, is_test: bool
) -> list[WebhookEndpoint]:
    hears = number if CATALOG[type] is Scope.PHONE else None
    return list(
        _listening().filter(
            tenant_id=tenant_id,
            phone_number=hears,
            is_test=is_test,
            type=WebhookEndpoint.Type.GOSENDAPI_EVENTS,
            events__overlap=[wire_name(type), ALL],
        )
    )


def _owe(event: Event, endpoints: list[WebhookEndpoint]) -> None:
    with transaction.atomic(savepoint=False):
        event.save(force_insert=True)
        Delivery.objects.bulk_create(
            Delivery(tenant_id=event.tenant_id, endpoint=endpoint, event=event) for endpoint in endpoints
        )
        doorbell.ring("webhooks_app.deliver")


def _freeze(
    *,
    tenant_id: int,
    number: PhoneNumber | None,
    type: str,
    data: Mapping[str, Any],
    occurred_at: datetime,
) -> bytes:
    rest = {
        "occurred_at": occurred_at.astimezone(UTC),
        "tenant_id": str(tenant_id),
        "phone_number_id": number.phone_number_id if number else None,
        **data,
    }
    return _opening(type) + b"," + orjson.dumps(rest, option=orjson.OPT_UTC_Z)[1:]


def _opening(type: str) -> bytes:
    """What every body begins with; a delivery's id is put in right behind it."""
    return b'{"event":' + orjson.dumps(wire_name(type))
