"""The limit of a key, and its headers."""

from datetime import UTC, datetime

import orjson
import pytest
from django.conf import settings
from django.test import Client
from pytest_django.fixtures import Settings

from accounts.models import Tenant
from tests.api.conftest import Call


def test_every_answer_to_a_known_key_carries_its_limit(get: Call, live_key: str) -> None:
    response = get("/v1/me")
    missing = get("/v1/messages/1")
    live = Client(headers={"X-API-Key": live_key}).get("/v1/me")

    assert (response["X-RateLimit-Limit"], response["X-RateLimit-Remaining"]) == ("10", "9")
    assert response["X-RateLimit-Reset"].isdigit()
    assert response["RateLimit-Policy"] == '"key";q=10;w=1, "day";q=1000;w=86400'
    assert response["RateLimit"].startswith('"key";r=9;t=')
    assert (response["X-RateLimit-Limit-Day"], response["X-RateLimit-Remaining-Day"]) == ("1000", "999")
    assert missing["X-RateLimit-Remaining-Day"] == "998"
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


def test_a_project_may_have_limits_of_its_own(live_key: str) -> None:
    Tenant.objects.update(plan=Tenant.Plan.ENTERPRISE, requests_per_second=1234, requests_per_day=5)

    answers = [Client(headers={"X-API-Key": live_key}).get("/v1/me") for _ in range(6)]

    assert [answer.status_code for answer in answers] == [200] * 5 + [429]
    assert [answer["X-RateLimit-Remaining-Day"] for answer in answers] == ["4", "3", "2", "1", "0", "0"]
    assert answers[0]["X-RateLimit-Limit"] == "1234"


def test_over_the_days_limit_the_answer_says_to_wait_for_midnight_utc(get: Call, settings: Settings) -> None:
    settings.API_DAILY_LIMITS = settings.API_DAILY_LIMITS | {"sandbox": 1}
    assert get("/v1/me").status_code == 200

    refused = get("/v1/me")

    answer = orjson.loads(refused.content)
    now = datetime.now(UTC)
    to_midnight = 86_400 - (now - now.replace(hour=0, minute=0, second=0, microsecond=0)).total_seconds()
    assert (refused.status_code, answer["error"]) == (429, "Too Many Requests")
    assert (answer["code"], answer["details"]) == ("RATE_LIMITED_API_KEY", {"limit": 1, "period": "day"})
    assert answer["message"] == "Rate limit exceeded for API key"
    assert answer["retry_after_seconds"] == pytest.approx(to_midnight, abs=5)
    assert refused["Retry-After"] == str(answer["retry_after_seconds"])


def test_a_request_that_the_second_refuses_costs_the_day_nothing(get: Call) -> None:
    answers = [get("/v1/me") for _ in range(40)]

    allowed = [answer for answer in answers if answer.status_code == 200]
    assert len(allowed) < 40
    assert answers[-1]["X-RateLimit-Remaining-Day"] == str(1000 - len(allowed))
