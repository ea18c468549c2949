"""API key in, tenant out."""

from collections.abc import Callable

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
    return _found(keys.find, request, dialect)


def held_key_of(request: HttpRequest, *, dialect: str) -> ApiKey:
    """The same, from what this process knew a moment ago."""
    return _found(keys.find_held, request, dialect)


def _found(find: Callable[..., ApiKey], request: HttpRequest, dialect: str) -> ApiKey:
    """A key that is none is answered with the header and the beginning that this API takes."""
    try:
        return find(_carried(request, dialect), address=address_of(request), dialect=dialect)
    except (keys.MalformedKey, keys.KeyOfAnotherApi, keys.UnknownKey) as error:
        beginning = keys.BEGINNINGS[ApiKey.Dialect(dialect)]
        error.details = {"begins_with": beginning, "header": f"{HEADER}: {beginning}…"}
        if dialect == ApiKey.Dialect.SESSIONS:
            error.details["header"] = f"Authorization: Bearer {beginning}…, or {error.details['header']}"
        raise


def _carried(request: HttpRequest, dialect: str) -> str:
    """A gateway's key comes as a bearer token as well, which counts first; every other in one header."""
    if dialect == ApiKey.Dialect.SESSIONS:
        scheme, _, token = _header(request, "HTTP_AUTHORIZATION").strip().partition(" ")
        if scheme.lower() == "bearer":
            return token.strip()
    return _header(request, "HTTP_X_API_KEY").strip()


def _header(request: HttpRequest, name: str) -> str:
    """One header, without Django's gathering all of them first."""
    return str(request.META.get(name, ""))


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
