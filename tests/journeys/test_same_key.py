"""The same request, many times at once, is one message."""

from concurrent.futures import ThreadPoolExecutor

import pytest
import requests
from pytest_django.fixtures import Settings

from messaging.models import IdempotentAnswer, Message
from tests.journeys.conftest import Client

pytestmark = [pytest.mark.journey, pytest.mark.django_db(transaction=True)]
REQUESTS = 64


@pytest.mark.parametrize("query", ["", "?async=true"])
def test_sixty_four_requests_with_one_key_send_one_message(
    client_of: Client, settings: Settings, query: str
) -> None:
    settings.API_RATE_LIMITS = settings.API_RATE_LIMITS | {"sandbox": 1000}
    body = {
        "phone_number_id": client_of.number.phone_number_id,
        "to": "5491140123456",
        "type": "text",
        "text": {"body": "Hola"},
    }

    def send(_n: int) -> requests.Response:
        return requests.post(
            f"{client_of.base_url}/v1/messages{query}",
            json=body,
            headers={"X-API-Key": client_of.key, "Idempotency-Key": "order-1234"},
            timeout=30,
        )

    with ThreadPoolExecutor(REQUESTS) as pool:
        answers = list(pool.map(send, range(REQUESTS)))
    late = send(0)

    told = {answer.status_code for answer in answers}
    assert told <= {201, 202, 409}
    assert len({answer.content for answer in [*answers, late] if answer.status_code != 409}) == 1
    assert {answer.json()["code"] for answer in answers if answer.status_code == 409} <= {
        "IDEMPOTENCY_IN_PROGRESS"
    }
    assert late.headers["Idempotent-Replayed"] == "true"
    assert (Message.objects.count(), IdempotentAnswer.objects.count()) == (1, 1)
    assert Message.objects.get().attempt_count == (0 if query else 1)
