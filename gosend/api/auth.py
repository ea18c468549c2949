"""API key in, tenant out."""

from django.conf import settings
from django.http import HttpRequest

from accounts import keys, numbers
from accounts.models import ApiKey, Tenant
from gosend.lib.addresses import caller_of
from gosend.lib.errors import DomainError

HEADER = "X-API-Key"


class ScopeMissing(DomainError):
    code = "insufficient_scope"


def key_of(request: HttpRequest, *, dialect: str = ApiKey.Dialect.NATIVE) -> ApiKey:
    """Find the key that the request carries, with its tenant, or say why it does not count."""
    plaintext = _carried(request, dialect)
    if not plaintext:
        raise keys.MalformedKey("Invalid or missing API key")
    return keys.find(plaintext, address=address_of(request), dialect=dialect)


def _carried(request: HttpRequest, dialect: str) -> str:
    """A gateway's key comes as a bearer token as well, which counts first; every other in one header."""
    if dialect == ApiKey.Dialect.SESSIONS:
        scheme, _, token = request.headers.get("Authorization", "").strip().partition(" ")
        if scheme.lower() == "bearer":
            return token.strip()
    return request.headers.get(HEADER, "").strip()


def address_of(request: HttpRequest) -> str:
    """Where a request comes from: the last hop that is none of our own proxies."""
    return caller_of(request.META, proxies=settings.TRUSTED_PROXIES)


def require_active(tenant: Tenant) -> None:
    if tenant.status != Tenant.Status.ACTIVE:
        raise numbers.TenantSuspended("This project is suspended")


def require_scope(key: ApiKey, scope: str | None) -> None:
    """A method without a scope needs only the key."""
    if scope is not None and scope not in key.scopes:
        raise ScopeMissing(f"This API key lacks the scope '{scope}'", details={"scope": scope})
