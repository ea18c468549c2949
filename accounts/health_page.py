"""Health checks of accounts and tenants: what Meta says of each, and the cure of what is wrong."""

from collections.abc import Mapping
from typing import Any

from accounts import checkup
from accounts.acts import Act, Done, Finding
from accounts.checkup import Checkup, State
from accounts.models import BusinessAccount, Tenant

# Accounts of a tenant that are asked about in one go: each takes some calls to Meta.
MAX_ACCOUNTS = 10


def findings_of(found: Checkup) -> list[Finding]:
    return [Finding(step.name, step.says, step.state.value, step.cure) for step in found.steps]


def done_of(findings: list[Finding]) -> Done:
    """What a health check says in all; the worst of what was found goes on record."""
    states = {one.state for one in findings}
    worst = next((one for one in (State.FAILED, State.WARNING) if one.value in states), State.OK)
    if worst is State.OK:
        says = "Nothing is wrong."
    else:
        says = "Something is wrong, or soon will be: see what to do beside it."
    return Done(says, "", findings, {"state": worst.value})


def _check_account(row: BusinessAccount, data: Mapping[str, Any]) -> Done:
    return done_of(findings_of(checkup.of_account(row)))


def _subscribe(row: BusinessAccount, data: Mapping[str, Any]) -> Done:
    return done_of(findings_of(checkup.of_account(row, is_to_subscribe=True)))


def _check_tenant(row: Tenant, data: Mapping[str, Any]) -> Done:
    rows = row.business_accounts.filter(is_sandbox=False).order_by("pk")
    accounts = list(rows[: MAX_ACCOUNTS + 1])
    findings = [] if accounts else [Finding("accounts", _NONE, "info")]
    for account in accounts[:MAX_ACCOUNTS]:
        findings += [
            Finding(f"{account}: {one.name}", one.says, one.state, one.cure)
            for one in findings_of(checkup.of_account(account))
        ]
    if len(accounts) > MAX_ACCOUNTS:
        says = f"Only the first {MAX_ACCOUNTS} accounts were looked at; check the others on their own pages."
        findings.append(Finding("accounts", says, "skipped"))
    return done_of(findings)


_NONE = (
    "This tenant has no live account yet: connect a number under Phone numbers. Its sandbox needs no check."
)
CHECK_TENANT = Act(
    "check", "Check its health", "Asks Meta about all its accounts and numbers, and tells the cures.",
    "tenant.checked", _check_tenant, is_atomic=False,
)  # fmt: skip
OF_ACCOUNT = (
    Act(
        "check", "Check its health", "Asks Meta about the account and all its numbers, and tells the cures.",
        "businessaccount.checked", _check_account, is_atomic=False,
    ),
    Act(
        "subscribe", "Subscribe the app", "Has Meta post the account's callbacks to the token's app.",
        "businessaccount.subscribed", _subscribe, is_atomic=False, fits=lambda row: not row.is_sandbox,
    ),
)  # fmt: skip
