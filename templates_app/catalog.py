"""Find a template that may be sent; check its parameters."""

from accounts.models import PhoneNumber
from gosend.lib.errors import DomainError
from templates_app.models import Template


class TemplateUnknown(DomainError):
    code = "template_not_found"


class TemplateNotApproved(DomainError):
    code = "template_not_approved"


class TemplatePaused(DomainError):
    code = "template_paused"


def require_approved(*, number: PhoneNumber, name: str, language: str) -> Template | None:
    """Return the template of the number's account, or say why it cannot be sent.

    None for a live account whose templates we never read: then Meta decides.
    """
    template = Template.objects.filter(
        business_account_id=number.business_account_id, name=name, language=language
    ).first()
    if template is None and not _has_copy(number):
        return None
    if template is None or template.status == Template.Status.DELETED:
        raise TemplateUnknown(
            f"No template {name[:100]!r} in language {language[:20]!r} for this number's account",
            details={"field": "template.name", "value": name[:100], "language": language[:20]},
        )
    if template.status == Template.Status.PAUSED:
        raise TemplatePaused(f"Meta has paused the template {name!r}", details={"status": template.status})
    if template.status != Template.Status.APPROVED:
        raise TemplateNotApproved(
            f"The template {name!r} is {template.status}, not APPROVED", details={"status": template.status}
        )
    return template


def _has_copy(number: PhoneNumber) -> bool:
    return (
        number.is_sandbox or Template.objects.filter(business_account_id=number.business_account_id).exists()
    )
