"""Tenants, their first customer, and secrets that stay with their row."""

import pytest
from django.db import IntegrityError

from accounts import numbers, tenants
from accounts.models import BusinessAccount, Customer, MetaApp, Tenant, User
from gosend.lib import encryption


@pytest.fixture
def acme(db: None) -> Tenant:
    return tenants.open_tenant(name="Acme", owner=User.objects.create_user("ada"))


def test_a_tenant_opens_with_an_owner_and_a_default_customer(acme: Tenant) -> None:
    assert acme.members.get().role == "owner"
    assert acme.customers.get().is_default


def test_a_tenant_has_one_default_customer(acme: Tenant) -> None:
    with pytest.raises(IntegrityError):
        Customer.objects.create(tenant=acme, name="Second", is_default=True)


def test_a_number_is_found_by_its_own_tenant_only(acme: Tenant) -> None:
    number = tenants.add_sandbox(tenant=acme)
    globex = tenants.open_tenant(name="Globex")

    assert numbers.find(tenant=acme, phone_number_id=number.phone_number_id) == number
    with pytest.raises(numbers.UnknownNumber) as foreign:
        numbers.find(tenant=globex, phone_number_id=number.phone_number_id)
    with pytest.raises(numbers.UnknownNumber) as unknown:
        numbers.find(tenant=globex, phone_number_id="123")
    assert foreign.value.message == unknown.value.message


def test_a_token_is_stored_sealed_and_stays_with_its_row(acme: Tenant) -> None:
    account = tenants.add_sandbox(tenant=acme).business_account
    account.access_token = "EAAB-very-secret"
    account.save()
    other = tenants.add_sandbox(tenant=tenants.open_tenant(name="Globex")).business_account

    assert BusinessAccount.objects.get(pk=account.pk).access_token == "EAAB-very-secret"
    assert "very-secret" not in account.sealed_access_token
    other.sealed_access_token = account.sealed_access_token
    with pytest.raises(encryption.CannotOpen):
        _ = other.access_token


def test_the_two_secrets_of_an_app_cannot_be_swapped(acme: Tenant) -> None:
    app = MetaApp(app_id="1", name="App")
    app.secret, app.verify_token = "s", "v"

    app.sealed_secret, app.sealed_verify_token = app.sealed_verify_token, app.sealed_secret

    with pytest.raises(encryption.CannotOpen):
        _ = app.secret
