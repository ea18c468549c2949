"""Write down who did or looked at what."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db.models import Model
from django.db.models.functions import Now

from accounts.models import AuditEvent, Tenant, User
from gosend.lib import ids, logs

# Less than the trigger's 90 days would be refused; a day more, for clocks that differ.
LEAST_DAYS = 91


def record(
    action: str,
    /,
    *,
    actor: User | None,
    subject: Model | None = None,
    tenant_id: int | None = None,
    reason: str = "",
    details: Mapping[str, Any] | None = None,
    address: str | None = None,
) -> AuditEvent:
    """Add one row, in the transaction of what it tells of.

    `actor` None means the product itself. The tenant is the subject's where it has one. Never put a
    secret, a message's text or an unmasked number into `details`.
    """
    return AuditEvent.objects.create(
        actor_id=actor.pk if actor else None,
        actor=actor.get_username() if actor else "gosend",
        action=action,
        tenant_id=tenant_id if tenant_id is not None else _tenant_of(subject),
        subject_type=subject._meta.label if subject else "",
        subject_id=str(subject.pk) if subject else "",
        subject=str(subject)[:200] if subject else "",
        reason=reason[:500],
        details=dict(details or {}),
        request_id=logs.request_id.get(),
        address=address,
    )


def forget_past(*, limit: int = 1000) -> int:
    """Delete a batch of rows older than AUDIT_DAYS; return how many.

    The database itself refuses to delete what is younger than 90 days, whoever asks.
    """
    if settings.AUDIT_DAYS <= 0:
        return 0
    days = max(settings.AUDIT_DAYS, LEAST_DAYS)
    old = AuditEvent.objects.filter(pk__lt=ids.first_of_days(days), at__lt=Now() - timedelta(days=days))
    old = old.order_by("pk")
    return AuditEvent.objects.filter(pk__in=list(old.values_list("pk", flat=True)[:limit])).delete()[0]


def _tenant_of(subject: Model | None) -> int | None:
    if isinstance(subject, Tenant):
        return subject.pk
    return getattr(subject, "tenant_id", None)
