"""acme's key of this dialect, a contact of its own, and a client that speaks JSON."""

from collections.abc import Callable
from typing import Any

import orjson
import pytest
from django.http import HttpResponse
from django.test import Client

from accounts import keys
from accounts.models import ApiKey
from gosend.api.whatomate import uuids
from messaging.models import Contact
from tests import factories
from tests.conftest import Party

Ask = Callable[..., Any]


def mint(party: Party, environment: str = "test", **options: Any) -> str:
    return keys.mint(
        tenant=party.tenant,
        label="whatomate",
        environment=environment,
        dialect=ApiKey.Dialect.WHATOMATE,
        **options,
    )[1]


def asking(key: str) -> Ask:
    client = Client(raise_request_exception=False)

    def ask(method: str, path: str, data: Any = None, *, status: int = 200, **headers: str) -> Any:
        sent = {"X-API-Key": key} | {name.replace("_", "-"): value for name, value in headers.items()}
        raw = b"" if data is None else orjson.dumps(data)
        response = client.generic(method, f"/api/{path}", raw, "application/json", headers=sent)
        assert isinstance(response, HttpResponse)
        assert response.status_code == status, response.content
        said = orjson.loads(response.content)
        assert said["status"] == ("success" if status == 200 else "error")
        if status != 200:
            assert list(said)[:4] == ["status", "message", "data", "code"]
            assert said["data"] is None
            return said
        assert list(said) == ["status", "data"]
        return said["data"]

    return ask


@pytest.fixture
def ask(acme: Party) -> Ask:
    return asking(mint(acme))


@pytest.fixture
def ask_as_stranger(globex: Party) -> Ask:
    return asking(mint(globex))


@pytest.fixture
def person(acme: Party) -> Contact:
    contact: Contact = factories.ContactFactory.create(
        tenant=acme.tenant,
        business_account=acme.number.business_account,
        phone="919876543210",
        name="John",
    )
    return contact


@pytest.fixture
def contact_id(person: Contact) -> str:
    return uuids.write(uuids.CONTACT, person.pk)
