"""The short way of `POST /v1/messages?async=true`: few statements, and the same answers as the long one."""

from typing import Any

import orjson
import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from pytest_django.fixtures import Settings

from accounts import keys
from messaging.models import Conversation, IdempotentAnswer, Message
from tests.api.conftest import Call, nothing_stored
from tests.api.v1.test_messages import REFUSALS
from tests.conftest import Party

PATH = "/v1/messages?async=true"


def test_a_message_to_a_known_person_is_accepted_with_three_statements_at_most(
    post: Call, body: dict[str, Any], settings: Settings
) -> None:
    settings.LOOKUPS_LIVE_SECONDS = 60
    post(PATH, body, Idempotency_Key="first")

    with CaptureQueriesContext(connection) as queries:
        response = post(PATH, body, Idempotency_Key="second")

    written = [query["sql"] for query in queries if "INSERT" in query["sql"]]
    assert response.status_code == 202
    assert len(queries) <= 3
    assert len(written) == 1
    assert Message.objects.count() == IdempotentAnswer.objects.count() == 2
    assert Conversation.objects.get().messages_count == 2


def test_a_repeat_gets_the_first_answer_to_the_byte_whatever_became_of_the_message(
    post: Call, body: dict[str, Any]
) -> None:
    first = post(PATH, body, Idempotency_Key="order-1")
    Message.objects.update(status=Message.Status.DELIVERED, wamid="wamid.X")

    second = post(PATH, body, Idempotency_Key="order-1")
    prefer = post("/v1/messages", body, Idempotency_Key="order-1", Prefer="respond-async")

    assert (first.status_code, second.status_code, prefer.status_code) == (202, 202, 202)
    assert first.content == second.content == prefer.content
    assert second["Idempotent-Replayed"] == "true"
    assert Message.objects.count() == 1


def test_the_same_key_with_another_body_is_a_conflict_and_counts_nothing(
    post: Call, body: dict[str, Any]
) -> None:
    post(PATH, body, Idempotency_Key="order-2")

    response = post(PATH, body | {"text": {"body": "another"}}, Idempotency_Key="order-2")

    assert (response.status_code, orjson.loads(response.content)["code"]) == (409, "IDEMPOTENCY_KEY_CONFLICT")
    assert Message.objects.count() == Conversation.objects.get().messages_count == 1


@pytest.mark.parametrize(("change", "status", "code", "details"), REFUSALS)
def test_a_wrong_field_is_refused_in_the_same_words_and_counted_once(
    post: Call, body: dict[str, Any], change: dict[str, Any], status: int, code: str, details: dict[str, Any]
) -> None:
    response = post(PATH, body | change)

    answer = orjson.loads(response.content)
    assert (response.status_code, answer["code"], answer["details"]) == (status, code, details)
    assert response["X-RateLimit-Remaining-Day"] == "999"
    assert nothing_stored()


def test_the_short_way_writes_the_limits_and_the_long_ways_headers(post: Call, body: dict[str, Any]) -> None:
    short, long = post(PATH, body), post(f"{PATH}&x=1", body)

    ours = {name: value for name, value in short.items() if not name.startswith(("X-R", "RateLimit"))}
    theirs = {name: value for name, value in long.items() if name in ours}
    assert (short.status_code, long.status_code) == (202, 202)
    assert ours.keys() <= long.headers.keys() | {"Content-Length"}
    assert ours["Content-Type"] == theirs["Content-Type"] == "application/json"
    assert short["X-RateLimit-Limit"] == long["X-RateLimit-Limit"] == "10"


def test_a_revoked_key_is_refused_once_what_is_held_of_it_is_old(
    acme: Party, body: dict[str, Any], settings: Settings
) -> None:
    settings.LOOKUPS_LIVE_SECONDS = 60
    client = Client(headers={"X-API-Key": acme.api_key})
    assert client.post(PATH, body, content_type="application/json").status_code == 202
    keys.revoke(key=acme.key)
    settings.LOOKUPS_LIVE_SECONDS = 0

    response = client.post(PATH, body, content_type="application/json")

    assert response.status_code == 401
    assert Message.objects.count() == 1
