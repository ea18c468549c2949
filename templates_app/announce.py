"""What tenants are told about their templates."""

from templates_app.models import Template
from webhooks_app import events

# The changes of status that a tenant is told.
_TOLD: dict[str, str] = {
    Template.Status.APPROVED: "template.approved",
    Template.Status.REJECTED: "template.rejected",
    Template.Status.PAUSED: "template.paused",
}


def status_changed(template: Template, *, waba_id: str) -> None:
    """Tell of a status that has just been saved, in the transaction that saved it."""
    type_ = _TOLD.get(template.status)
    if type_ is None:
        return
    events.publish(
        tenant_id=template.tenant_id,
        number=None,
        is_test=template.business_account.is_sandbox,
        type=type_,
        occurred_at=template.updated_at,
        data={
            "template": {
                "id": str(template.pk),
                "waba_id": waba_id,
                "name": template.name,
                "language": template.language,
                "status": template.status,
                "rejection_reason": template.rejection_reason,
            }
        },
    )
