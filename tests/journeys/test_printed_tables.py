"""The printed tables: the common pitfalls and the errors, a test for each row."""

import socket
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import orjson
import psycopg
import pytest
from django.db import connection
from django.http import HttpResponse
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from accounts import keys
from accounts.models import ApiKey, PhoneNumber
from messaging.models import Message
from tests import factories
from tests.conftest import Party
from tests.journeys import code_blocks
from tests.material import SHARED, needs_material

pytestmark = [needs_material, pytest.mark.django_db]

TO = "5491140123456"


class Api:
    """acme at the door."""

    def __init__(self, party: Party, settings: Settings) -> None:
        self.party = party
        self.settings = settings
        self.key = party.api_key

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> HttpResponse:
        raw = body if isinstance(body, bytes) else b"" if body is None else orjson.dumps(body)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        kind = named.pop("Content-Type", "application/json")
        response = Client(raise_request_exception=False).generic(
            method, path, raw, content_type=kind, headers={"X-API-Key": self.key} | named
        )
        assert isinstance(response, HttpResponse)
        return response

    def send(self, changes: dict[str, Any] | None = None, **headers: str) -> HttpResponse:
        text = {
            "phone_number_id": self.party.number.phone_number_id,
            "to": TO,
            "type": "text",
            "text": {"body": "Hola Juan"},
        }
        kept = {name: value for name, value in (text | (changes or {})).items() if value is not None}
        return self.call("POST", "/v1/messages", kept, **headers)

    def window_closes(self) -> None:
        """The number is old enough for the window to count, and nobody has written."""
        long_ago = timezone.now() - timedelta(days=3)
        PhoneNumber.objects.update(connected_at=long_ago, window_policy=PhoneNumber.WindowPolicy.STRICT)


@pytest.fixture
def api(acme: Party, settings: Settings) -> Api:
    return Api(acme, settings)


def _code(response: HttpResponse) -> str:
    return str(orjson.loads(response.content)["code"])


# The pitfalls


def _plus_sign(api: Api) -> HttpResponse:
    return api.send({"to": f"+{TO}"})


def _outside_the_window(api: Api) -> HttpResponse:
    api.window_closes()
    return api.send()


def _no_idempotency_key(api: Api) -> HttpResponse:
    api.send()
    api.send()
    assert Message.objects.count() == 2
    first = api.send(Idempotency_Key="order-1")
    again = api.send(Idempotency_Key="order-1")
    assert Message.objects.count() == 3
    assert again.content == first.content
    return again


def _display_phone(api: Api) -> HttpResponse:
    return api.send({"phone_number_id": api.party.number.display_phone_number_normalized})


def _polling(api: Api) -> HttpResponse:
    sent = orjson.loads(api.send().content)
    answers = [api.call("GET", f"/v1/messages/{sent['id']}") for _ in range(30)]
    assert answers[0].status_code == 200
    refused = next(answer for answer in answers if answer.status_code != 200)
    assert int(refused["Retry-After"]) >= 1
    return refused


def _content_type(api: Api) -> HttpResponse:
    return api.send(Content_Type="text/plain")


PITFALLS: dict[str, tuple[Callable[[Api], HttpResponse], int]] = {
    "Using +54... in to": (_plus_sign, 400),
    "Sending free text outside 24h window": (_outside_the_window, 403),
    "Forgetting Idempotency-Key on retries": (_no_idempotency_key, 201),
    "Using the human-readable phone in phone_number_id": (_display_phone, 404),
    "Polling GET /v1/messages/{id} every 5s for status": (_polling, 429),
    "Sending JSON with wrong Content-Type": (_content_type, 415),
}


def test_the_tables_have_no_other_rows() -> None:
    pitfalls = code_blocks.table("gosendapi-sending-messages", "Common pitfalls")
    statuses = code_blocks.table("gosendapi-api-reference", "Common codes:")

    assert [row[0].replace("`", "") for row in pitfalls] == list(PITFALLS)
    assert [row[0] for row in statuses] == list(STATUSES)
    codes = (SHARED / "spec" / "gosend-v1.md").read_text().split("Symbolic codes:")[1].split("\n\n")[1]
    assert [row.split("`")[1] for row in codes.splitlines()[2:]] == list(CODES)


@pytest.mark.parametrize("row", PITFALLS)
def test_a_common_pitfall_has_its_printed_effect(row: str, api: Api) -> None:
    act, status = PITFALLS[row]

    response = act(api)

    assert response.status_code == status, response.content
    printed = {r[0]: r[1] for r in code_blocks.table("gosendapi-sending-messages", "Common pitfalls")}[row]
    if printed[0].isdigit():
        body = orjson.loads(response.content)
        assert f"{body['statusCode']} {body['error']}" == printed


# The HTTP statuses


def _malformed(api: Api) -> list[HttpResponse]:
    return [api.call("POST", "/v1/messages", b"{"), api.send({"to": None}), api.send({"text": {"body": ""}})]


def _no_key(api: Api) -> list[HttpResponse]:
    wrong = [api.call("GET", "/v1/me", X_API_Key=key) for key in ("", "nonsense")]
    assert orjson.loads(wrong[0].content)["message"] == "Invalid or missing API key"
    return wrong


def _not_allowed(api: Api) -> list[HttpResponse]:
    reading = keys.mint(tenant=api.party.tenant, label="r", environment="test", scopes=("read",))[1]
    live = keys.mint(tenant=api.party.tenant, label="l", environment="live")[1]
    return [api.send(X_API_Key=reading), api.send(X_API_Key=live)]


def _missing(api: Api) -> list[HttpResponse]:
    return [api.call("GET", "/v1/messages/123"), api.call("GET", "/v1/nothing")]


def _conflict(api: Api) -> list[HttpResponse]:
    api.send(Idempotency_Key="a")
    return [api.send({"to": "5491140123457"}, Idempotency_Key="a")]


def _impossible(api: Api) -> list[HttpResponse]:
    body = {"url": "https://hooks.example.com/a", "events": ["no.such.event"]}
    return [api.call("POST", "/v1/webhooks", body)]


def _too_fast(api: Api) -> list[HttpResponse]:
    api.settings.API_RATE_LIMITS = dict.fromkeys(api.settings.API_RATE_LIMITS, 1)
    answers = [api.call("GET", "/v1/me") for _ in range(5)]
    return [answer for answer in answers if answer.status_code != 200]


def _fault(api: Api) -> list[HttpResponse]:
    """Nothing that a client does makes one; a table that is gone does."""
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE messaging_message RENAME TO gone")
    answer = api.call("GET", "/v1/messages")
    assert b"gone" not in answer.content
    assert b"messaging_message" not in answer.content
    return [answer]


def _database_away(api: Api) -> list[HttpResponse]:
    settings = connection.settings_dict
    with psycopg.connect(
        host=settings["HOST"],
        port=settings["PORT"] or None,
        user=settings["USER"],
        password=settings["PASSWORD"] or None,
        dbname=settings["NAME"],
    ) as other:
        other.execute("LOCK TABLE webhooks_app_webhookendpoint IN ACCESS EXCLUSIVE MODE NOWAIT")
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL statement_timeout = 100")
        return [api.call("GET", "/v1/webhooks")]


STATUSES: dict[str, Callable[[Api], list[HttpResponse]]] = {
    "400": _malformed,
    "401": _no_key,
    "403": _not_allowed,
    "404": _missing,
    "409": _conflict,
    "422": _impossible,
    "429": _too_fast,
    "500": _fault,
    "502 / 503": _database_away,
}


@pytest.mark.parametrize("row", STATUSES)
def test_a_printed_status_means_what_is_printed(row: str, api: Api) -> None:
    answers = STATUSES[row](api)

    assert answers
    for answer in answers:
        body = orjson.loads(answer.content)
        assert str(answer.status_code) in row, body
        assert body["statusCode"] == answer.status_code
        assert set(body) >= {"statusCode", "message", "error", "code", "request_id", "doc_url"}
        assert ("Retry-After" in answer) is (answer.status_code in (429, 503))


def test_meta_away_costs_no_message(api: Api) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        api.settings.META_GRAPH_URL = f"http://127.0.0.1:{free.getsockname()[1]}"
        number = factories.PhoneNumberFactory.create(
            tenant=api.party.tenant,
            business_account__customer=api.party.customer,
            connected_at=timezone.now(),
        )
        live = keys.mint(tenant=api.party.tenant, label="l", environment="live")[1]
        queued = api.send({"phone_number_id": number.phone_number_id}, X_API_Key=live)

    assert (queued.status_code, orjson.loads(queued.content)["status"]) == (202, "queued")


# The codes


def _unknown_key(api: Api) -> HttpResponse:
    key, text = keys.mint(tenant=api.party.tenant, label="gone", environment="test")
    key.delete()
    return api.call("GET", "/v1/me", X_API_Key=text)


def _revoked_key(api: Api) -> HttpResponse:
    keys.revoke(key=ApiKey.objects.get())
    return api.call("GET", "/v1/me")


def _foreign_number(api: Api) -> HttpResponse:
    stranger = factories.PhoneNumberFactory.create()
    return api.send({"phone_number_id": stranger.phone_number_id})


def _foreign_account(api: Api) -> HttpResponse:
    stranger = factories.BusinessAccountFactory.create()
    return api.call("GET", f"/v1/wabas/{stranger.pk}")


def _foreign_template(api: Api) -> HttpResponse:
    template = factories.TemplateFactory.create()
    content = {"name": template.name, "language": {"code": template.language}}
    return api.send({"type": "template", "text": None, "template": content})


# The printed code → how it comes about, its status, and the code we give it. An object of another project
# is as good as none: naming it would tell a stranger that it exists.
CODES: dict[str, tuple[Callable[[Api], HttpResponse], int, str]] = {
    "INVALID_API_KEY": (_unknown_key, 401, "INVALID_API_KEY"),
    "EXPIRED_API_KEY": (_revoked_key, 401, "EXPIRED_API_KEY"),
    "MALFORMED_API_KEY": (lambda api: api.call("GET", "/v1/me", X_API_Key="sk_1"), 401, "MALFORMED_API_KEY"),
    "INVALID_PHONE_NUMBER": (lambda api: api.send({"to": "54 911"}), 400, "INVALID_PHONE_NUMBER"),
    "INVALID_PHONE_NUMBER_ID": (
        lambda api: api.send({"phone_number_id": "1"}),
        404,
        "INVALID_PHONE_NUMBER_ID",
    ),
    "INVALID_MESSAGE_TYPE": (lambda api: api.send({"type": "txt"}), 400, "INVALID_MESSAGE_TYPE"),
    "MISSING_REQUIRED_FIELD": (lambda api: api.send({"to": None}), 400, "MISSING_REQUIRED_FIELD"),
    "INVALID_E164": (lambda api: api.send({"to": "+1"}), 400, "INVALID_PHONE_NUMBER"),
    "PHONE_NUMBER_NOT_IN_TENANT": (_foreign_number, 404, "INVALID_PHONE_NUMBER_ID"),
    "WABA_NOT_IN_TENANT": (_foreign_account, 404, "NOT_FOUND"),
    "TEMPLATE_NOT_IN_WABA": (_foreign_template, 404, "TEMPLATE_NOT_FOUND"),
}


@pytest.mark.parametrize("row", CODES)
def test_a_documented_code_comes_about_as_documented(row: str, api: Api) -> None:
    act, status, code = CODES[row]

    response = act(api)

    assert (response.status_code, _code(response)) == (status, code)
    if row == "MISSING_REQUIRED_FIELD":
        assert orjson.loads(response.content)["details"]["field"] == "to"
