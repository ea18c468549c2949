"""What Meta says about accounts and numbers: taken over, and told to the tenant."""

from typing import Any

from django.db import transaction
from django.utils import timezone

from accounts import notices as room
from accounts.models import BusinessAccount, MetaApp
from gosend.whatsapp.events import (
    AccountAlert,
    AccountUpdate,
    CapabilityUpdate,
    NameUpdate,
    QualityUpdate,
)
from webhooks_app import events, numbers

Notice = AccountAlert | AccountUpdate | CapabilityUpdate | NameUpdate | QualityUpdate

# What may happen to an account that its tenant should hear of.
_ALARMING = frozenset(
    {
        "ACCOUNT_DELETED",
        "ACCOUNT_OFFBOARDED",
        "ACCOUNT_RECONNECTED",
        "ACCOUNT_RESTRICTION",
        "ACCOUNT_VIOLATION",
        "DISABLED_UPDATE",
        "PARTNER_APP_UNINSTALLED",
        "PARTNER_REMOVED",
    }
)


def take(*, item: Notice, app: MetaApp | None, is_sandbox: bool) -> None:
    """Note one thing that Meta says; what concerns nobody here changes nothing."""
    account = room.account_of(waba_id=item.waba_id, app=app, is_sandbox=is_sandbox)
    if account is None:
        return
    with transaction.atomic():
        _note(account, item)


def _note(account: BusinessAccount, item: Notice) -> None:
    match item:
        case QualityUpdate():
            if change := room.note_quality(account=account, update=item):
                _quality_changed(change, meta_event=item.event)
        case NameUpdate():
            room.note_name(account=account, update=item)
        case CapabilityUpdate():
            room.note_limit(account=account, limit=item.limit)
        case AccountUpdate():
            _state_changed(account, item)
        case AccountAlert():
            _alert(
                account, type=item.type, severity=item.severity, description=item.description, raw=item.raw
            )


def _state_changed(account: BusinessAccount, item: AccountUpdate) -> None:
    for number, was in room.note_state(account=account, update=item):
        numbers.changed(number=number, was=was)
    if item.event in _ALARMING:
        _alert(account, type=item.event, severity="", description="", raw=item.raw)


def _quality_changed(change: room.QualityChange, *, meta_event: str) -> None:
    number = change.number
    events.publish(
        tenant_id=number.tenant_id,
        number=number,
        type="phone_number.quality",
        occurred_at=timezone.now(),
        data={
            "phone_number": numbers.described(
                number,
                quality_rating=number.quality_rating,
                previous_quality_rating=change.previous_rating,
                throughput_tier=number.throughput_tier,
                messaging_limit=number.business_account.messaging_limit or None,
                meta_event=meta_event,
            )
        },
    )


def _alert(
    account: BusinessAccount, *, type: str, severity: str, description: str, raw: dict[str, Any]
) -> None:
    events.publish(
        tenant_id=account.tenant_id,
        number=None,
        is_test=account.is_sandbox,
        type="account.alert",
        occurred_at=timezone.now(),
        data={
            "alert": {
                "type": type.lower() or "unknown",
                "severity": severity.lower() or None,
                "description": description or None,
                "waba_id": account.waba_id,
                "account_status": account.status,
                "meta": raw.get("value"),
            }
        },
    )
