"""Add, change, remove an endpoint; disable it when it is hopeless."""

from collections.abc import Sequence
from typing import NoReturn

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models.functions import Now
from django.utils import timezone

from accounts.models import PhoneNumber, Tenant
from gosend.lib import http, signing
from gosend.lib.errors import DomainError
from webhooks_app import ending, session_events
from webhooks_app import events as catalog
from webhooks_app.models import Delivery, WebhookEndpoint

_MAX_URL_LENGTH = 2048


class InvalidEvent(DomainError):
    code = "invalid_event"


class InvalidUrl(DomainError):
    code = "invalid_url"


class WebhookExists(DomainError):
    code = "webhook_exists"


class FallbackFixed(DomainError):
    code = "invalid_field"


class WebhookDisabled(DomainError):
    code = "webhook_disabled"


class NumberMissing(DomainError):
    code = "missing_required_field"


def add(
    *,
    tenant: Tenant,
    url: str,
    events: Sequence[str],
    number: PhoneNumber | None = None,
    type: str = WebhookEndpoint.Type.GOSENDAPI_EVENTS,
    schedule: str = WebhookEndpoint.Schedule.DEFAULT,
    is_enabled: bool = True,
    is_test: bool = False,
    secret: str = "",
) -> tuple[WebhookEndpoint, str]:
    """Add an endpoint; its secret, made here unless one is given, is returned this once.

    `is_test` is for one of the whole project; that of a number goes with its number.
    """
    secret = secret or signing.new_webhook_secret()
    endpoint = WebhookEndpoint(
        tenant=tenant,
        phone_number=number,
        url=_checked_url(url),
        type=type,
        events=_checked_events(events, number=number, type=type),
        schedule=schedule,
        is_enabled=is_enabled,
        is_test=number.is_sandbox if number else is_test,
        # By the clock of updated_at, which would else be the earlier one.
        created_at=timezone.now(),
    )
    endpoint.secret = secret
    _save(endpoint)
    return endpoint, secret


def change(
    *,
    endpoint: WebhookEndpoint,
    url: str | None = None,
    events: Sequence[str] | None = None,
    type: str | None = None,
    schedule: str | None = None,
    is_enabled: bool | None = None,
) -> WebhookEndpoint:
    """Change what is given; enabling begins with a clean slate, disabling ends what waits.

    Of much that waits the sweep ends the rest, within a minute or so (see ending.py); what is left when the
    endpoint is enabled again before is delivered.
    """
    fixed = {"url": url, "events": events, "type": type}
    if endpoint.is_fallback and (given := [name for name, value in fixed.items() if value is not None]):
        raise FallbackFixed(
            "It stands for the project's webhook_url: only enabled and retry_schedule change",
            details={"field": given[0]},
        )
    with transaction.atomic():
        fresh = _lock(endpoint)
        if url is not None:
            fresh.url = _checked_url(url)
        if schedule is not None:
            fresh.schedule = schedule
        if events is not None or type is not None:
            fresh.type = type or fresh.type
            fresh.events = _checked_events(
                fresh.events if events is None else events, number=fresh.phone_number, type=fresh.type
            )
        if is_enabled is not None and is_enabled != fresh.is_enabled:
            _switch(fresh, is_enabled=is_enabled)
        _save(fresh)
    return fresh


def remove(*, endpoint: WebhookEndpoint) -> None:
    """Take an endpoint away with all that waits for it, as when it is disabled; the log of the past stays."""
    if endpoint.is_fallback:
        raise FallbackFixed("It stands for the project's webhook_url: disable it, or empty that address")
    with transaction.atomic():
        fresh = _lock(endpoint)
        fresh.is_enabled = False
        fresh.sealed_secret = fresh.sealed_previous_secret = ""
        fresh.save()
        WebhookEndpoint.objects.filter(pk=fresh.pk).update(removed_at=Now())
        ending.end_batch(endpoint=fresh, reason=Delivery.EndedReason.ENDPOINT_REMOVED)


def require_enabled(*, endpoint: WebhookEndpoint) -> None:
    """Raise WebhookDisabled for an endpoint that nothing is posted to."""
    if not endpoint.is_enabled:
        raise WebhookDisabled("The webhook is disabled; enable it first")


def refuse_event(event: str, *, allowed: list[str]) -> NoReturn:
    raise InvalidEvent(
        f"Not an event of this webhook: {event}",
        details={"field": "event", "invalid": [event], "allowed": allowed},
    )


def disable(*, endpoint: WebhookEndpoint, reason: str) -> None:
    """Disable an endpoint that the caller has locked, end what waits for it, and tell its owner."""
    _switch(endpoint, is_enabled=False)
    endpoint.disabled_reason = reason
    endpoint.save(update_fields=["is_enabled", "disabled_reason", "updated_at"])
    WebhookEndpoint.objects.filter(pk=endpoint.pk).update(disabled_at=Now())
    endpoint.refresh_from_db(fields=["disabled_at"])
    assert endpoint.disabled_at is not None  # noqa: S101 -- just set, for the type checker
    catalog.publish(
        tenant_id=endpoint.tenant_id,
        number=None,
        type="account.alert",
        data={"alert": {"type": "webhook_disabled", "webhook_id": str(endpoint.pk), "reason": reason}},
        occurred_at=endpoint.disabled_at,
        is_test=endpoint.is_test,
    )


def _lock(endpoint: WebhookEndpoint) -> WebhookEndpoint:
    # Always the endpoint before its deliveries, so that no two transactions wait for each other.
    return (
        WebhookEndpoint.objects.select_for_update(no_key=True, of=("self",))
        .select_related("phone_number")
        .get(pk=endpoint.pk)
    )


def _save(endpoint: WebhookEndpoint) -> None:
    try:
        with transaction.atomic():
            endpoint.save()
    except IntegrityError as error:
        if "endpoint_one_meta_raw_per_number" not in str(error):
            raise
        raise WebhookExists("This number already has a webhook of type meta_raw.") from error


def _switch(endpoint: WebhookEndpoint, *, is_enabled: bool) -> None:
    endpoint.is_enabled = is_enabled
    if is_enabled:
        endpoint.disabled_reason = ""
        endpoint.disabled_at = endpoint.failing_since = None
        endpoint.given_up_count = endpoint.warned_percent = 0
    else:
        ending.end_batch(endpoint=endpoint, reason=Delivery.EndedReason.ENDPOINT_DISABLED)


def _checked_url(url: str) -> str:
    if len(url) > _MAX_URL_LENGTH:
        raise InvalidUrl(f"The URL is longer than {_MAX_URL_LENGTH} characters.", details={"field": "url"})
    try:
        http.check_url(url, guard=http.guard_of(tuple(settings.TRUSTED_NETWORKS)))
    except http.BadUrl as error:
        details = {"field": "url", "reason": error.reason}
        raise InvalidUrl(f"The URL cannot be used: {error.reason}.", details=details) from error
    return url


def _checked_events(names: Sequence[str], *, number: PhoneNumber | None, type: str) -> list[str]:
    """The names as receivers see them, each once; refused when one is unknown or of the other scope."""
    if type == WebhookEndpoint.Type.META_RAW:
        return _no_events(names, number=number)
    if type == WebhookEndpoint.Type.SESSION_EVENTS:
        return _session_events(names)
    scope = catalog.Scope.PHONE if number else catalog.Scope.PROJECT
    allowed = [*catalog.wire_names(scope), catalog.ALL]
    wanted = list(
        dict.fromkeys(name if name in allowed else catalog.wire_name(catalog.type_of(name)) for name in names)
    )
    if not wanted:
        raise InvalidEvent("Name at least one event.", details={"field": "events", "allowed": allowed})
    if invalid := [name for name in names if name not in allowed and catalog.wire_name(name) not in allowed]:
        raise InvalidEvent(
            f"Not an event of a {scope}-level webhook: {', '.join(invalid)}.",
            details={"field": "events", "invalid": invalid, "scope": scope.value, "allowed": allowed},
        )
    return wanted


def _session_events(names: Sequence[str]) -> list[str]:
    allowed = [*dict.fromkeys(session_events.NAMES.values()), catalog.ALL]
    invalid = [name for name in names if name not in allowed]
    if invalid or not names:
        raise InvalidEvent(
            f"Not an event of this webhook: {', '.join(invalid) or 'none is named'}.",
            details={"field": "events", "invalid": invalid, "allowed": allowed},
        )
    return list(dict.fromkeys(names))


def _no_events(names: Sequence[str], *, number: PhoneNumber | None) -> list[str]:
    if number is None:
        raise NumberMissing(
            "A meta_raw webhook belongs to one phone number.", details={"field": "phone_number_id"}
        )
    if names:
        raise InvalidEvent(
            "A meta_raw webhook takes no events: it gets all that Meta posts.",
            details={"field": "events", "invalid": list(names), "allowed": []},
        )
    return []
