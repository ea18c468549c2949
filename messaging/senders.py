"""Which number speaks, where a client names none, or names it as people do."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import Case, F, IntegerField, Max, OuterRef, Q, QuerySet, Subquery, Value, When

from accounts import numbers
from accounts.models import ApiKey, PhoneNumber, Tenant
from gosend.lib import phone
from gosend.lib.errors import DomainError
from messaging.models import Contact, Conversation, ServiceWindow
from templates_app import catalog
from templates_app.models import Template

# Languages of one template, times numbers of its account.
_MOST_ROWS = 500
_OF_TEMPLATE = ("id", "name", "language", "status", "category", "components", "parameter_format")


class AmbiguousSender(DomainError):
    code = "ambiguous_account"


class AmbiguousLanguage(DomainError):
    code = "ambiguous_template_language"


@dataclass(frozen=True, slots=True)
class Choice:
    """A template, and the number whose account has it."""

    number: PhoneNumber
    template: Template


def all_of(*, tenant: Tenant, environment: str) -> QuerySet[PhoneNumber]:
    """The project's numbers of an environment, with their accounts; the oldest first."""
    is_test = environment == ApiKey.Environment.TEST
    own = tenant.phone_numbers.filter(is_sandbox=is_test)
    return own.select_related("business_account__customer", "tenant").order_by("pk")


def name_of(number: PhoneNumber) -> str:
    """What a number is called: the name it was given, else Meta's, else the number itself."""
    return number.display_name or number.verified_name or number.display_phone_number


def choose(
    *, tenant: Tenant, environment: str, name: str = "", contact: Contact | None = None
) -> PhoneNumber:
    """The number of that name; else the one that the contact wrote to last, of its account, the oldest.

    Raises `numbers.UnknownNumber` and AmbiguousSender. One statement.
    """
    found = list(_ranked(tenant, environment, name, contact)[:2])
    if not found:
        raise _unknown(name)
    _require_one(found, name)
    return found[0]


def choose_with_template(
    *,
    tenant: Tenant,
    environment: str,
    template: Q,
    language: str = "",
    name: str = "",
    contact: Contact | None = None,
) -> Choice:
    """The same among the numbers whose account has a template, `template` being a condition on it.

    Several languages of which none was asked for are no choice. Raises also AmbiguousLanguage and
    `catalog.TemplateUnknown`. One statement.
    """
    on_template = Q(*(_below(part) for part in template.children), _connector=template.connector)
    ranked = _ranked(tenant, environment, name, contact).filter(
        on_template, ~Q(business_account__templates__status=Template.Status.DELETED)
    )
    held = {f"held_{field}": F(f"business_account__templates__{field}") for field in _OF_TEMPLATE}
    found = list(ranked.annotate(**held)[:_MOST_ROWS])
    if not found:
        if name:
            choose(tenant=tenant, environment=environment, name=name)  # it says so if the name is wrong
        raise catalog.TemplateUnknown("Template not found", details={"field": "template_name"})
    _require_one(found, name)
    of_number = [_held(row) for row in found if row.pk == found[0].pk]
    return Choice(found[0], _in_language(of_number, language))


def _ranked(tenant: Tenant, environment: str, name: str, contact: Contact | None) -> QuerySet[PhoneNumber]:
    ranked = all_of(tenant=tenant, environment=environment)
    if name:
        digits = phone.plain(name)
        exact = Q(phone_number_id=name) | Q(display_phone_number_normalized=digits)
        called = Q(display_name=name) | Q(display_name="", verified_name=name) | Q(display_phone_number=name)
        return ranked.filter(exact | called).annotate(is_called=_truth(~exact)).order_by("is_called", "pk")
    order: list[Any] = [_truth(~Q(status=PhoneNumber.Status.ACTIVE))]
    if contact is not None:
        window = ServiceWindow.objects.filter(phone_number=OuterRef("pk"), contact=contact)
        talk = Conversation.objects.filter(phone_number=OuterRef("pk"), contact=contact)
        latest = talk.order_by().values("phone_number").annotate(at=Max("last_message_at")).values("at")
        order += [
            _truth(~Q(business_account=contact.business_account_id)),
            Subquery(window.values("expires_at")[:1]).desc(nulls_last=True),
            Subquery(latest).desc(nulls_last=True),
        ]
    return ranked.order_by(*order, "pk")


def _truth(condition: Q) -> Case:
    return Case(When(condition, then=Value(1)), default=Value(0), output_field=IntegerField())


def _below(part: Any) -> Any:
    key, value = part
    return (f"business_account__templates__{key}", value)


def _require_one(found: Sequence[PhoneNumber], name: str) -> None:
    """A name that two numbers have names neither; an id or the digits always do."""
    rivals = {row.pk for row in found if getattr(row, "is_called", 0)}
    if getattr(found[0], "is_called", 0) and len(rivals) > 1:
        raise AmbiguousSender(
            f"Several numbers are called {name[:100]!r}; name one by its phone_number_id",
            details={"field": "account_name", "value": name[:100]},
        )


def _unknown(name: str) -> numbers.UnknownNumber:
    what = f"called {name[:100]!r}" if name else "that this key may use"
    return numbers.UnknownNumber(
        f"No WhatsApp account {what} in this project", details={"field": "account_name", "value": name[:100]}
    )


def _held(row: Any) -> Template:
    fields = {field: getattr(row, f"held_{field}") for field in _OF_TEMPLATE}
    return Template(tenant_id=row.tenant_id, business_account_id=row.business_account_id, **fields)


def _in_language(templates: list[Template], language: str) -> Template:
    """The one asked for; else the only one, the approved ones counting first."""
    if language:
        found = next((one for one in templates if one.language == language), None)
        if found is None:
            raise catalog.TemplateUnknown(
                f"Template {templates[0].name!r} not found in language {language[:20]!r}",
                details={"field": "language", "allowed": sorted(one.language for one in templates)},
            )
        return found
    approved = [one for one in templates if one.status == Template.Status.APPROVED]
    if len(approved) > 1:
        languages = sorted(one.language for one in approved)
        raise AmbiguousLanguage(
            f"Template {approved[0].name!r} is approved in {', '.join(languages)}: name one in language,"
            " or give template_id",
            details={"field": "language", "allowed": languages},
        )
    return (approved or templates)[0]
