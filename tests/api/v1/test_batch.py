"""POST of /v1/messages/batch."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import orjson
import pytest
from django.db import connections
from django.db.models import F
from django.http import HttpResponse
from pytest_django.fixtures import Settings

from accounts.models import PhoneNumber
from messaging import deliver, throughput
from messaging.models import Dispatch, IdempotentAnswer, Message, Throughput
from tests.api.conftest import Call, nothing_stored

PATH = "/v1/messages/batch"


def _messages(body: dict[str, Any], count: int) -> dict[str, Any]:
    return {"messages": [body | {"to": f"549114012{n:04d}"} for n in range(count)]}


@pytest.mark.django_db(transaction=True)  # a drain of several sends them in threads
def test_every_message_is_accepted_and_goes_out_later(
    post: Call, body: dict[str, Any], number: PhoneNumber
) -> None:
    response = post(PATH, _messages(body, 3))

    answer = orjson.loads(response.content)
    ids = [str(pk) for pk in Message.objects.order_by("pk").values_list("pk", flat=True)]
    assert response.status_code == 202
    assert answer == {
        "accepted": 3,
        "rejected": 0,
        "messages": [{"index": n, "status": "accepted", "id": ids[n]} for n in range(3)],
    }
    assert set(Message.objects.values_list("status", flat=True)) == {"queued"}
    assert deliver.drain(number_id=number.pk) == 3


def test_a_bad_one_gets_the_error_of_a_send_of_its_own_and_stops_nobody(
    post: Call, body: dict[str, Any], globex: Any
) -> None:
    bad: list[Any] = [
        body | {"to": "+5491140123456"},
        body | {"type": "smoke"},
        body | {"text": {}},
        body | {"phone_number_id": "404"},
        body | {"phone_number_id": globex.number.phone_number_id},
        {},
    ]
    alone = [orjson.loads(post("/v1/messages", one).content) for one in bad]

    answer = orjson.loads(post(PATH, {"messages": [body, *bad, "no object", body]}).content)

    assert (answer["accepted"], answer["rejected"]) == (2, 7)
    assert [one["status"] for one in answer["messages"]] == ["accepted", *["rejected"] * 7, "accepted"]
    rejected = [one["error"] for one in answer["messages"][1:-2]]
    for error in (*rejected, *alone):
        error.pop("request_id")
    assert rejected == alone
    assert answer["messages"][-2]["error"]["code"] == "INVALID_FIELD"
    assert Message.objects.count() == 2


@pytest.mark.parametrize("messages", [None, [], {}, "x", 7, [{}] * 1001])
def test_what_is_no_list_of_messages_is_refused_whole(post: Call, messages: Any) -> None:
    response = post(PATH, {"messages": messages})

    assert response.status_code == 400
    assert orjson.loads(response.content)["details"]["field"] == "messages"
    assert nothing_stored()


def test_a_thousand_are_taken_and_a_larger_body_than_a_single_sends(
    post: Call, body: dict[str, Any], settings: Settings
) -> None:
    settings.API_MAX_BODY_BYTES = 1_000

    response = post(PATH, _messages(body, 1000))

    assert orjson.loads(response.content)["accepted"] == 1000
    assert Dispatch.objects.count() == 1000


def test_a_body_over_the_batch_cap_is_refused(post: Call, body: dict[str, Any], settings: Settings) -> None:
    settings.API_MAX_BATCH_BYTES = 500

    response = post(PATH, _messages(body, 10))

    assert response.status_code == 413
    assert orjson.loads(response.content)["details"] == {"limit": 500}
    assert nothing_stored()


def test_a_repeat_gets_the_whole_answer_again_and_accepts_nothing(post: Call, body: dict[str, Any]) -> None:
    batch = _messages(body, 3)
    batch["messages"].append({})
    first = post(PATH, batch, Idempotency_Key="batch-1")

    again = post(PATH, batch, Idempotency_Key="batch-1")
    other = post(PATH, _messages(body, 4), Idempotency_Key="batch-1")

    assert (again.status_code, again.content) == (202, first.content)
    assert again["Idempotent-Replayed"] == "true"
    assert other.status_code == 409
    assert Message.objects.count() == 3


def test_a_batch_that_fails_half_way_leaves_nothing_behind(
    post: Call, body: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as broken:
        broken.setenv("ENCRYPTION_KEYS", "")
        broken.setattr("django.conf.settings.ENCRYPTION_KEYS", "")
        failed = post(PATH, _messages(body, 3), Idempotency_Key="batch-2")
    assert failed.status_code == 500
    assert nothing_stored()

    assert post(PATH, _messages(body, 3), Idempotency_Key="batch-2").status_code == 202
    assert Message.objects.count() == 3


@pytest.mark.django_db(transaction=True)
def test_the_same_batch_at_once_is_accepted_once(
    post: Call, body: dict[str, Any], settings: Settings
) -> None:
    settings.API_RATE_LIMITS = settings.API_RATE_LIMITS | {"sandbox": 1000}

    def send(_n: int) -> HttpResponse:
        try:
            return post(PATH, _messages(body, 20), Idempotency_Key="batch-3")
        finally:
            connections.close_all()

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(send, range(8)))

    assert {answer.status_code for answer in answers} <= {202, 409}
    assert len({answer.content for answer in answers if answer.status_code == 202}) == 1
    assert (Message.objects.count(), IdempotentAnswer.objects.count()) == (20, 1)


def test_a_queue_without_room_for_any_answers_429_and_remembers_nothing(
    post: Call, body: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(throughput, "MAX_WAITING", 2)
    assert orjson.loads(post(PATH, _messages(body, 3)).content)["rejected"] == 1

    refused = post(PATH, _messages(body, 3), Idempotency_Key="batch-4")

    assert (refused.status_code, refused["Retry-After"]) == (429, "1")
    assert orjson.loads(refused.content)["code"] == "QUEUE_FULL"
    assert not IdempotentAnswer.objects.exists()


def test_a_synchronous_send_over_the_tier_is_answered_as_documented(
    post: Call, body: dict[str, Any], number: PhoneNumber, settings: Settings
) -> None:
    settings.REDIS_URL = ""
    throughput.take(number=number, most=80)
    Throughput.objects.update(full_at=F("full_at") + 900_000)

    refused = post("/v1/messages", body)
    queued = post("/v1/messages?async=true", body)

    answer = orjson.loads(refused.content)
    documented = {
        "statusCode": 429,
        "message": f"Rate limit exceeded for phone_number_id={number.phone_number_id}."
        " Tier: standard (80 msg/s).",
        "error": "Too Many Requests",
        "retry_after_seconds": 1,
    }
    assert (refused.status_code, refused["Retry-After"]) == (429, "1")
    assert {name: answer[name] for name in documented} == documented
    assert answer["code"] == "RATE_LIMITED_PHONE_NUMBER"
    assert queued.status_code == 202
    assert Message.objects.count() == 1
