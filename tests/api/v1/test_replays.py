"""gosend/api/v1/replays.py"""

from datetime import timedelta

import orjson
import pytest
from django.utils import timezone

from tests.api.conftest import Call
from tests.api.v1.conftest import Owe
from tests.conftest import Party
from tests.webhooks_app import receiver as receivers
from webhooks_app import deliver, endpoints, replay
from webhooks_app.models import Delivery, Replay, WebhookEndpoint


def _since(hours: float = 1) -> str:
    return (timezone.now() - timedelta(hours=hours)).isoformat()


def _fail_all() -> None:
    Delivery.objects.update(status="failed", ended_reason="exhausted", next_attempt_at=None)


def test_what_failed_since_a_moment_is_posted_again_with_progress(
    get: Call, post: Call, endpoint: WebhookEndpoint, owe: Owe, receiver: receivers.Receiver
) -> None:
    for _ in range(3):
        owe()
    _fail_all()

    ordered = post(f"/v1/webhooks/{endpoint.pk}/replay", {"since": _since(), "status": "failed"})
    body = orjson.loads(ordered.content)
    path = f"/v1/webhooks/{endpoint.pk}/replays/{body['id']}"
    replay.advance()
    deliver.run()
    after = orjson.loads(get(path).content)

    assert ordered.status_code == 202
    assert (body["status"], body["total"], body["replayed"], body["begun_at"]) == ("running", 3, 0, None)
    assert (body["total_is_capped"], after["total_is_capped"]) == (False, False)
    assert (body["webhook_id"], body["wanted"]) == (str(endpoint.pk), "failed")
    assert (after["status"], after["total"], after["replayed"]) == ("done", 3, 3)
    assert (after["delivered"], after["failed"]) == (3, 0)
    assert after["begun_at"].endswith("Z")
    assert len(receiver.received) == 3


def test_a_repeated_order_is_made_once(post: Call, endpoint: WebhookEndpoint) -> None:
    asked = {"since": _since()}
    path = f"/v1/webhooks/{endpoint.pk}/replay"

    first = post(path, asked, Idempotency_Key="r-1")
    second = post(path, asked, Idempotency_Key="r-1")

    assert (first.status_code, second.content) == (202, first.content)
    assert Replay.objects.count() == 1


@pytest.mark.parametrize(
    ("asked", "code", "field"),
    [
        ({}, "MISSING_REQUIRED_FIELD", "since"),
        ({"since": "yesterday"}, "INVALID_FIELD", "since"),
        ({"since": 5}, "INVALID_FIELD", "since"),
        ({"since": "2026-05-18T00:00:00Z", "status": "pending"}, "INVALID_FIELD", "status"),
    ],
)
def test_an_order_that_means_nothing_is_refused(
    post: Call, endpoint: WebhookEndpoint, asked: dict[str, object], code: str, field: str
) -> None:
    refused = post(f"/v1/webhooks/{endpoint.pk}/replay", asked)

    body = orjson.loads(refused.content)
    assert (refused.status_code, body["code"], body["details"]) == (400, code, {"field": field})
    assert Replay.objects.count() == 0


@pytest.mark.parametrize("since", ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z"])
def test_any_moment_will_do(post: Call, endpoint: WebhookEndpoint, owe: Owe, since: str) -> None:
    owe()
    _fail_all()

    ordered = post(f"/v1/webhooks/{endpoint.pk}/replay", {"since": since})

    assert ordered.status_code == 202
    assert orjson.loads(ordered.content)["total"] == (0 if since.startswith("9999") else 1)


def test_a_strangers_order_is_as_unknown_as_any(
    acme: Party, globex: Party, get: Call, post: Call, endpoint: WebhookEndpoint
) -> None:
    strange, _ = endpoints.add(tenant=globex.tenant, url=endpoint.url, events=["*"])
    theirs = replay.order(endpoint=strange, since=timezone.now())

    for path in (
        f"/v1/webhooks/{strange.pk}/replays/{theirs.pk}",
        f"/v1/webhooks/{endpoint.pk}/replays/{theirs.pk}",
        f"/v1/webhooks/{endpoint.pk}/replays/x",
    ):
        assert get(path).status_code == 404
    assert post(f"/v1/webhooks/{strange.pk}/replay", {"since": _since()}).status_code == 404
    assert Replay.objects.count() == 1
