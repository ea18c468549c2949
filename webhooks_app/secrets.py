"""The secrets of an endpoint: which of them sign, and how they change."""

from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import QuerySet
from django.db.models.functions import Now

from gosend.lib import signing
from webhooks_app.models import WebhookEndpoint

MAX_OVERLAP_HOURS = 168


def signing_at(*, endpoint: WebhookEndpoint, at: datetime) -> list[str]:
    """What signs at a moment, the newest first; the endpoint's tenant is loaded with it."""
    secrets = [_newest(endpoint)]
    if endpoint.previous_secret_expires_at and endpoint.previous_secret_expires_at > at:
        secrets.append(endpoint.previous_secret)
    return secrets


def rotate(*, endpoint: WebhookEndpoint, overlap_hours: int = 24, secret: str = "") -> str:
    """Give an endpoint a new secret, returned this once; until the overlap ends the old one signs too."""
    secret = secret or signing.new_webhook_secret()
    with transaction.atomic():
        fresh = _lock(endpoint)
        fresh.previous_secret = _newest(fresh) if overlap_hours > 0 else ""
        _replace(fresh, secret)
        fresh.save(update_fields=["sealed_secret", "sealed_previous_secret", "updated_at"])
        expires = Now() + timedelta(hours=overlap_hours) if overlap_hours > 0 else None
        _rows(endpoint).update(previous_secret_expires_at=expires)
    return secret


def end_overlap(*, endpoint: WebhookEndpoint) -> None:
    """Sign with the newest secret alone from now on."""
    _rows(endpoint).update(sealed_previous_secret="", previous_secret_expires_at=None)


def _newest(endpoint: WebhookEndpoint) -> str:
    return endpoint.tenant.webhook_secret if endpoint.is_fallback else endpoint.secret


def _replace(endpoint: WebhookEndpoint, secret: str) -> None:
    if endpoint.is_fallback:
        endpoint.tenant.webhook_secret = secret
        endpoint.tenant.save(update_fields=["sealed_webhook_secret"])
    else:
        endpoint.secret = secret


def _lock(endpoint: WebhookEndpoint) -> WebhookEndpoint:
    locking = WebhookEndpoint.objects.select_for_update(no_key=True, of=("self",))
    return locking.select_related("tenant").get(pk=endpoint.pk)


def _rows(endpoint: WebhookEndpoint) -> QuerySet[WebhookEndpoint]:
    return WebhookEndpoint.objects.filter(pk=endpoint.pk)
