"""Open a tenant: owner, default customer, sandbox number, first key."""

import secrets

from django.db import transaction

from accounts.models import BusinessAccount, Customer, Member, PhoneNumber, Tenant, User

# Meta's ids are decimal strings; those of the sandbox start so that nobody takes them for real ones.
_SANDBOX_ID_PREFIX = "999"


@transaction.atomic
def open_tenant(*, name: str, owner: User | None = None, external_id: str = "") -> Tenant:
    """Make a tenant with its default customer, and the owner as its first member."""
    tenant = Tenant.objects.create(name=name, external_id=external_id)
    furnish(tenant)
    if owner is not None:
        Member.objects.create(tenant=tenant, user=owner, role=Member.Role.OWNER)
    return tenant


def furnish(tenant: Tenant) -> None:
    """Give a new tenant what every tenant has: a customer for numbers that are its own."""
    Customer.objects.create(tenant=tenant, name=tenant.name, is_default=True)


@transaction.atomic
def add_sandbox(*, tenant: Tenant) -> PhoneNumber:
    """Give a tenant a pretend business account with one number, for its test keys.

    The number defers the 24-hour window, so that a first text goes out without an inbound one; set
    its window policy to strict to see the refusal.
    """
    account = BusinessAccount.objects.create(
        tenant=tenant,
        customer=tenant.customers.get(is_default=True),
        waba_id=_sandbox_id(),
        display_name=f"{tenant.name} (sandbox)",
        status=BusinessAccount.Status.ACTIVE,
        is_sandbox=True,
    )
    # +1 555 01xx is reserved for fiction.
    line = f"1555{secrets.randbelow(900) + 100}01{secrets.randbelow(100):02d}"
    return PhoneNumber.objects.create(
        tenant=tenant,
        business_account=account,
        phone_number_id=_sandbox_id(),
        display_phone_number=f"+1 555-{line[4:7]}-{line[7:]}",
        display_phone_number_normalized=line,
        display_name=tenant.name,
        verified_name=tenant.name,
        quality_rating=PhoneNumber.Quality.GREEN,
        status=PhoneNumber.Status.ACTIVE,
        window_policy=PhoneNumber.WindowPolicy.DEFER,
        is_sandbox=True,
    )


def _sandbox_id() -> str:
    return _SANDBOX_ID_PREFIX + "".join(secrets.choice("0123456789") for _ in range(12))
