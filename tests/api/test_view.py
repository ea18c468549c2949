"""Repeats of a POST other than a send."""

from typing import Any

import orjson
import pytest
from django.test import Client

from messaging.models import IdempotentAnswer
from tests.api.conftest import Call
from webhooks_app.models import WebhookEndpoint

WEBHOOK: dict[str, Any] = {"url": "https://customer.example/hook", "events": ["*"]}


def test_a_repeated_post_makes_one_row_and_the_same_answer(post: Call) -> None:
    first = post("/v1/webhooks", WEBHOOK, Idempotency_Key="hook-1")
    second = post("/v1/webhooks", WEBHOOK, Idempotency_Key="hook-1")

    assert (first.status_code, second.status_code) == (201, 201)
    assert second.content == first.content
    assert second["Idempotent-Replayed"] == "true"
    assert WebhookEndpoint.objects.count() == 1


def test_a_secret_in_an_answer_is_kept_encrypted(post: Call) -> None:
    response = post("/v1/webhooks", WEBHOOK, Idempotency_Key="hook-2")

    kept = bytes(IdempotentAnswer.objects.get().body or b"")
    assert orjson.loads(response.content)["secret"].startswith("whsec_")
    assert b"whsec_" not in kept


def test_what_is_refused_leaves_no_key(post: Call) -> None:
    response = post("/v1/webhooks", WEBHOOK | {"events": ["nonsense"]}, Idempotency_Key="hook-3")

    assert response.status_code == 422
    assert not IdempotentAnswer.objects.exists()
    assert not WebhookEndpoint.objects.exists()


def test_a_key_is_one_for_all_addresses(post: Call, body: dict[str, Any]) -> None:
    post("/v1/webhooks", WEBHOOK, Idempotency_Key="shared")

    response = post("/v1/messages", body, Idempotency_Key="shared")

    assert response.status_code == 409


@pytest.mark.parametrize("method", ["OPTIONS", "TRACE", "PURGE"])
def test_a_method_nobody_answers_is_405(key: str, method: str) -> None:
    response = Client().generic(method, "/v1/me", headers={"X-API-Key": key})

    assert response.status_code == 405
