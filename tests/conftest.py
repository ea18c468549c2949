"""The cast: acme owns, globex is a stranger."""

from dataclasses import dataclass

import pytest
from django.core.servers.basehttp import WSGIServer

from accounts import keys, tenants
from accounts.models import ApiKey, Customer, PhoneNumber, Tenant, User
from tests import factories

# Callers that wait for a live server to take them on; Django lets ten, and the system hangs up on the rest.
WSGIServer.request_queue_size = 128


@dataclass(frozen=True)
class Party:
    """A tenant, complete: its owner, its default customer, a sandbox number and a test key."""

    tenant: Tenant
    owner: User
    customer: Customer
    number: PhoneNumber
    key: ApiKey
    api_key: str


def make_party(name: str) -> Party:
    owner = factories.UserFactory.create(username=name)
    tenant = tenants.open_tenant(name=name.capitalize(), owner=owner)
    number = tenants.add_sandbox(tenant=tenant)
    key, api_key = keys.mint(tenant=tenant, label="tests", environment=ApiKey.Environment.TEST)
    customer = tenant.customers.get(is_default=True)
    return Party(tenant=tenant, owner=owner, customer=customer, number=number, key=key, api_key=api_key)


@pytest.fixture
def acme(db: None) -> Party:
    """Owns what a test is about."""
    return make_party("acme")


@pytest.fixture
def globex(db: None) -> Party:
    """A stranger to acme, with as much of its own."""
    return make_party("globex")
