"""Connect a number by its token, and check one: each step asked of Meta, with the cure of what is wrong."""

from collections.abc import Mapping
from typing import Any

from django import forms
from django.db import transaction

from accounts import checkup, notices, numbers
from accounts.acts import ActForm, Done, Finding
from accounts.checkup import Checkup, State
from accounts.health_page import done_of, findings_of
from accounts.models import BusinessAccount, Customer, PhoneNumber, Tenant
from gosend.lib import phone
from webhooks_app import numbers as lines

# What must be right before a number is connected; the rest may be mended afterwards.
_NEEDED = frozenset({"token", "account", "number"})
_LIMIT = "whatsapp_business_manager_messaging_limit"
_TIERS = {"STANDARD": PhoneNumber.Tier.STANDARD, "HIGH": PhoneNumber.Tier.HIGH}
# What Meta has no word for, and operators set: never changed by what Meta says.
_OF_OPERATORS = (PhoneNumber.Tier.MEDIUM, PhoneNumber.Tier.UNLIMITED)
_NO_CUSTOMER = Finding(
    "customer", "The tenant has no default customer.", "failed", "Mark one of its customers as the default."
)


def _pin(*, is_required: bool) -> forms.RegexField:
    helps = "Six digits: its two-step verification's or, where it has none, one of your choice."
    if not is_required:
        helps = (
            f"Registers a new number with the Cloud API. {helps} Empty for one that is registered already."
        )
    return forms.RegexField(
        r"\A[0-9]{6}\Z",
        required=is_required,
        label="PIN",
        widget=forms.PasswordInput(render_value=False, attrs={"inputmode": "numeric", "maxlength": "6"}),
        help_text=helps,
        error_messages={"invalid": "Give six digits."},
    )


class PinForm(ActForm):
    pin = _pin(is_required=True)


class ConnectForm(ActForm):
    tenant = forms.ModelChoiceField(Tenant.objects.order_by("name"))
    waba_id = forms.RegexField(r"\A[0-9]{5,64}\Z", label="WhatsApp Business Account id")
    phone_number_id = forms.RegexField(
        r"\A[0-9]{5,64}\Z", label="Phone number id", help_text="Meta's id, not the telephone number itself."
    )
    access_token = forms.CharField(
        widget=forms.PasswordInput(render_value=False),
        help_text="A system user's, with whatsapp_business_management and whatsapp_business_messaging.",
    )
    pin = _pin(is_required=False)
    subscribe = forms.BooleanField(
        required=False,
        initial=True,
        label="Subscribe the app",
        help_text="Have Meta post the account's callbacks to the token's app.",
    )


def connect(row: None, data: Mapping[str, Any]) -> Done:
    """Nothing is kept unless the token, the account and the number are what they should be."""
    tenant, waba_id, number_id = data["tenant"], data["waba_id"], data["phone_number_id"]
    account = BusinessAccount.objects.filter(waba_id=waba_id).first()
    if account is None:
        customer = Customer.objects.filter(tenant=tenant, is_default=True).first()
        if customer is None:
            return _refused([_NO_CUSTOMER])
        account = BusinessAccount(tenant=tenant, waba_id=waba_id, customer=customer)
    known = PhoneNumber.objects.filter(phone_number_id=number_id).first()
    if strange := _belongs_elsewhere(account, known, tenant):
        return _refused([strange])
    account.access_token = data["access_token"]
    client = numbers.client_for_account(account)
    found = checkup.run(
        client=client,
        waba_id=waba_id,
        tenant_id=tenant.pk,
        phone_number_id=number_id,
        pin=data["pin"],
        is_to_subscribe=data["subscribe"],
    )
    findings = findings_of(found)
    if any(step.name in _NEEDED and step.state == State.FAILED for step in found.steps):
        return _refused(findings)
    number = _keep(account, known, number_id, found)
    return Done("Connected. What is marked below can still be mended.", "", findings, subject=number)


def check(row: PhoneNumber, data: Mapping[str, Any]) -> Done:
    return _looked(row, checkup.of_number(row))


def subscribe(row: PhoneNumber, data: Mapping[str, Any]) -> Done:
    return _looked(row, checkup.of_number(row, is_to_subscribe=True))


def register(row: PhoneNumber, data: Mapping[str, Any]) -> Done:
    return _looked(row, checkup.of_number(row, pin=data["pin"]))


def _looked(row: PhoneNumber, found: Checkup) -> Done:
    if told := _told(row, found):
        PhoneNumber.objects.filter(pk=row.pk).update(**told)
    _note_limit(row.business_account, found)
    return done_of(findings_of(found))


def _told(number: PhoneNumber, found: Checkup) -> dict[str, str]:
    """What Meta says of a number's quality and throughput, where it says so."""
    told: dict[str, str] = {}
    rating = str(found.number.get("quality_rating", "")).lower()
    if rating in PhoneNumber.Quality.values:
        told["quality_rating"] = rating
    throughput = found.number.get("throughput")
    tier = _TIERS.get(str(throughput.get("level"))) if isinstance(throughput, dict) else None
    if tier is not None and number.throughput_tier not in _OF_OPERATORS:
        told["throughput_tier"] = tier
    return told


def _note_limit(account: BusinessAccount, found: Checkup) -> None:
    notices.note_limit(account=account, limit=str(found.number.get(_LIMIT) or ""))


def _belongs_elsewhere(account: BusinessAccount, known: PhoneNumber | None, tenant: Tenant) -> Finding | None:
    # In the same words whoever has it: whose it is, is not told.
    if account.is_sandbox or account.tenant_id != tenant.pk:
        return Finding("account", "This account cannot be connected here.", "failed", "Check its id.")
    if known and (known.tenant_id != tenant.pk or known.business_account_id != account.pk):
        return Finding("number", "This number cannot be connected here.", "failed", "Check its id.")
    return None


def _refused(findings: list[Finding]) -> Done:
    says = "Not connected, and nothing was kept. Mend what failed and try again."
    failed = [step.name for step in findings if step.state == "failed"]
    return Done(
        says, findings=findings, details={"failed": failed}, recorded_as="phonenumber.connection_refused"
    )


@transaction.atomic
def _keep(account: BusinessAccount, known: PhoneNumber | None, number_id: str, found: Checkup) -> PhoneNumber:
    account.token_expires_at = found.token_expires_at
    account.display_name = str(found.account.get("name") or account.display_name)[:200]
    account.status = BusinessAccount.Status.ACTIVE
    account.save()
    number = known or PhoneNumber(
        tenant_id=account.tenant_id, business_account=account, phone_number_id=number_id
    )
    shown = str(found.number.get("display_phone_number") or number.display_phone_number or number_id)
    number.display_phone_number = shown[:32]
    number.display_phone_number_normalized = phone.plain(shown)[:20]
    number.verified_name = str(found.number.get("verified_name") or "")[:200]
    for name, value in _told(number, found).items():
        setattr(number, name, value)
    _note_limit(account, found)
    number.status = PhoneNumber.Status.ACTIVE
    lines.keep(number=number)
    numbers.token_replaced(account)
    return number
