"""API keys: what they look like, what is stored, when they count."""

import hashlib
from datetime import timedelta

import pytest
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from accounts import keys, tenants
from accounts.models import ApiKey, Tenant


@pytest.fixture
def tenant(db: None) -> Tenant:
    return tenants.open_tenant(name="Acme")


def _mint(tenant: Tenant, **options: object) -> tuple[ApiKey, str]:
    return keys.mint(tenant=tenant, label="ci", environment="test", **options)  # type: ignore[arg-type]


@pytest.mark.parametrize(("environment", "prefix"), [("live", "gsk_live_"), ("test", "gsk_test_")])
def test_a_key_says_its_environment_and_is_stored_as_a_digest(
    environment: str, prefix: str, tenant: Tenant
) -> None:
    key, plaintext = keys.mint(tenant=tenant, label="ci", environment=environment)

    assert plaintext.startswith(prefix)
    assert len(plaintext) == len(prefix) + 40
    assert plaintext[len(prefix) :].isalnum()
    assert bytes(key.digest) == hashlib.sha256(plaintext.encode()).digest()
    stored = ApiKey.objects.filter(pk=key.pk).values().get()
    assert plaintext not in repr(stored)
    assert plaintext.startswith(key.prefix)
    assert plaintext.endswith(key.last_four)


@pytest.mark.parametrize("environment", ["live", "test"])
@pytest.mark.parametrize(
    ("dialect", "begins"), [("native", "gsk_"), ("whatomate", "whm_"), ("sessions", "wa_")]
)
def test_a_key_says_its_api_and_opens_no_other(
    dialect: str,
    begins: str,
    environment: str,
    tenant: Tenant,
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    key, plaintext = keys.mint(tenant=tenant, label="ci", environment=environment, dialect=dialect)

    assert plaintext.startswith(f"{begins}{environment}_")
    assert (key.dialect, plaintext[:12]) == (dialect, key.prefix)
    assert keys.find(plaintext, dialect=dialect).pk == key.pk
    with django_assert_num_queries(0):
        for other in set(ApiKey.Dialect.values) - {dialect}:
            with pytest.raises(keys.KeyOfAnotherApi):
                keys.find(plaintext, dialect=other)
    fresh, again = keys.rotate(key=key)
    assert (fresh.dialect, again[:4]) == (dialect, plaintext[:4])


def test_a_key_is_found_in_one_query_with_its_tenant(
    tenant: Tenant, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    _, plaintext = _mint(tenant)
    keys.find(plaintext)

    with django_assert_num_queries(1):
        assert keys.find(plaintext).tenant.name == "Acme"


def test_the_last_use_is_written_once_a_minute(
    tenant: Tenant, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    key, plaintext = _mint(tenant)

    with django_assert_num_queries(2):
        keys.find(plaintext)
    with django_assert_num_queries(1):
        keys.find(plaintext)
    ApiKey.objects.filter(pk=key.pk).update(last_used_at=timezone.now() - timedelta(seconds=61))
    with django_assert_num_queries(2):
        keys.find(plaintext)


@pytest.mark.parametrize(
    "damage",
    [
        lambda key: "",
        lambda key: key[:-1],
        lambda key: key + "x",
        lambda key: key.replace("gsk_test_", "gsk_prod_"),
        lambda key: key.replace("gsk_test_", "whm_test_"),
        lambda key: key.lower() if key != key.lower() else key.upper(),
        lambda key: key[:20] + ("A" if key[20] != "A" else "B") + key[21:],
        lambda key: key[:20] + "é" + key[21:],
    ],
)
def test_a_damaged_key_is_refused_without_a_query(
    damage: object, tenant: Tenant, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    _, plaintext = _mint(tenant)

    with django_assert_num_queries(0), pytest.raises(keys.MalformedKey):
        keys.find(damage(plaintext))  # type: ignore[operator]


def test_a_key_nobody_made_is_unknown(tenant: Tenant) -> None:
    key, plaintext = _mint(tenant)
    key.delete()

    with pytest.raises(keys.UnknownKey):
        keys.find(plaintext)


def test_a_revoked_key_stops_at_once_and_for_good(tenant: Tenant) -> None:
    key, plaintext = _mint(tenant)
    keys.find(plaintext)
    keys.revoke(key=key)

    with pytest.raises(keys.ExpiredKey):
        keys.find(plaintext)


def test_a_key_ends_at_its_time(tenant: Tenant) -> None:
    _, young = _mint(tenant, expires_at=timezone.now() + timedelta(minutes=1))
    _, old = _mint(tenant, expires_at=timezone.now())

    assert keys.find(young).tenant == tenant
    with pytest.raises(keys.ExpiredKey):
        keys.find(old)


def test_a_rotated_key_leaves_its_rights_to_the_new_one(tenant: Tenant) -> None:
    key, old = _mint(tenant, scopes=["read"], allowed_networks=["10.0.0.0/8"])

    fresh, new = keys.rotate(key=key)

    assert fresh.scopes == ["read"]
    assert keys.find(new, address="10.1.2.3").pk == fresh.pk
    with pytest.raises(keys.ExpiredKey):
        keys.find(old, address="10.1.2.3")


@pytest.mark.parametrize("address", [None, "", "11.0.0.1", "::1", "nonsense"])
def test_a_key_bound_to_addresses_is_refused_elsewhere(address: str | None, tenant: Tenant) -> None:
    _, plaintext = _mint(tenant, allowed_networks=["10.0.0.0/8"])

    with pytest.raises(keys.AddressNotAllowed):
        keys.find(plaintext, address=address)


def test_a_key_has_known_scopes_only(tenant: Tenant) -> None:
    with pytest.raises(ValueError, match="unknown scopes"):
        _mint(tenant, scopes=["read", "everything"])


def test_what_is_no_key_of_this_api_costs_no_query(
    db: None, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    with django_assert_num_queries(0):
        for text, error in (("garbage", keys.MalformedKey), ("gsk_test_" + "a" * 40, keys.MalformedKey)):
            with pytest.raises(error):
                keys.find_held(text, address=None, dialect="native")
