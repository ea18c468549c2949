"""Write down who did or looked at what."""

from collections.abc import Mapping
from typing import Any

from django.db.models import Model

from accounts.models import AuditEvent, Tenant, User
from gosend.lib import logs


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


def _tenant_of(subject: Model | None) -> int | None:
    if isinstance(subject, Tenant):
        return subject.pk
    return getattr(subject, "tenant_id", None)
