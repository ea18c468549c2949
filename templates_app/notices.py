"""Take over what Meta's callbacks say about a template."""

from typing import Any

from django.db import transaction

from accounts import numbers
from accounts.models import BusinessAccount, MetaApp
from gosend.whatsapp.events import (
    TemplateCategoryUpdate,
    TemplateComponentsUpdate,
    TemplateQualityUpdate,
    TemplateUpdate,
)
from templates_app import announce, sync
from templates_app.models import Template

Update = TemplateUpdate | TemplateQualityUpdate | TemplateCategoryUpdate | TemplateComponentsUpdate

# Happenings that are no status to stay in; what the template is now, Meta's list says.
_PASSING = frozenset({Template.Status.REINSTATED.value, "UNARCHIVED"})


def take(*, update: Update, app: MetaApp | None, is_sandbox: bool) -> None:
    """Note what is new; what is known already changes nothing. What only a list can tell is asked for."""
    account = BusinessAccount.objects.filter(waba_id=update.waba_id).first()
    if account is None:
        return
    numbers.require_hears(account, app=app, is_sandbox=is_sandbox)
    with transaction.atomic():
        template = (
            Template.objects.select_for_update()
            .filter(business_account=account, name=update.name, language=update.language)
            .first()
        )
        is_clear = template is not None and _note(template, update, account)
        if not is_clear:
            sync.ask(account=account)


def _note(template: Template, update: Update, account: BusinessAccount) -> bool:
    """Change the row as told; False when the callback does not say what it is now."""
    match update:
        case TemplateUpdate():
            return _status(template, update, account)
        case TemplateQualityUpdate():
            _save(template, quality_score=update.score.upper()[:10])
        case TemplateCategoryUpdate():
            category = update.category.upper()
            if category in Template.Category:
                _save(template, category=category)
        case TemplateComponentsUpdate():
            return False
    return True


def _status(template: Template, update: TemplateUpdate, account: BusinessAccount) -> bool:
    status = update.event.upper()
    if status in _PASSING or status not in Template.Status:
        return False
    reason = update.reason[:200] if status == Template.Status.REJECTED else ""
    before = template.status
    _save(template, status=status, rejection_reason=reason, meta_template_id=update.template_id[:64])
    if before != status:
        announce.status_changed(template, waba_id=account.waba_id)
    return True


def _save(template: Template, **values: Any) -> None:
    """Save what differs, so that a callback told twice leaves the row as it was."""
    if any(getattr(template, name) != value for name, value in values.items()):
        for name, value in values.items():
            setattr(template, name, value)
        template.save(update_fields=[*values, "updated_at"])
