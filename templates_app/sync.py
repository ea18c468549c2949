"""Keep our copy as Meta has it."""

from django.db import transaction

from accounts import numbers
from accounts.models import BusinessAccount, MetaApp
from gosend.whatsapp.events import TemplateUpdate
from templates_app.models import Template
from webhooks_app import events

# The changes of status that a tenant is told.
_TOLD = {
    Template.Status.APPROVED: "template.approved",
    Template.Status.REJECTED: "template.rejected",
    Template.Status.PAUSED: "template.paused",
}


def note_status(*, update: TemplateUpdate, app: MetaApp | None, is_sandbox: bool) -> None:
    """Take over a template's new status; one that we do not know, or know so already, changes nothing."""
    account = BusinessAccount.objects.filter(waba_id=update.waba_id).first()
    if account is None:
        return
    numbers.require_hears(account, app=app, is_sandbox=is_sandbox)
    status = update.event.upper()
    if status not in Template.Status:
        return
    with transaction.atomic():
        template = (
            Template.objects.select_for_update()
            .filter(business_account=account, name=update.name, language=update.language)
            .exclude(status=status)
            .first()
        )
        if template is not None:
            _change(template, Template.Status(status), update)


def _change(template: Template, status: Template.Status, update: TemplateUpdate) -> None:
    template.status = status
    template.rejection_reason = update.reason[:200] if status == Template.Status.REJECTED else ""
    template.save(update_fields=["status", "rejection_reason", "updated_at"])
    if type_ := _TOLD.get(status):
        events.publish(
            tenant_id=template.tenant_id,
            number=None,
            type=type_,
            occurred_at=template.updated_at,
            data={
                "template": {
                    "id": str(template.pk),
                    "waba_id": update.waba_id,
                    "name": template.name,
                    "language": template.language,
                    "status": status.value,
                    "rejection_reason": template.rejection_reason,
                }
            },
        )
