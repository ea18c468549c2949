"""Remember since when an endpoint fails: warn its owner in time, disable it when it is hopeless."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from webhooks_app import endpoints, events, retries
from webhooks_app.models import WebhookEndpoint


def note_success(*, endpoint: WebhookEndpoint) -> None:
    """Forget the failures; the endpoint is locked by the caller if it has any."""
    if endpoint.failing_since:
        mine = WebhookEndpoint.objects.filter(pk=endpoint.pk)
        mine.update(failing_since=None, given_up_count=0, warned_percent=0)
        endpoint.failing_since, endpoint.given_up_count, endpoint.warned_percent = None, 0, 0


def note_failure(*, endpoint: WebhookEndpoint, at: datetime, is_given_up: bool, is_gone: bool) -> None:
    """Count a failed attempt at an endpoint that the caller has locked, and act on it."""
    stage = retries.warning_due(endpoint, now=at) if endpoint.is_enabled else 0
    if is_given_up or stage or not endpoint.failing_since:
        endpoint.failing_since = endpoint.failing_since or at
        endpoint.given_up_count += is_given_up
        endpoint.warned_percent = max(stage, endpoint.warned_percent)
        endpoint.save(update_fields=["failing_since", "given_up_count", "warned_percent"])
    if not endpoint.is_enabled:
        return
    if is_gone:
        endpoints.disable(endpoint=endpoint, reason="The receiver answered 410 Gone.")
    elif retries.is_hopeless(endpoint, now=at):
        days = retries.DISABLE_AFTER.days
        endpoints.disable(endpoint=endpoint, reason=f"Every attempt failed for {days} days.")
    elif stage:
        _warn(endpoint, stage, at)


def _warn(endpoint: WebhookEndpoint, stage: int, at: datetime) -> None:
    assert endpoint.failing_since is not None  # noqa: S101 -- a stage needs it, for the type checker
    alert: Mapping[str, Any] = {
        "type": "webhook_failing",
        "webhook_id": str(endpoint.pk),
        "reason": f"Every attempt has failed for {stage} % of the time after which it may be disabled.",
        "percent": stage,
        "failing_since": endpoint.failing_since,
        "disabled_from": endpoint.failing_since + retries.DISABLE_AFTER,
    }
    events.publish(
        tenant_id=endpoint.tenant_id,
        number=None,
        type="account.alert",
        data={"alert": alert},
        occurred_at=at,
        is_test=endpoint.is_test,
    )
