"""The project's webhook_url, heard only while the project has no webhook of its own."""

from django.db import transaction
from django.utils import timezone

from accounts.models import Tenant
from gosend.lib import signing
from webhooks_app.models import WebhookEndpoint


def listening(*, tenant_id: int) -> list[WebhookEndpoint]:
    """The endpoint that stands for the webhook_url, if it is to be told; made when it is first needed."""
    own = WebhookEndpoint.objects.filter(tenant_id=tenant_id, phone_number=None, removed_at=None)
    # One for tests, or of the session gateway's kind, hears nothing of what is told here.
    if own.filter(is_fallback=False, is_test=False, type=WebhookEndpoint.Type.GOSENDAPI_EVENTS).exists():
        return []
    tenant = Tenant.objects.only("webhook_url", "sealed_webhook_secret").get(pk=tenant_id)
    if not tenant.webhook_url:
        return []
    endpoint = own.filter(is_fallback=True).first()
    if endpoint is None or not tenant.sealed_webhook_secret:
        endpoint = _make(tenant_id)
    if endpoint.url != tenant.webhook_url:
        WebhookEndpoint.objects.filter(pk=endpoint.pk).update(url=tenant.webhook_url)
    return [endpoint] if endpoint.is_enabled else []


@transaction.atomic
def _make(tenant_id: int) -> WebhookEndpoint:
    # Of two who need it at once the second waits here, and finds it.
    tenant = Tenant.objects.select_for_update(no_key=True).get(pk=tenant_id)
    if not tenant.sealed_webhook_secret:
        tenant.webhook_secret = signing.new_webhook_secret()
        tenant.save(update_fields=["sealed_webhook_secret"])
    return WebhookEndpoint.objects.get_or_create(
        tenant=tenant,
        is_fallback=True,
        defaults={
            "url": tenant.webhook_url,
            "events": ["*"],
            "sealed_secret": "",
            "created_at": timezone.now(),  # by the clock of updated_at
        },
    )[0]
