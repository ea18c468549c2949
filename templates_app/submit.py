"""Create a template at Meta, and delete one."""

from collections.abc import Mapping
from typing import Any

from django.db import transaction

from accounts.models import BusinessAccount
from gosend.lib.errors import DomainError
from gosend.whatsapp import template_rules
from gosend.whatsapp.client import GraphClient, GraphError
from gosend.whatsapp.errors import Outcome
from gosend.whatsapp.violations import Violation
from templates_app import copies, graph, sync
from templates_app.models import Template

# Meta's subcodes: a template of this name and language is there; there is none.
EXISTS, GONE = 2388024, 2593002


class TemplateInvalid(DomainError):
    code = "invalid_template"


class TemplateExists(DomainError):
    code = "template_exists"


def create(*, account: BusinessAccount, definition: Mapping[str, Any]) -> Template:
    """Submit a template for review and keep our copy. Call it outside a transaction.

    Raises TemplateInvalid before Meta is asked, TemplateExists, MetaRefused, and MetaUnavailable: then
    Meta does not have it, or could not be asked whether it has.
    """
    body = _checked(definition)
    key = {"name": body["name"], "language": body["language"]}
    own = Template.objects.filter(business_account=account, **key)
    if own.exclude(status=Template.Status.DELETED).exists():
        raise _exists(**key)
    client = sync.client_of(account)
    try:
        answer = client.create_template(waba_id=account.waba_id, body=body)
    except GraphError as error:
        answer = _settle(error, client, account, key)
    if "components" not in body:
        sync.ask(account=account)  # one out of Meta's library; only the list has its content
    return _keep(account, body, answer)


def delete(*, account: BusinessAccount, template: Template) -> None:
    """Delete one language of a template at Meta, then mark our copy. Call it outside a transaction.

    It may be repeated: what Meta no longer has counts as deleted.
    """
    client = sync.client_of(account)
    try:
        template_id = template.meta_template_id or _id_at_meta(client, account, template)
        if template_id:
            client.delete_template(waba_id=account.waba_id, name=template.name, template_id=template_id)
    except GraphError as error:
        if error.subcode != GONE:
            raise graph.as_domain_error(error) from error
    template.status = Template.Status.DELETED
    template.save(update_fields=["status", "updated_at"])


def _checked(definition: Mapping[str, Any]) -> dict[str, Any]:
    found = template_rules.check(definition)
    if found:
        first = found[0]
        raise TemplateInvalid(
            f"Validation failed: '{first.path}' {first.message}",
            details={"field": first.path, "errors": [_written(violation) for violation in found]},
        )
    return {**definition, "category": template_rules.category_of(definition)}


def _written(violation: Violation) -> dict[str, Any]:
    return {
        "path": violation.path,
        "message": violation.message,
        "limit": violation.limit,
        "value": violation.value,
    }


def _exists(*, name: str, language: str) -> TemplateExists:
    return TemplateExists(
        f"There is already a template {name[:100]!r} in language {language!r}",
        details={"name": name, "language": language},
    )


def _settle(
    error: GraphError, client: GraphClient, account: BusinessAccount, key: dict[str, str]
) -> dict[str, Any]:
    """Find out what became of a creation that Meta did not confirm."""
    if error.subcode == EXISTS:
        sync.ask(account=account)
        raise _exists(**key) from error
    if error.outcome is not Outcome.UNKNOWN:
        raise graph.as_domain_error(error) from error
    try:
        found = _find(client, account, key)
    except GraphError as second:
        raise graph.as_domain_error(error) from second
    if found is None:
        raise graph.as_domain_error(error) from error
    return found


def _find(client: GraphClient, account: BusinessAccount, key: dict[str, str]) -> dict[str, Any] | None:
    """Look for a template by its whole name; Meta's filter also finds longer ones."""
    after = ""
    for _ in range(sync.MAX_PAGES):
        page = client.list_templates(waba_id=account.waba_id, after=after, **key)
        for row in page.rows:
            if key.items() <= row.items():
                return row
        if not page.after or page.after == after:
            break
        after = page.after
    return None


def _id_at_meta(client: GraphClient, account: BusinessAccount, template: Template) -> str:
    found = _find(client, account, {"name": template.name, "language": template.language})
    return str(found.get("id") or "") if found else ""


def _keep(account: BusinessAccount, body: dict[str, Any], answer: Mapping[str, Any]) -> Template:
    """Store what was submitted, with the id, status and category that Meta gave it."""
    fresh = copies.read({**body, **answer})
    if fresh is None:
        raise AssertionError("what the rules accept can be kept")
    copies.belong(fresh, account=account, synced_at=None)
    with transaction.atomic():
        rows = Template.objects.select_for_update().filter(business_account=account)
        known = rows.filter(name=fresh.name, language=fresh.language).first()
        if known is None:
            Template.objects.bulk_create([fresh], ignore_conflicts=True)
            return rows.get(name=fresh.name, language=fresh.language)
        if known.meta_template_id == fresh.meta_template_id:
            return known  # a callback or a sync was here first, and knows more
        copies.take_over(known, fresh)
        known.save()
        return known
