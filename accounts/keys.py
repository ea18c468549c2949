"""Mint, find, rotate and revoke API keys."""

import hashlib
import ipaddress
import secrets
import string
import zlib
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from django.db import models
from django.db.models.functions import Now

from accounts.models import KEY_SCOPES, ApiKey, Tenant
from gosend.lib import held, prepared
from gosend.lib.errors import DomainError

# What a key of each API begins with; its environment follows: gsk_live_, whm_test_, …
BEGINNINGS = {
    ApiKey.Dialect.NATIVE: "gsk_",
    ApiKey.Dialect.WHATOMATE: "whm_",
    ApiKey.Dialect.SESSIONS: "wa_",
}
_PREFIXES = frozenset(
    f"{beginning}{environment}_"
    for beginning in BEGINNINGS.values()
    for environment in ApiKey.Environment.values
)
SCOPES = KEY_SCOPES
_ALPHABET = string.digits + string.ascii_uppercase + string.ascii_lowercase
# 34 base62 characters carry 202 bits, so one SHA-256 is protection enough.
_RANDOM_LENGTH = 34
_CHECKSUM_LENGTH = 6
_SHOWN_LENGTH = 12
# A key's last use is written at most this often.
_LAST_USED_EVERY = timedelta(minutes=1)
_held: held.Held[tuple[str, bytes], ApiKey] = held.Held()


class MalformedKey(DomainError):
    code = "malformed_api_key"


class KeyOfAnotherApi(DomainError):
    code = "api_key_of_another_api"


class UnknownKey(DomainError):
    code = "invalid_api_key"


class ExpiredKey(DomainError):
    code = "expired_api_key"


class AddressNotAllowed(DomainError):
    code = "address_not_allowed"


def mint(
    *,
    tenant: Tenant,
    label: str,
    environment: str,
    dialect: str = ApiKey.Dialect.NATIVE,
    scopes: Sequence[str] = SCOPES,
    expires_at: datetime | None = None,
    allowed_networks: Sequence[str] = (),
) -> tuple[ApiKey, str]:
    """Make a key; the whole key is returned this once and never stored."""
    if unknown := set(scopes) - set(SCOPES):
        raise ValueError(f"unknown scopes: {sorted(unknown)}")
    prefix = f"{BEGINNINGS[ApiKey.Dialect(dialect)]}{ApiKey.Environment(environment).value}_"
    secret = "".join(secrets.choice(_ALPHABET) for _ in range(_RANDOM_LENGTH))
    plaintext = prefix + secret + _checksum(prefix + secret)
    key = ApiKey.objects.create(
        tenant=tenant,
        label=label,
        environment=environment,
        dialect=dialect,
        prefix=plaintext[:_SHOWN_LENGTH],
        last_four=plaintext[-4:],
        digest=_digest(plaintext),
        scopes=list(scopes),
        expires_at=expires_at,
        allowed_networks=[str(ipaddress.ip_network(network)) for network in allowed_networks],
    )
    return key, plaintext


def find(plaintext: str, *, address: str | None = None, dialect: str = ApiKey.Dialect.NATIVE) -> ApiKey:
    """Return the key of an API with its tenant, in one query.

    Raises MalformedKey and KeyOfAnotherApi (both before any query), UnknownKey, ExpiredKey (also when
    revoked) and AddressNotAllowed. Nothing is cached here, so a revocation counts from the next request on.
    """
    _require_of(plaintext, dialect)
    key = ApiKey.objects.select_related("tenant").filter(digest=_digest(plaintext)).first()
    if key is None:
        raise UnknownKey("Invalid or missing API key")
    _require_current(key, address)
    _note_use(key, datetime.now(UTC))
    return key


def _require_of(plaintext: str, dialect: str) -> None:
    if not _is_well_formed(plaintext):
        raise MalformedKey("Invalid or missing API key")
    # The beginning is under the checksum and the digest, so it says the key's dialect truly.
    if not plaintext.startswith(beginning := BEGINNINGS[ApiKey.Dialect(dialect)]):
        raise KeyOfAnotherApi(
            f"This API key opens another API of this server; here it begins with {beginning}"
        )


def find_held(plaintext: str, *, address: str | None, dialect: str) -> ApiKey:
    """The same from memory, where the key was found within LOOKUPS_LIVE_SECONDS: for the hot doors.

    So a revocation, and a change of the tenant, counts there after as long; an expiry at its moment.
    """
    digest = _digest(plaintext)
    key = _held.get(
        (dialect, digest),
        lambda: find(plaintext, address=address, dialect=dialect),
        version=lambda: _version(plaintext, dialect, digest),
    )
    _require_current(key, address)
    _note_use(key, datetime.now(UTC))
    return key


def _version(plaintext: str, dialect: str, digest: bytes) -> object:
    _require_of(plaintext, dialect)  # what is no key of ours costs no query
    return prepared.rows(_VERSION, [digest.hex()]) or None


# Every change of a row gives it another place or another xmin.
_VERSION = """
SELECT key.ctid::text, key.xmin::text, tenant.ctid::text, tenant.xmin::text
  FROM accounts_apikey key JOIN accounts_tenant tenant ON tenant.id = key.tenant_id
 WHERE key.digest = decode($1, 'hex')
"""


def _require_current(key: ApiKey, address: str | None) -> None:
    if key.revoked_at or (key.expires_at and key.expires_at <= datetime.now(UTC)):
        raise ExpiredKey("This API key was revoked or has expired")
    if key.allowed_networks and not _is_allowed(address, key.allowed_networks):
        raise AddressNotAllowed("This API key may not be used from this address")


def revoke(*, key: ApiKey) -> None:
    """Stop a key for good, from the next request on. Revoking twice keeps the first moment."""
    ApiKey.objects.filter(pk=key.pk, revoked_at=None).update(revoked_at=Now())


def rotate(*, key: ApiKey) -> tuple[ApiKey, str]:
    """Replace a key by one with the same rights; the old one stops at once."""
    fresh = mint(
        tenant=key.tenant,
        label=key.label,
        environment=key.environment,
        dialect=key.dialect,
        scopes=key.scopes,
        expires_at=key.expires_at,
        allowed_networks=key.allowed_networks,
    )
    revoke(key=key)
    return fresh


def _digest(plaintext: str) -> bytes:
    return hashlib.sha256(plaintext.encode()).digest()


def _checksum(text: str) -> str:
    number = zlib.crc32(text.encode())
    digits = ""
    for _ in range(_CHECKSUM_LENGTH):
        number, digit = divmod(number, len(_ALPHABET))
        digits = _ALPHABET[digit] + digits
    return digits


def _is_well_formed(plaintext: str) -> bool:
    prefix = plaintext[: -(_RANDOM_LENGTH + _CHECKSUM_LENGTH)]
    if prefix not in _PREFIXES:
        return False
    return plaintext.isascii() and _checksum(plaintext[:-_CHECKSUM_LENGTH]) == plaintext[-_CHECKSUM_LENGTH:]


def _is_allowed(address: str | None, networks: Sequence[str]) -> bool:
    try:
        caller = ipaddress.ip_address(address or "")
    except ValueError:
        return False
    return any(caller in ipaddress.ip_network(network) for network in networks)


def _note_use(key: ApiKey, now: datetime) -> None:
    if key.last_used_at is None or now - key.last_used_at >= _LAST_USED_EVERY:
        # Compared again in the statement, so that of many requests at once one writes.
        stale = models.Q(last_used_at=None) | models.Q(last_used_at__lte=now - _LAST_USED_EVERY)
        ApiKey.objects.filter(stale, pk=key.pk).update(last_used_at=now)
        key.last_used_at = now
