"""The limit of a key, and its headers."""

import orjson
from django.conf import settings
from django.test import Client

from accounts.models import Tenant
from tests.api.conftest import Call


def test_every_answer_to_a_known_key_carries_its_limit(get: Call, live_key: str) -> None:
    response = get("/v1/me")
    missing = get("/v1/messages/1")
    live = Client(headers={"X-API-Key": live_key}).get("/v1/me")

    assert (response["X-RateLimit-Limit"], response["X-RateLimit-Remaining"]) == ("10", "9")
    assert response["X-RateLimit-Reset"].isdigit()
    assert response["RateLimit-Policy"] == '"key";q=10;w=1'
    assert response["RateLimit"].startswith('"key";r=9;t=')
    assert missing["X-RateLimit-Limit"] == "10"
    assert live["X-RateLimit-Limit"] == "100"


def test_the_plan_decides_the_limit_of_a_live_key(live_key: str) -> None:
    Tenant.objects.update(plan=Tenant.Plan.HIGH_VOLUME)

    assert Client(headers={"X-API-Key": live_key}).get("/v1/me")["X-RateLimit-Limit"] == "500"


def test_over_the_limit_the_documented_answer_comes(get: Call) -> None:
    limit = settings.API_RATE_LIMITS["sandbox"]
    responses = [get("/v1/me") for _ in range(limit * 4)]

    refused = [response for response in responses if response.status_code == 429]
    assert refused
    answer = orjson.loads(refused[0].content)
    documented = {
        "statusCode": 429,
        "message": "Rate limit exceeded for API key",
        "error": "Too Many Requests",
        "retry_after_seconds": 1,
    }
    assert {name: answer[name] for name in documented} == documented
    assert answer["code"] == "RATE_LIMITED_API_KEY"
    assert (refused[0]["Retry-After"], refused[0]["X-RateLimit-Remaining"]) == ("1", "0")
