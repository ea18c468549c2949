"""Say that something happened: one event row, one delivery per endpoint that subscribed."""

from base64 import b64encode
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from functools import lru_cache
from typing import Any
from uuid import UUID

import orjson
from django.db import connection, transaction
from django.db.models import Q, QuerySet

from accounts.models import PhoneNumber
from gosend.lib import doorbell, prepared
from gosend.lib.ids import time_ordered_uuid
from webhooks_app import fallback, session_events
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
    "poll.vote": Scope.PHONE,
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
# The kinds of endpoints that are told events by name; of each other kind only Meta's bytes are heard.
_KINDS = (WebhookEndpoint.Type.GOSENDAPI_EVENTS, WebhookEndpoint.Type.SESSION_EVENTS)
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
    message_id: int | None = None,
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
        body = _freeze(
            tenant_id=tenant_id,
            phone_number_id=number.phone_number_id if number else None,
            type=type,
            data=data,
            occurred_at=occurred_at,
        )
        event = Event(
            tenant_id=tenant_id,
            phone_number=number,
            type=type,
            message_id=message_id,
            occurred_at=occurred_at,
            body=body,
        )
        _owe(event, endpoints)


@dataclass(frozen=True, slots=True)
class Source:
    """The number that an event is about, as far as its event needs to know it."""

    tenant_id: int
    number_id: int
    phone_number_id: str
    is_sandbox: bool


def source_of(number: PhoneNumber) -> Source:
    return Source(number.tenant_id, number.pk, number.phone_number_id, number.is_sandbox)


@dataclass(frozen=True, slots=True)
class News:
    """One event of a number's, not published yet."""

    source: Source
    type: str
    occurred_at: datetime
    data: Mapping[str, Any]
    message_id: int | None = None


@dataclass(frozen=True, slots=True)
class Audience:
    """Which endpoints hear the events of some numbers; looked up once for a whole batch."""

    # By number; those that hear every number of their tenant stand under None.
    _endpoints: Mapping[int | None, Sequence[tuple[int, int, bool, str, frozenset[str]]]]

    def of(self, source: Source, type: str) -> list[int]:
        """The ids of the endpoints that hear this type of event of a number's."""
        wanted = {kind.value: _heard_as(type, kind) for kind in _KINDS}
        return [
            endpoint_id
            for number_id in (source.number_id, None)
            for endpoint_id, tenant_id, is_test, kind, names in self._endpoints.get(number_id, ())
            if tenant_id == source.tenant_id
            and is_test == source.is_sandbox
            and not names.isdisjoint(wanted[kind])
        ]


def audience(*, number_ids: Collection[int]) -> Audience:
    """Look up who listens to these numbers, in one statement."""
    found: dict[int | None, list[tuple[int, int, bool, str, frozenset[str]]]] = defaultdict(list)
    ids = prepared.array(number_ids)
    for number_id, endpoint_id, tenant_id, is_test, kind, names in prepared.rows(_AUDIENCE, [ids, ids]):
        found[number_id].append((endpoint_id, tenant_id, is_test, kind, frozenset(names)))
    return Audience(found)


def publish_all(*, news: Sequence[News], heard: Audience) -> None:
    """Owe many events of many numbers to all who hear them, in one statement and in their order."""
    told = []
    for one in news:
        if endpoint_ids := heard.of(one.source, one.type):
            body = _freeze(
                tenant_id=one.source.tenant_id,
                phone_number_id=one.source.phone_number_id,
                type=one.type,
                data=one.data,
                occurred_at=one.occurred_at,
            )
            told.append((one.source, one.type, one.message_id, one.occurred_at, body, endpoint_ids))
    _owe_all(told)


@dataclass(frozen=True, slots=True)
class Raw:
    """Meta's own bytes for one number; the caller sees to it that they concern this number only."""

    source: Source
    body: bytes
    occurred_at: datetime


def publish_raw(*, raws: Sequence[Raw]) -> None:
    """Owe Meta's own bytes to the meta_raw endpoints of their numbers, in two statements for all."""
    rows = _listening().filter(
        type=WebhookEndpoint.Type.META_RAW, phone_number_id__in={raw.source.number_id for raw in raws}
    )
    found: dict[int | None, list[int]] = defaultdict(list)
    for number_id, endpoint_id in rows.order_by("pk").values_list("phone_number_id", "pk"):
        found[number_id].append(endpoint_id)
    told = [
        (raw.source, RAW, None, raw.occurred_at, raw.body, found[raw.source.number_id])
        for raw in raws
        if raw.source.number_id in found
    ]
    _owe_all(told)


def publish_to(
    *, endpoint: WebhookEndpoint, type: str, data: Mapping[str, Any], occurred_at: datetime
) -> Delivery:
    """Owe an event to one endpoint, whether it subscribed or not."""
    number = endpoint.phone_number
    body = (
        orjson.dumps(data)
        if type == RAW
        else _freeze(
            tenant_id=endpoint.tenant_id,
            phone_number_id=number.phone_number_id if number else None,
            type=type,
            data=data,
            occurred_at=occurred_at,
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
    return wire_bytes(
        type=event.type,
        event_id=event.pk,
        body=bytes(event.body),
        delivery_id=delivery.delivery_id,
        kind=delivery.endpoint.type,
    )


def wire_bytes(*, type: str, event_id: int, body: bytes, delivery_id: UUID, kind: str) -> bytes:
    """The same of a delivery's parts; `kind` is the endpoint's type."""
    if type == RAW:
        return body
    if kind == WebhookEndpoint.Type.SESSION_EVENTS:
        return session_events.render(type=type, event_id=event_id, body=body)
    cut = len(_opening(type))
    return body[:cut] + b',"delivery_id":"%s"' % str(delivery_id).encode() + body[cut:]


def _listening() -> QuerySet[WebhookEndpoint]:
    rows = WebhookEndpoint.objects.filter(is_enabled=True, removed_at=None, is_fallback=False)
    return rows.only("pk")


def _subscribed(
    *, tenant_id: int, number: PhoneNumber | None, type: str, is_test: bool
) -> list[WebhookEndpoint]:
    native, session = _KINDS
    hears = number if CATALOG[type] is Scope.PHONE else None
    ours = Q(type=native, phone_number=hears, events__overlap=_heard_as(type, native))
    if names := _heard_as(type, session):
        of_number = Q(phone_number=hears) | Q(phone_number=None)
        ours |= Q(of_number, type=session, events__overlap=names)
    return list(_listening().filter(ours, tenant_id=tenant_id, is_test=is_test))


def _heard_as(type: str, kind: str) -> list[str]:
    """What an endpoint of a kind may have subscribed to, to hear an event; nothing where it never does."""
    name = (
        wire_name(type) if kind == WebhookEndpoint.Type.GOSENDAPI_EVENTS else session_events.NAMES.get(type)
    )
    return [name, ALL] if name else []


def _owe(event: Event, endpoints: list[WebhookEndpoint]) -> None:
    with transaction.atomic(savepoint=False):
        event.save(force_insert=True)
        Delivery.objects.bulk_create(
            Delivery(tenant_id=event.tenant_id, endpoint=endpoint, event=event) for endpoint in endpoints
        )
        doorbell.ring("webhooks_app.deliver")


def _owe_all(told: Sequence[tuple[Source, str, int | None, datetime, bytes, Sequence[int]]]) -> None:
    """Insert events and their deliveries, in the order given."""
    if not told:
        return
    fresh = [
        {
            "n": n,
            "tenant_id": source.tenant_id,
            "phone_number_id": source.number_id,
            "type": type,
            "message_id": message_id,
            "occurred_at": occurred_at,
            "body": b64encode(body).decode(),
        }
        for n, (source, type, message_id, occurred_at, body, _) in enumerate(told)
    ]
    owed = [
        {"n": n, "e": pk, "uid": time_ordered_uuid()}
        for n, (*_, endpoint_ids) in enumerate(told)
        for pk in endpoint_ids
    ]
    with connection.cursor() as cursor:
        cursor.execute(_OWE, [orjson.dumps(fresh).decode(), orjson.dumps(owed).decode()])
    doorbell.ring("webhooks_app.deliver")


def _freeze(
    *,
    tenant_id: int,
    phone_number_id: str | None,
    type: str,
    data: Mapping[str, Any],
    occurred_at: datetime,
) -> bytes:
    rest = {
        "occurred_at": occurred_at.astimezone(UTC),
        "tenant_id": str(tenant_id),
        "phone_number_id": phone_number_id,
        **data,
    }
    return _opening(type) + b"," + orjson.dumps(rest, option=orjson.OPT_UTC_Z)[1:]


@lru_cache(maxsize=64)
def _opening(type: str) -> bytes:
    """What every body begins with; a delivery's id is put in right behind it."""
    return b'{"event":' + orjson.dumps(wire_name(type))


_AUDIENCE = """
SELECT phone_number_id, id, tenant_id, is_test, type, events
  FROM webhooks_app_webhookendpoint
 WHERE is_enabled AND removed_at IS NULL AND NOT is_fallback
   AND (phone_number_id = ANY(%s::bigint[]) AND type IN ('gosendapi_events', 'session_events')
        OR phone_number_id IS NULL AND type = 'session_events' AND tenant_id IN (
           SELECT tenant_id FROM accounts_phonenumber WHERE id = ANY(%s::bigint[])))
 ORDER BY id
"""
# Bodies travel inside JSON, which is cheaper to bind than an array of bytes.
_OWE = """
WITH fresh AS MATERIALIZED (
    SELECT gosend_next_id() AS id, given.*
      FROM jsonb_to_recordset(%s::jsonb) AS given
           (n int, tenant_id bigint, phone_number_id bigint, type text, message_id bigint,
            occurred_at timestamptz, body text)
), told AS (
    INSERT INTO webhooks_app_event (id, tenant_id, phone_number_id, type, message_id, occurred_at, body)
    SELECT id, tenant_id, phone_number_id, type, message_id, occurred_at, decode(body, 'base64') FROM fresh
)
INSERT INTO webhooks_app_delivery
       (tenant_id, endpoint_id, event_id, delivery_id, status, trigger, ended_reason,
        attempt_count, attempts_before, claim_count)
SELECT fresh.tenant_id, owed.e, fresh.id, owed.uid, 'pending', 'schedule', '', 0, 0, 0
  FROM jsonb_to_recordset(%s::jsonb) AS owed (n int, e bigint, uid uuid) JOIN fresh USING (n)
 ORDER BY owed.n, owed.e
"""
