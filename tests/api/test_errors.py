"""Every refusal of the doors: one shape, the right status, and nothing stored."""

from io import BytesIO
from typing import Any

import orjson
import pytest
from django.conf import settings
from django.db import OperationalError, connection, transaction
from django.test import Client, RequestFactory
from rest_framework import serializers

from accounts import keys
from accounts.models import ApiKey, Tenant
from gosend.api import errors
from gosend.lib import catalog
from gosend.lib.errors import DomainError
from tests.api.conftest import Call, nothing_stored
from tests.conftest import Party


def test_an_error_has_the_documented_keys_first(post: Call, body: dict[str, Any]) -> None:
    response = post("/v1/messages", body | {"to": "+1"}, X_Request_Id="abcdefgh-1")

    answer = orjson.loads(response.content)
    assert list(answer) == ["statusCode", "message", "error", "code", "details", "request_id", "doc_url"]
    assert (answer["statusCode"], answer["error"]) == (400, "Bad Request")
    assert answer["request_id"] == "abcdefgh-1"
    assert answer["doc_url"] == f"{settings.PUBLIC_URL}/docs/errors#invalid_phone_number"


@pytest.mark.django_db
def test_no_key_is_answered_in_the_documented_words() -> None:
    response = Client().get("/v1/me")

    answer = response.json()
    documented = {"statusCode": 401, "message": "Invalid or missing API key", "error": "Unauthorized"}
    assert response.status_code == 401
    assert {name: answer[name] for name in documented} == documented
    assert "X-RateLimit-Limit" not in response


@pytest.mark.parametrize(
    ("path", "dialect", "beginning", "header"),
    [
        ("/v1/messages", "native", "gsk_", "X-API-Key: gsk_…"),
        ("/v1/me", "native", "gsk_", "X-API-Key: gsk_…"),
        ("/api/contacts", "whatomate", "whm_", "X-API-Key: whm_…"),
        ("/api/v1/sessions", "sessions", "wa_", "Authorization: Bearer wa_…, or X-API-Key: wa_…"),
    ],
)
def test_a_wrong_key_is_told_the_header_and_the_beginning_of_this_api(
    path: str, dialect: str, beginning: str, header: str, acme: Party
) -> None:
    gone, whole = keys.mint(tenant=acme.tenant, label="x", environment="test", dialect=dialect)
    gone.delete()
    ask = Client().post if path == "/v1/messages" else Client().get

    for key in ("", "nonsense", whole):
        answer = ask(path, headers={"X-API-Key": key}).json()
        said = answer["error"] if dialect == "sessions" else answer
        assert said["message"] == "Invalid or missing API key"
        assert said["details"] == {"begins_with": beginning, "header": header}


@pytest.mark.parametrize(
    "made", ["", "nonsense", "gsk_test_short", "whm_abc", "gsk_live_" + "a" * 40, "ключ"]
)
def test_a_key_that_is_none_is_refused(body: dict[str, Any], made: str) -> None:
    client = Client(headers={"X-API-Key": made.encode().decode("latin-1")})

    response = client.post("/v1/messages", body, content_type="application/json")

    assert (response.status_code, response.json()["code"]) == (401, "MALFORMED_API_KEY")
    assert nothing_stored()


def test_a_wrong_checksum_is_refused(body: dict[str, Any], key: str) -> None:
    wrong = key[:-1] + ("0" if key[-1] != "0" else "1")

    response = Client(headers={"X-API-Key": wrong}).post("/v1/messages", body, "application/json")

    assert (response.status_code, response.json()["code"]) == (401, "MALFORMED_API_KEY")
    assert nothing_stored()


def test_a_well_formed_key_that_nobody_has_is_refused(key: str) -> None:
    ApiKey.objects.all().delete()

    response = Client(headers={"X-API-Key": key}).get("/v1/me")

    assert (response.status_code, response.json()["code"]) == (401, "INVALID_API_KEY")


def test_a_revoked_key_is_refused_at_once(post: Call, body: dict[str, Any]) -> None:
    keys.revoke(key=ApiKey.objects.get())

    response = post("/v1/messages", body)

    assert (response.status_code, orjson.loads(response.content)["code"]) == (401, "EXPIRED_API_KEY")
    assert nothing_stored()


def test_a_suspended_project_is_refused(post: Call, body: dict[str, Any]) -> None:
    Tenant.objects.update(status=Tenant.Status.SUSPENDED)

    response = post("/v1/messages", body)

    assert (response.status_code, orjson.loads(response.content)["code"]) == (403, "TENANT_SUSPENDED")
    assert nothing_stored()


MALFORMED = [
    b"{",
    b"[]",
    b'"text"',
    b"null",
    b"7",
    b'{"to": NaN}',
    b'{"to": 1e999}',
    b'{"to": "1", "x": [-1e308]}',
    b'{"to": "\\ud800"}',
    b'{"to": "a\\u0000b"}',
    b'{"a\\u0000": 1}',
    b'\xef\xbb\xbf{"to": "1"}',
    b'{"to": "\xff"}',
    b"[" * 100_000,
    b'{"a":' * 2000 + b"1" + b"}" * 2000,
    b'{"a":' * 70 + b"1" + b"}" * 70,
    b'{"a":[' * 40 + b"]}" * 40,
]


@pytest.mark.parametrize("raw", MALFORMED, ids=range(len(MALFORMED)))
def test_what_is_no_plain_json_object_is_malformed(post: Call, number: Any, raw: bytes) -> None:
    response = post("/v1/messages", raw)

    answer = orjson.loads(response.content)
    assert (response.status_code, answer["code"]) == (400, "MALFORMED_JSON")
    assert nothing_stored()


def test_a_spelled_out_backslash_is_no_nul(post: Call, body: dict[str, Any]) -> None:
    assert post("/v1/messages", body | {"text": {"body": "\\u0000"}}).status_code == 201


@pytest.mark.parametrize(
    "content_type",
    [
        "text/plain",
        "application/xml",
        "multipart/form-data; boundary=x",
        "application/json; charset=utf-16",
        "application/jsonp",
        "",
    ],
)
def test_another_content_type_is_415(post: Call, body: dict[str, Any], content_type: str) -> None:
    response = post("/v1/messages", body, content_type=content_type)

    assert (response.status_code, orjson.loads(response.content)["code"]) == (415, "UNSUPPORTED_MEDIA_TYPE")
    assert nothing_stored()


def test_a_form_is_415_although_json_under_its_type_is_taken(post: Call) -> None:
    response = post("/v1/messages", "to=5491140123456", content_type="application/x-www-form-urlencoded")

    assert (response.status_code, orjson.loads(response.content)["code"]) == (415, "UNSUPPORTED_MEDIA_TYPE")


@pytest.mark.parametrize(
    "content_type", ["application/json; charset=UTF-8", 'Application/JSON; charset="utf-8"']
)
def test_json_may_say_that_it_is_utf_8(post: Call, body: dict[str, Any], content_type: str) -> None:
    assert post("/v1/messages", body, content_type=content_type).status_code == 201


def test_a_body_over_the_limit_is_413(post: Call, body: dict[str, Any]) -> None:
    response = post("/v1/messages", body | {"padding": "x" * settings.API_MAX_BODY_BYTES})

    answer = orjson.loads(response.content)
    assert (response.status_code, answer["code"]) == (413, "PAYLOAD_TOO_LARGE")
    assert (answer["error"], answer["details"]) == ("Payload Too Large", {"limit": 1_000_000})
    assert nothing_stored()


@pytest.mark.parametrize(("padding", "status"), [(0, 201), (1_000_000, 413)])
def test_a_body_without_a_length_is_read_up_to_the_limit(
    body: dict[str, Any], key: str, padding: int, status: int
) -> None:
    raw = orjson.dumps(body | {"padding": "x" * padding})
    chunked: dict[str, Any] = {
        "wsgi.input": BytesIO(raw),
        "HTTP_TRANSFER_ENCODING": "chunked",
        "CONTENT_TYPE": "application/json",
        "CONTENT_LENGTH": "",
    }

    response = Client().generic("POST", "/v1/messages", headers={"X-API-Key": key}, **chunked)

    assert response.status_code == status


def test_an_empty_body_lacks_its_fields(post: Call) -> None:
    answer = orjson.loads(post("/v1/messages").content)

    assert (answer["code"], answer["details"]) == ("MISSING_REQUIRED_FIELD", {"field": "phone_number_id"})


def test_a_wrong_method_is_405_and_names_the_right_ones(post: Call) -> None:
    response = post("/v1/me", {})

    assert (response.status_code, orjson.loads(response.content)["code"]) == (405, "METHOD_NOT_ALLOWED")
    assert response["Allow"] == "GET, HEAD"


def test_a_client_that_takes_no_json_gets_406_in_json(get: Call) -> None:
    response = get("/v1/me", Accept="text/html")

    assert (response.status_code, orjson.loads(response.content)["code"]) == (406, "NOT_ACCEPTABLE")


@pytest.mark.parametrize("path", ["/v1", "/v1/", "/v1/nothing", "/v1/messages/", "/v1/me/x", "/meta/other"])
def test_an_unknown_address_is_404_in_the_same_shape(path: str) -> None:
    response = Client().post(path)

    answer = response.json()
    assert (response.status_code, answer["code"], answer["statusCode"]) == (404, "NOT_FOUND", 404)
    assert answer["request_id"] == response["X-Request-Id"]


def test_an_unknown_page_is_a_page_for_people() -> None:
    response = Client().get("/nothing")

    assert response.status_code == 404
    assert response["Content-Type"].startswith("text/html")


def test_an_unknown_host_is_400() -> None:
    response = Client(headers={"Host": "evil.example"}).get("/v1/me")

    answer = response.json()
    assert (response.status_code, answer["statusCode"], answer["code"]) == (400, 400, "UNKNOWN_HOST")
    assert b"ALLOWED_HOSTS" in Client(headers={"Host": "evil.example"}).get("/nothing").content


def test_a_query_parameter_named_format_means_nothing(get: Call) -> None:
    assert get("/v1/messages?format=xml").status_code == 200


class _Unlisted(DomainError):
    code = "not_in_the_catalogue"


@pytest.mark.parametrize(
    ("raised", "status", "code"),
    [
        (OperationalError("server at 10.0.0.1 closed the connection"), 503, "SERVICE_UNAVAILABLE"),
        (RuntimeError("a secret detail"), 500, "INTERNAL_ERROR"),
        (_Unlisted("odd"), 500, "INTERNAL_ERROR"),
    ],
)
def test_our_own_trouble_is_told_without_its_details(raised: Exception, status: int, code: str) -> None:
    response = errors.to_plain_response(raised)

    answer = orjson.loads(response.content)
    assert (response.status_code, answer["code"]) == (status, code)
    assert "10.0.0.1" not in answer["message"]
    assert "secret detail" not in answer["message"]


@pytest.mark.django_db
def test_a_statement_that_postgresql_gave_up_is_told_as_such() -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL statement_timeout = 50")
        with pytest.raises(OperationalError) as raised, transaction.atomic():
            cursor.execute("SELECT pg_sleep(5)")

    response = errors.to_plain_response(raised.value)

    answer = orjson.loads(response.content)
    assert (response.status_code, answer["code"], response["Retry-After"]) == (503, "TOOK_TOO_LONG", "10")
    assert answer["message"] == catalog.CATALOG["took_too_long"].cause


def test_a_serializers_first_error_is_named_by_its_path() -> None:
    class Inner(serializers.Serializer[Any]):
        size = serializers.IntegerField()

    class Outer(serializers.Serializer[Any]):
        name = serializers.CharField(required=False)
        inner = Inner()

    wrong = Outer(data={"inner": {"size": "x"}})
    absent = Outer(data={"inner": {}})
    wrong.is_valid()
    absent.is_valid()

    found = errors.explain(serializers.ValidationError(wrong.errors))
    missing = errors.explain(serializers.ValidationError(absent.errors))

    assert (found.entry.code, found.details) == ("invalid_field", {"field": "inner.size"})
    assert (missing.entry.code, missing.details) == ("missing_required_field", {"field": "inner.size"})


def test_every_code_of_the_catalogue_can_be_written() -> None:
    for entry in catalog.CATALOG.values():
        written = errors.body(errors.Problem(entry, "a message"))

        assert written["code"] == entry.code.upper()
        assert ("retry_after_seconds" in written) == (entry.status == 429)


def test_json_paths_are_those_of_programs() -> None:
    made = RequestFactory()

    assert errors.is_json_path(made.get("/v1/x"))
    assert not errors.is_json_path(made.get("/console/"))
