"""Connect numbers; the Graph client that speaks for each."""

from collections.abc import Collection

from django.conf import settings
from django.db import transaction
from django.db.models import Q
from django.db.models.functions import Now

from accounts.models import ApiKey, BusinessAccount, Customer, MetaApp, PhoneNumber, Tenant
from gosend.lib import doorbell, held, prepared
from gosend.lib.errors import DomainError
from gosend.sandbox.transport import SandboxTransport
from gosend.whatsapp.client import GraphClient, HttpTransport

# A pretend Meta takes any token but none.
SANDBOX_TOKEN = "sandbox"  # noqa: S105
_held: held.Held[tuple[int, str], PhoneNumber] = held.Held()


class UnknownNumber(DomainError):
    code = "invalid_phone_number_id"


class EnvironmentMismatch(DomainError):
    code = "environment_mismatch"


class NumberNotConnected(DomainError):
    code = "phone_number_not_connected"


class NumberStopped(DomainError):
    code = "phone_number_stopped"


class AccountSuspended(DomainError):
    code = "waba_suspended"


class TenantSuspended(DomainError):
    code = "tenant_suspended"


class CustomerSuspended(DomainError):
    code = "customer_suspended"


class NotForThisApp(Exception):
    """The app that signed a callback does not speak for the account that it is about."""


def find(*, tenant: Tenant, phone_number_id: str) -> PhoneNumber:
    """Return one of the tenant's numbers by Meta's id, with its account, in one query.

    Raises UnknownNumber, in the same words for a number of somebody else's.
    """
    number = find_many(tenant=tenant, phone_number_ids=[phone_number_id]).get(phone_number_id)
    if number is None:
        raise unknown(phone_number_id)
    return number


def find_held(*, tenant: Tenant, phone_number_id: str) -> PhoneNumber:
    """The same from memory, where it was found within LOOKUPS_LIVE_SECONDS: for the hot doors."""
    return _held.get(
        (tenant.id, phone_number_id),
        lambda: find(tenant=tenant, phone_number_id=phone_number_id),
        version=lambda: prepared.rows(_VERSION, [str(tenant.pk), phone_number_id]) or None,
    )


# Every change of a row gives it another place or another xmin. Reading these costs a twentieth of reading the
# rows.
_VERSION = """
SELECT number.ctid::text, number.xmin::text, account.ctid::text, account.xmin::text,
       customer.ctid::text, customer.xmin::text, tenant.ctid::text, tenant.xmin::text
  FROM accounts_phonenumber number
  JOIN accounts_tenant tenant ON tenant.id = number.tenant_id
  JOIN accounts_businessaccount account ON account.id = number.business_account_id
  LEFT JOIN accounts_customer customer ON customer.id = account.customer_id
 WHERE number.tenant_id = $1::bigint AND number.phone_number_id = $2
"""


def find_many(*, tenant: Tenant, phone_number_ids: Collection[str]) -> dict[str, PhoneNumber]:
    """The same for several at once; those the tenant does not have are left out."""
    numbers = tenant.phone_numbers.select_related("business_account__customer", "tenant")
    found = numbers.filter(phone_number_id__in=phone_number_ids)
    return {number.phone_number_id: number for number in found}


def unknown(phone_number_id: str) -> UnknownNumber:
    return UnknownNumber(
        "No phone number with this phone_number_id in this project",
        details={"field": "phone_number_id", "value": phone_number_id[:100]},
    )


def require_sendable(number: PhoneNumber, *, tenant: Tenant, environment: str) -> None:
    """Refuse a number that may not send now, or not with a key of this environment."""
    if (environment == ApiKey.Environment.TEST) != number.is_sandbox:
        kind = "sandbox" if number.is_sandbox else "live"
        raise EnvironmentMismatch(f"A {environment} key cannot be used with a {kind} number")
    if tenant.status == Tenant.Status.SUSPENDED:
        raise TenantSuspended("This project is suspended")
    if (reason := why_not_sendable(number)) is not None:
        raise reason


def why_not_sendable(number: PhoneNumber) -> DomainError | None:
    """Say what keeps a number from sending; None when nothing does."""
    account = number.business_account
    if number.tenant.status == Tenant.Status.SUSPENDED:
        return TenantSuspended("This project is suspended")
    if account.status == BusinessAccount.Status.SUSPENDED:
        return AccountSuspended("The WhatsApp Business Account of this number is suspended")
    if account.customer.status == Customer.Status.SUSPENDED:
        return CustomerSuspended("The customer that owns this number is suspended")
    if number.status != PhoneNumber.Status.ACTIVE:
        return NumberNotConnected(f"The number is {number.status}, so it cannot send")
    return NumberStopped("The number was stopped by its owner") if number.stopped_at else None


def sendable(prefix: str = "") -> Q:
    """The same as a condition on rows; `prefix` leads to the number."""
    held = (
        Q(**{f"{prefix}tenant__status": Tenant.Status.SUSPENDED})
        | Q(**{f"{prefix}business_account__status": BusinessAccount.Status.SUSPENDED})
        | Q(**{f"{prefix}business_account__customer__status": Customer.Status.SUSPENDED})
    )
    running = {f"{prefix}status": PhoneNumber.Status.ACTIVE, f"{prefix}stopped_at": None}
    return Q(**running) & ~held


def stop(number: PhoneNumber) -> None:
    """Send nothing on a number until it is started again; what arrives is still taken in."""
    PhoneNumber.objects.filter(pk=number.pk, stopped_at=None).update(stopped_at=Now())


def start(number: PhoneNumber) -> None:
    """Send again, beginning with what waits. Starting what runs changes nothing."""
    PhoneNumber.objects.filter(pk=number.pk).update(stopped_at=None)
    doorbell.ring("messaging.drain", number_id=number.pk)


def token_replaced(account: BusinessAccount) -> None:
    """Let the account's numbers try again at once that paused because Meta refused its token."""
    with transaction.atomic():
        paused = account.phone_numbers.filter(held_for="token")
        found = list(paused.select_for_update(no_key=True).order_by("pk").values_list("pk", flat=True))
        PhoneNumber.objects.filter(pk__in=found).update(held_until=None, held_for="")
        for number_id in found:
            doorbell.ring("messaging.drain", number_id=number_id)


def require_hears(account: BusinessAccount, *, app: MetaApp | None, is_sandbox: bool) -> None:
    """Refuse a callback about an account for which the app that signed it does not speak."""
    if not account.hears(app=app, is_sandbox=is_sandbox):
        raise NotForThisApp(f"not signed by an app that speaks for account {account.waba_id}")


def client_for(number: PhoneNumber) -> GraphClient:
    """The Graph client that speaks for a number."""
    return _client(
        number.business_account,
        phone_number_id=number.phone_number_id,
        display_phone_number=number.display_phone_number_normalized,
    )


def client_for_account(account: BusinessAccount) -> GraphClient:
    """The Graph client that speaks for an account, of its templates for example."""
    return _client(account)


def _client(
    account: BusinessAccount, *, phone_number_id: str = "", display_phone_number: str = ""
) -> GraphClient:
    """The only lines that know test mode."""
    if account.is_sandbox and not settings.SANDBOX_URL:
        transport = SandboxTransport(
            waba_id=account.waba_id,
            phone_number_id=phone_number_id,
            display_phone_number=display_phone_number,
        )
        return GraphClient(transport=transport, token=SANDBOX_TOKEN)
    over_http = HttpTransport(
        base_url=settings.SANDBOX_URL if account.is_sandbox else settings.META_GRAPH_URL,
        version=settings.META_GRAPH_VERSION,
        timeout_seconds=settings.META_TIMEOUT_SECONDS,
    )
    return GraphClient(
        transport=over_http, token=SANDBOX_TOKEN if account.is_sandbox else account.access_token
    )
