"""POST of /v1/messages."""

import re
from datetime import timedelta
from typing import Any

import orjson
import pytest
from django.test import Client

from accounts import keys
from accounts.models import PhoneNumber
from gosend.api import view as doors
from messaging.models import IdempotentAnswer, Message
from tests.api.conftest import Call, nothing_stored
from tests.conftest import Party

SENT_KEYS = [
    "id", "phone_number_id", "direction", "message_type", "wa_message_id", "status", "to_phone", "created_at",
]  # fmt: skip


def test_a_text_is_sent_and_answered_as_documented(post: Call, body: dict[str, Any]) -> None:
    response = post("/v1/messages", body)

    message = Message.objects.get()
    answer = orjson.loads(response.content)
    assert response.status_code == 201
    assert response["Content-Type"] == "application/json"
    assert list(answer) == SENT_KEYS
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", answer.pop("created_at"))
    assert answer == {
        "id": str(message.pk),
        "phone_number_id": body["phone_number_id"],
        "direction": "outbound",
        "message_type": "text",
        "wa_message_id": message.wamid,
        "status": "sent",
        "to_phone": "5491140123456",
    }


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/v1/messages?async=true", {}),
        ("/v1/messages", {"Prefer": "respond-async"}),
        ("/v1/messages", {"Prefer": "wait=5, respond-async"}),
    ],
)
def test_an_asynchronous_send_is_queued(
    post: Call, body: dict[str, Any], path: str, headers: dict[str, str]
) -> None:
    response = post(path, body, **headers)

    answer = orjson.loads(response.content)
    assert (response.status_code, answer["status"], answer["wa_message_id"]) == (202, "queued", None)
    assert response.get("Preference-Applied") == ("respond-async" if headers else None)


def test_async_must_be_true_or_false(post: Call, body: dict[str, Any]) -> None:
    response = post("/v1/messages?async=perhaps", body)

    assert (response.status_code, code_of(response)) == (400, "INVALID_FIELD")
    assert nothing_stored()


def test_json_under_curls_own_content_type_is_taken(post: Call, body: dict[str, Any]) -> None:
    response = post("/v1/messages", body, content_type="application/x-www-form-urlencoded")

    assert response.status_code == 201


def test_fields_that_are_not_ours_are_passed_by(post: Call, body: dict[str, Any]) -> None:
    response = post("/v1/messages", body | {"idempotencyKey": "x", "messaging_product": "whatsapp"})

    assert response.status_code == 201


def test_context_and_tracking_reach_the_message(post: Call, body: dict[str, Any]) -> None:
    post("/v1/messages", body | {"context": {"message_id": "wamid.X"}, "biz_opaque_callback_data": "order-1"})

    content = Message.objects.get().content
    assert (content.body["context"], content.tracking) == ({"message_id": "wamid.X"}, "order-1")


REFUSALS: list[tuple[dict[str, Any], int, str, dict[str, Any]]] = [
    ({"to": "+5491140123456"}, 400, "INVALID_PHONE_NUMBER", {"field": "to", "value": "+5491140123456"}),
    ({"to": "549-11-4012"}, 400, "INVALID_PHONE_NUMBER", {"field": "to", "value": "549-11-4012"}),
    ({"to": None}, 400, "MISSING_REQUIRED_FIELD", {"field": "to"}),
    ({"to": ""}, 400, "MISSING_REQUIRED_FIELD", {"field": "to"}),
    ({"to": ["1"]}, 400, "INVALID_FIELD", {"field": "to", "value": "['1']"}),
    ({"to": True}, 400, "INVALID_FIELD", {"field": "to", "value": True}),
    ({"phone_number_id": None}, 400, "MISSING_REQUIRED_FIELD", {"field": "phone_number_id"}),
    ({"type": None}, 400, "MISSING_REQUIRED_FIELD", {"field": "type"}),
    ({"text": None}, 400, "MISSING_REQUIRED_FIELD", {"field": "text"}),
    ({"context": "wamid.X"}, 400, "INVALID_FIELD", {"field": "context", "value": "wamid.X"}),
    (
        {"phone_number_id": "1555000000000"},
        404,
        "INVALID_PHONE_NUMBER_ID",
        {"field": "phone_number_id", "value": "1555000000000"},
    ),
]


@pytest.mark.parametrize(("change", "status", "code", "details"), REFUSALS)
def test_a_wrong_field_is_refused_and_nothing_stored(
    post: Call, body: dict[str, Any], change: dict[str, Any], status: int, code: str, details: dict[str, Any]
) -> None:
    response = post("/v1/messages", body | change)

    answer = orjson.loads(response.content)
    assert (response.status_code, answer["code"], answer["details"]) == (status, code, details)
    assert nothing_stored()


def test_an_unknown_type_is_told_which_exist(post: Call, body: dict[str, Any]) -> None:
    response = post("/v1/messages", body | {"type": "carrier_pigeon"})

    answer = orjson.loads(response.content)
    assert (response.status_code, answer["code"]) == (400, "INVALID_MESSAGE_TYPE")
    assert {"text", "template", "image"} <= set(answer["details"]["allowed"])
    assert nothing_stored()


def test_a_missing_inner_field_is_named_by_its_path(post: Call, body: dict[str, Any]) -> None:
    response = post("/v1/messages", body | {"text": {}})

    answer = orjson.loads(response.content)
    assert (response.status_code, answer["code"]) == (400, "MISSING_REQUIRED_FIELD")
    assert answer["details"]["field"] == "text.body"
    assert nothing_stored()


def test_content_over_a_limit_is_refused_with_the_limit(post: Call, body: dict[str, Any]) -> None:
    response = post("/v1/messages", body | {"text": {"body": "a" * 4097}})

    answer = orjson.loads(response.content)
    assert (response.status_code, answer["code"]) == (400, "INVALID_CONTENT")
    assert [(item["path"], item["limit"]) for item in answer["details"]["errors"]] == [("text.body", 4096)]
    assert nothing_stored()


def test_a_strangers_number_looks_like_an_unknown_one(body: dict[str, Any], stranger_key: str) -> None:
    client = Client(headers={"X-API-Key": stranger_key})

    response = client.post("/v1/messages", body, content_type="application/json")
    unknown = client.post("/v1/messages", body | {"phone_number_id": "1"}, content_type="application/json")

    assert response.status_code == unknown.status_code == 404
    assert response.json()["code"] == unknown.json()["code"] == "INVALID_PHONE_NUMBER_ID"
    assert response.json()["message"] == unknown.json()["message"]
    assert nothing_stored()


def test_a_live_key_cannot_use_a_sandbox_number(body: dict[str, Any], live_key: str) -> None:
    client = Client(headers={"X-API-Key": live_key})

    response = client.post("/v1/messages", body, content_type="application/json")

    assert (response.status_code, response.json()["code"]) == (403, "ENVIRONMENT_MISMATCH")
    assert nothing_stored()


def test_free_text_outside_the_window_is_refused(
    post: Call, body: dict[str, Any], number: PhoneNumber
) -> None:
    number.window_policy = PhoneNumber.WindowPolicy.STRICT
    number.connected_at -= timedelta(days=3)
    number.save()

    response = post("/v1/messages", body)

    assert (response.status_code, code_of(response)) == (403, "OUTSIDE_24H_WINDOW")
    assert nothing_stored()


def test_what_meta_refuses_is_kept_and_answered_422(post: Call, body: dict[str, Any]) -> None:
    response = post("/v1/messages", body | REFUSED_BY_META)

    answer = orjson.loads(response.content)
    message = Message.objects.get()
    assert (response.status_code, answer["code"]) == (422, "META_ERROR")
    assert (message.status, answer["details"]["message_id"]) == ("failed", str(message.pk))
    assert answer["details"]["meta"]["code"] == 131009


def test_the_same_key_and_body_replays_the_first_answer_to_the_byte(post: Call, body: dict[str, Any]) -> None:
    first = post("/v1/messages", body, Idempotency_Key="order-1")
    second = post("/v1/messages", dict(reversed(body.items())), Idempotency_Key="order-1")

    assert (first.status_code, first.get("Idempotent-Replayed")) == (201, None)
    assert (second.status_code, second["Idempotent-Replayed"]) == (201, "true")
    assert second.content == first.content
    assert Message.objects.count() == 1


def test_a_failed_send_is_replayed_as_well(post: Call, body: dict[str, Any]) -> None:
    first = post("/v1/messages", body | REFUSED_BY_META, Idempotency_Key="order-2")
    second = post("/v1/messages", body | REFUSED_BY_META, Idempotency_Key="order-2")

    assert first.status_code == second.status_code == 422
    assert second.content == first.content
    assert Message.objects.count() == 1


def test_the_same_key_with_another_body_is_a_conflict(post: Call, body: dict[str, Any]) -> None:
    post("/v1/messages", body, Idempotency_Key="order-3")

    response = post("/v1/messages", body | {"text": {"body": "another"}}, Idempotency_Key="order-3")

    assert (response.status_code, code_of(response)) == (409, "IDEMPOTENCY_KEY_CONFLICT")
    assert Message.objects.count() == 1


def test_a_key_held_by_a_running_request_is_in_progress(post: Call, body: dict[str, Any]) -> None:
    post("/v1/messages", body, Idempotency_Key="order-4")
    IdempotentAnswer.objects.update(status_code=None, body=None, message=None)

    response = post("/v1/messages", body, Idempotency_Key="order-4")

    assert (response.status_code, code_of(response)) == (409, "IDEMPOTENCY_IN_PROGRESS")
    assert response["Retry-After"] == "1"


def test_an_answer_that_was_never_given_is_given_late(post: Call, body: dict[str, Any]) -> None:
    first = post("/v1/messages", body, Idempotency_Key="order-5")
    IdempotentAnswer.objects.update(status_code=None, body=None)

    second = post("/v1/messages", body, Idempotency_Key="order-5")

    assert (second.status_code, second.content) == (201, first.content)
    assert Message.objects.count() == 1
    assert IdempotentAnswer.objects.get().status_code == 201


def test_a_refused_request_leaves_its_key_free(post: Call, body: dict[str, Any]) -> None:
    post("/v1/messages", body | {"to": "+1"}, Idempotency_Key="order-6")

    response = post("/v1/messages", body, Idempotency_Key="order-6")

    assert response.status_code == 201


@pytest.mark.parametrize("name", ["", '""', "x" * 256, "café", "a\tb"])
def test_an_odd_idempotency_key_is_refused(post: Call, body: dict[str, Any], name: str) -> None:
    response = post("/v1/messages", body, Idempotency_Key=name)

    assert (response.status_code, code_of(response)) == (400, "INVALID_IDEMPOTENCY_KEY")
    assert nothing_stored()


def test_quotes_around_an_idempotency_key_do_not_count(post: Call, body: dict[str, Any]) -> None:
    post("/v1/messages", body, Idempotency_Key="order-7")

    assert post("/v1/messages", body, Idempotency_Key='"order-7"')["Idempotent-Replayed"] == "true"


def test_a_key_without_the_scope_cannot_send(acme: Party, body: dict[str, Any]) -> None:
    _, reader = keys.mint(tenant=acme.tenant, label="reader", environment="test", scopes=["read"])
    client = Client(headers={"X-API-Key": reader})

    response = client.post("/v1/messages", body, content_type="application/json")

    assert (response.status_code, response.json()["details"]) == (403, {"scope": "send"})
    assert nothing_stored()


def test_every_view_of_the_dialect_names_a_scope_for_every_method() -> None:
    from gosend.api.v1 import urls  # noqa: PLC0415 -- imports every view

    views = [getattr(pattern.callback, "view_class", None) for pattern in urls.urlpatterns]
    for one in views:
        assert one is not None
        assert issubclass(one, doors.TenantView)
        methods = {name.upper() for name in ("get", "post", "put", "patch", "delete") if hasattr(one, name)}
        assert set(one.scopes) == methods


# Only Meta, or the sandbox, knows that no message has this id.
REFUSED_BY_META = {"context": {"message_id": "order-1"}}


def code_of(response: Any) -> Any:
    return orjson.loads(response.content)["code"]
