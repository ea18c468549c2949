"""Keys of acme and of a stranger, and a client that speaks JSON."""

from collections.abc import Callable
from typing import Any

import orjson
import pytest
from django.http import HttpResponse
from django.test import Client

from accounts import keys
from accounts.models import PhoneNumber
from messaging.models import Contact, Conversation, Dispatch, IdempotentAnswer, Message, MessageContent
from tests.conftest import Party

Call = Callable[..., HttpResponse]


@pytest.fixture
def number(acme: Party) -> PhoneNumber:
    return acme.number


@pytest.fixture
def key(acme: Party) -> str:
    return acme.api_key


@pytest.fixture
def live_key(acme: Party) -> str:
    return keys.mint(tenant=acme.tenant, label="live", environment="live")[1]


@pytest.fixture
def stranger_key(globex: Party) -> str:
    return globex.api_key


@pytest.fixture
def get(key: str) -> Call:
    return _caller("GET", key)


@pytest.fixture
def post(key: str) -> Call:
    return _caller("POST", key)


@pytest.fixture
def body(number: PhoneNumber) -> dict[str, Any]:
    return {
        "phone_number_id": number.phone_number_id,
        "to": "5491140123456",
        "type": "text",
        "text": {"body": "Hola Juan"},
    }


def _caller(method: str, key: str) -> Call:
    client = Client(raise_request_exception=False)

    def call(
        path: str, data: Any = None, *, content_type: str = "application/json", **headers: str
    ) -> HttpResponse:
        sent = {"X-API-Key": key} | {name.replace("_", "-"): value for name, value in headers.items()}
        raw = data if isinstance(data, (bytes, str)) else b"" if data is None else orjson.dumps(data)
        response = client.generic(method, path, raw, content_type=content_type, headers=sent)
        assert isinstance(response, HttpResponse)
        return response

    return call


def nothing_stored() -> bool:
    tables = (Message, MessageContent, Dispatch, Contact, Conversation, IdempotentAnswer)
    return not any(table.objects.exists() for table in tables)
