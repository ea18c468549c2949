"""A key of this dialect, a session, and a client that speaks its JSON."""

from collections.abc import Callable
from typing import Any

import orjson
import pytest
from django.http import HttpResponse
from django.test import Client
from pytest_django import Settings

from accounts import keys
from accounts.models import ApiKey, PhoneNumber
from tests.conftest import Party

TO = "5491140123456@s.whatsapp.net"
Call = Callable[..., HttpResponse]


@pytest.fixture(autouse=True)
def _unhurried(settings: Settings) -> None:
    settings.API_RATE_LIMITS = dict.fromkeys(settings.API_RATE_LIMITS, 100_000)


@pytest.fixture
def key(acme: Party) -> str:
    return key_of(acme)


@pytest.fixture
def number(acme: Party) -> PhoneNumber:
    return acme.number


@pytest.fixture
def call(key: str) -> Call:
    return caller(key)


@pytest.fixture
def path(number: PhoneNumber) -> str:
    """The messages of the session."""
    return f"/api/v1/sessions/{number.phone_number_id}/messages"


@pytest.fixture
def send(call: Call, path: str) -> Call:
    def act(body: dict[str, Any], query: str = "", **headers: str) -> HttpResponse:
        return call("POST", path + query, {"to": TO} | body, **headers)

    return act


def key_of(party: Party, **more: Any) -> str:
    given: dict[str, Any] = {"environment": "test", "dialect": ApiKey.Dialect.SESSIONS} | more
    return keys.mint(tenant=party.tenant, label="sessions", **given)[1]


def caller(key: str) -> Call:
    client = Client(raise_request_exception=False)

    def call(method: str, path: str, body: Any = None, **headers: str) -> HttpResponse:
        sent = {"Authorization": f"Bearer {key}"}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        raw = body if isinstance(body, bytes) else b"" if body is None else orjson.dumps(body)
        response = client.generic(method, path, raw, content_type="application/json", headers=sent)
        assert isinstance(response, HttpResponse)
        return response

    return call


def said(response: HttpResponse) -> Any:
    return orjson.loads(response.content)
