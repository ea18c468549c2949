"""Post a sample to an endpoint, because its owner wants to see it arrive."""

from typing import Any

from django.db import transaction
from django.utils import timezone

from accounts.models import Tenant
from webhooks_app import claims, endpoints, events, samples
from webhooks_app.claims import Claim
from webhooks_app.models import Delivery, Trigger, WebhookEndpoint

# So many of a tenant's are posted while it waits; a receiver that hangs holds one of our threads.
_AT_ONCE = 2


def begin(*, endpoint: WebhookEndpoint, event: str | None = None) -> tuple[Delivery, Claim | None]:
    """Owe an endpoint the sample of an event, by default `webhook.test`, and claim it for the caller.

    Without a claim it is a worker's: too many are being posted already. Raises WebhookDisabled, and
    InvalidEvent for an event that this endpoint never hears.
    """
    endpoints.require_enabled(endpoint=endpoint)
    type = _type(endpoint, event)
    with transaction.atomic():
        # Counted one after the other, so that two at once do not both find room.
        Tenant.objects.select_for_update(no_key=True).get(pk=endpoint.tenant_id)
        delivery = events.publish_to(
            endpoint=endpoint, type=type, data=_data(endpoint, type), occurred_at=timezone.now()
        )
        Delivery.objects.filter(pk=delivery.pk).update(trigger=Trigger.MANUAL)
        claim = claims.take_one(delivery=delivery) if _has_room(endpoint) else None
    return delivery, claim


def _type(endpoint: WebhookEndpoint, event: str | None) -> str:
    if endpoint.type == WebhookEndpoint.Type.META_RAW:
        if event is not None:
            endpoints.refuse_event(event, allowed=[])
        return events.RAW
    scope = events.Scope.PHONE if endpoint.phone_number else events.Scope.PROJECT
    allowed = [events.TEST, *events.wire_names(scope)]
    wanted = events.wire_name(events.type_of(event or events.TEST))
    if wanted not in allowed:
        endpoints.refuse_event(wanted, allowed=allowed)
    return events.type_of(wanted)


def _data(endpoint: WebhookEndpoint, type: str) -> dict[str, Any]:
    if type == events.RAW:
        assert endpoint.phone_number is not None  # noqa: S101 -- a raw endpoint has one
        return samples.meta_callback(endpoint.phone_number)
    if type == events.TEST:
        return {**samples.SAMPLES[type], "webhook": {"id": str(endpoint.pk)}}
    return {"is_test": True, **samples.SAMPLES[type]}


def _has_room(endpoint: WebhookEndpoint) -> bool:
    under_way = Delivery.objects.filter(
        tenant_id=endpoint.tenant_id, trigger=Trigger.MANUAL, lease_expires_at__gt=timezone.now()
    )
    return under_way.count() < _AT_ONCE
