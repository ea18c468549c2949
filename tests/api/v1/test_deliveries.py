"""gosend/api/v1/deliveries.py"""

import uuid
from datetime import timedelta
from typing import Any

import orjson
import pytest
from django.db.models.functions import Now
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from accounts.models import PhoneNumber
from messaging.models import IdempotentAnswer
from tests.api.conftest import Call
from tests.api.v1.conftest import Owe
from tests.conftest import Party
from tests.webhooks_app import receiver as receivers
from webhooks_app import claims, deliver, endpoints, events
from webhooks_app.models import Attempt, Delivery, Event, WebhookEndpoint


def _path(endpoint: WebhookEndpoint, rest: str = "") -> str:
    return f"/v1/webhooks/{endpoint.pk}/deliveries{rest}"


def test_deliveries_show_every_attempt(
    get: Call, endpoint: WebhookEndpoint, owe: Owe, receiver: receivers.Receiver
) -> None:
    delivery = owe()
    for answer in (receivers.reply(503, b"later"), receivers.reply(200, b"thanks")):
        receiver.answer = answer
        deliver.run()
        Delivery.objects.filter(status="retrying").update(next_attempt_at=Now())

    [row] = orjson.loads(get(_path(endpoint)).content)

    assert (row["id"], row["delivery_id"]) == (str(delivery.pk), str(delivery.delivery_id))
    assert (row["event"], row["status"]) == ("whatsapp.message.delivered", "delivered")
    assert (row["attempt"], row["max_attempts"]) == (2, 5)
    assert (row["response_status"], row["response_body"], row["error"]) == (200, "thanks", None)
    assert (row["next_attempt_at"], row["ended_reason"]) == (None, None)
    assert row["delivered_at"].endswith("Z")
    assert row["payload"] == orjson.loads(receiver.received[0].body)
    assert [
        (one["attempt"], one["trigger"], one["response_status"], one["response_body"], one["error"])
        for one in row["attempts"]
    ] == [(1, "schedule", 503, "later", "bad_status"), (2, "schedule", 200, "thanks", None)]
    assert uuid.UUID(row["delivery_id"]).version == 7


def test_one_delivery_is_read_by_our_id_and_by_the_receivers(
    get: Call, endpoint: WebhookEndpoint, owe: Owe
) -> None:
    delivery = owe()
    owe()

    by_id = get(_path(endpoint, f"/{delivery.pk}"))
    by_uuid = get(_path(endpoint, f"/{delivery.delivery_id}"))

    assert by_id.status_code == by_uuid.status_code == 200
    assert by_id.content == by_uuid.content
    assert orjson.loads(by_id.content)["id"] == str(delivery.pk)
    for unknown in ("999999", "nonsense", str(uuid.uuid4())):
        assert get(_path(endpoint, f"/{unknown}")).status_code == 404


def test_deliveries_are_filtered_and_paged_newest_first(
    get: Call, endpoint: WebhookEndpoint, owe: Owe
) -> None:
    for type in ("message.sent", "message.delivered", "message.read"):
        owe(type)
    Delivery.objects.filter(event__type="message.read").update(status="failed", next_attempt_at=None)

    def seen(query: str) -> list[str]:
        rows = orjson.loads(get(_path(endpoint, query)).content)
        return [row["event"].removeprefix("whatsapp.message.") for row in rows]

    assert seen("") == ["read", "delivered", "sent"]
    assert seen("?status=failed") == ["read"]
    assert seen("?event=whatsapp.message.sent") == ["sent"]
    assert seen("?event=whatsapp.no.such") == []
    assert seen("?page=2&per_page=2") == ["sent"]
    assert get(_path(endpoint, "?per_page=2"))["X-Total-Count"] == "3"


def test_deliveries_are_filtered_by_moment(get: Call, endpoint: WebhookEndpoint, owe: Owe) -> None:
    before = timezone.now() - timedelta(seconds=1)
    delivery = owe()
    delivery.refresh_from_db()

    def count(**query: str) -> int:
        asked = "&".join(f"{name}={value.replace('+', '%2B')}" for name, value in query.items())
        return len(orjson.loads(get(_path(endpoint, f"?{asked}")).content))

    exact = delivery.created_at.isoformat()
    assert count(since=before.isoformat()) == 1
    assert count(since=exact, until=exact) == 1
    assert count(until=before.isoformat()) == 0
    assert count(since=(delivery.created_at + timedelta(seconds=1)).isoformat()) == 0
    assert count(since="0001-01-01T00:00:00Z", until="9999-12-31T23:59:59Z") == 1
    assert count(since="0001-01-01T00:00:00+14:00", until="9999-12-31T23:59:59-14:00") == 1


@pytest.mark.parametrize(
    ("query", "field"),
    [("status=lost", "status"), ("since=yesterday", "since"), ("until=2026-13-01", "until")],
)
def test_a_filter_that_means_nothing_is_refused(
    get: Call, endpoint: WebhookEndpoint, query: str, field: str
) -> None:
    refused = get(_path(endpoint, f"?{query}"))

    body = orjson.loads(refused.content)
    assert (refused.status_code, body["code"]) == (400, "INVALID_FIELD")
    assert body["details"]["field"] == field
    assert body["details"]["value"] == query.partition("=")[2]


@pytest.mark.parametrize("count", [1, 3])
def test_the_log_costs_the_same_queries_however_long(
    get: Call,
    endpoint: WebhookEndpoint,
    owe: Owe,
    django_assert_num_queries: DjangoAssertNumQueries,
    count: int,
) -> None:
    get("/v1/me")
    for _ in range(count):
        owe()
    deliver.run()

    with django_assert_num_queries(5):
        listed = get(_path(endpoint))

    assert [len(row["attempts"]) for row in orjson.loads(listed.content)] == [1] * count


def test_a_delivery_is_posted_again_with_the_same_id_and_bytes(
    get: Call, post: Call, endpoint: WebhookEndpoint, owe: Owe, receiver: receivers.Receiver
) -> None:
    delivery = owe()
    deliver.run()

    asked = post(_path(endpoint, f"/{delivery.pk}/replay"))
    deliver.run()

    assert asked.status_code == 202
    assert orjson.loads(asked.content)["status"] == "pending"
    first, second = receiver.received
    assert first.body == second.body
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert second.headers["x-gosendapi-attempt"] == "2"
    row = orjson.loads(get(_path(endpoint, f"/{delivery.pk}")).content)
    assert (row["status"], row["attempt"], row["max_attempts"]) == ("delivered", 2, 6)
    assert [one["trigger"] for one in row["attempts"]] == ["schedule", "manual"]


def test_a_repeated_replay_is_done_once(
    post: Call, endpoint: WebhookEndpoint, owe: Owe, receiver: receivers.Receiver
) -> None:
    delivery = owe()
    deliver.run()
    path = _path(endpoint, f"/{delivery.pk}/replay")

    first = post(path, Idempotency_Key="again-1")
    deliver.run()
    second = post(path, Idempotency_Key="again-1")
    deliver.run()

    assert (second["Idempotent-Replayed"], second.content) == ("true", first.content)
    assert len(receiver.received) == 2


def test_an_attempt_under_way_is_not_replayed(post: Call, endpoint: WebhookEndpoint, owe: Owe) -> None:
    delivery = owe()
    claims.take_due(limit=1)

    refused = post(_path(endpoint, f"/{delivery.pk}/replay"))

    assert (refused.status_code, orjson.loads(refused.content)["code"]) == (409, "DELIVERY_UNDER_WAY")
    assert refused["Retry-After"] == "1"


def test_nothing_is_posted_to_a_disabled_webhook(post: Call, endpoint: WebhookEndpoint, owe: Owe) -> None:
    delivery = owe()
    endpoints.change(endpoint=endpoint, is_enabled=False)

    for path in (_path(endpoint, f"/{delivery.pk}/replay"), f"/v1/webhooks/{endpoint.pk}/test"):
        refused = post(path, {})
        assert (refused.status_code, orjson.loads(refused.content)["code"]) == (409, "WEBHOOK_DISABLED")

    delivery.refresh_from_db()
    assert (delivery.status, Event.objects.count()) == ("failed", 1)


def test_a_test_is_posted_at_once_and_answered_with_its_attempt(
    post: Call, endpoint: WebhookEndpoint, receiver: receivers.Receiver
) -> None:
    receiver.answer = receivers.reply(200, b"got it")

    tested = post(f"/v1/webhooks/{endpoint.pk}/test", {})

    row = orjson.loads(tested.content)
    [request] = receiver.received
    assert tested.status_code == 200
    assert (row["event"], row["status"], row["response_body"]) == ("webhook.test", "delivered", "got it")
    assert [one["trigger"] for one in row["attempts"]] == ["manual"]
    assert request.headers["x-gosendapi-event"] == "webhook.test"
    assert orjson.loads(request.body) == row["payload"]
    assert row["payload"]["webhook"] == {"id": str(endpoint.pk)}


def test_a_test_takes_no_body_at_all(post: Call, endpoint: WebhookEndpoint) -> None:
    assert post(f"/v1/webhooks/{endpoint.pk}/test").status_code == 200


def test_a_test_with_an_event_posts_its_documented_sample(
    post: Call, number: PhoneNumber, endpoint: WebhookEndpoint, receiver: receivers.Receiver
) -> None:
    tested = post(f"/v1/webhooks/{endpoint.pk}/test", {"event": "whatsapp.message.failed"})

    body = orjson.loads(receiver.received[0].body)
    assert tested.status_code == 200
    assert body["event"] == "whatsapp.message.failed"
    assert body["phone_number_id"] == number.phone_number_id
    assert body["is_test"] is True
    assert body["message"]["gosendapi"]["error"]["code"] == 131026


def test_a_test_of_a_raw_webhook_looks_like_metas_callback(
    acme: Party, post: Call, number: PhoneNumber, receiver: receivers.Receiver
) -> None:
    raw, _ = endpoints.add(tenant=acme.tenant, number=number, url=receiver.url(), events=[], type="meta_raw")

    tested = post(f"/v1/webhooks/{raw.pk}/test", {})

    change = orjson.loads(receiver.received[0].body)["entry"][0]["changes"][0]
    assert tested.status_code == 200
    assert change["value"]["metadata"]["phone_number_id"] == number.phone_number_id


@pytest.mark.parametrize(
    ("type", "event"),
    [
        ("gosendapi_events", "whatsapp.account.alert"),
        ("gosendapi_events", "no.such"),
        ("meta_raw", "whatsapp.message.sent"),
    ],
)
def test_an_event_that_the_webhook_never_hears_is_no_test(
    acme: Party, post: Call, number: PhoneNumber, receiver: receivers.Receiver, type: str, event: str
) -> None:
    names = ["*"] if type == "gosendapi_events" else []
    endpoint, _ = endpoints.add(
        tenant=acme.tenant, number=number, url=receiver.url(), events=names, type=type
    )

    refused = post(f"/v1/webhooks/{endpoint.pk}/test", {"event": event}, Idempotency_Key="t")

    assert (refused.status_code, orjson.loads(refused.content)["code"]) == (422, "INVALID_EVENT")
    assert (receiver.received, Event.objects.count()) == ([], 0)


def test_a_failed_test_shows_why_and_is_tried_again(
    post: Call, endpoint: WebhookEndpoint, receiver: receivers.Receiver
) -> None:
    receiver.answer = receivers.reply(500, b"broken")

    row = orjson.loads(post(f"/v1/webhooks/{endpoint.pk}/test", {}).content)

    assert (row["status"], row["response_status"], row["error"]) == ("retrying", 500, "bad_status")
    assert row["next_attempt_at"] is not None


def test_a_repeated_test_is_posted_once(
    post: Call, endpoint: WebhookEndpoint, receiver: receivers.Receiver
) -> None:
    path = f"/v1/webhooks/{endpoint.pk}/test"

    first = post(path, {}, Idempotency_Key="test-1")
    second = post(path, {}, Idempotency_Key="test-1")

    assert (second["Idempotent-Replayed"], second.content) == ("true", first.content)
    assert len(receiver.received) == Attempt.objects.count() == 1


def test_a_test_that_died_between_its_key_and_its_answer_can_be_repeated(
    post: Call, endpoint: WebhookEndpoint, receiver: receivers.Receiver
) -> None:
    path = f"/v1/webhooks/{endpoint.pk}/test"
    post(path, {}, Idempotency_Key="test-1")
    IdempotentAnswer.objects.update(status_code=None, body=None)

    soon = post(path, {}, Idempotency_Key="test-1")
    IdempotentAnswer.objects.update(created_at=timezone.now() - timedelta(minutes=4))
    later = post(path, {}, Idempotency_Key="test-1")
    again = post(path, {}, Idempotency_Key="test-1")

    assert (soon.status_code, soon["Retry-After"]) == (409, "1")
    assert later.status_code == 200
    assert (again["Idempotent-Replayed"], again.content) == ("true", later.content)
    assert len(receiver.received) == 2


def test_the_third_test_at_once_is_left_to_a_worker(
    post: Call, endpoint: WebhookEndpoint, receiver: receivers.Receiver
) -> None:
    for _ in range(2):
        post(f"/v1/webhooks/{endpoint.pk}/test", {})
    Delivery.objects.update(
        lease_expires_at=timezone.now() + timedelta(minutes=1), next_attempt_at=timezone.now()
    )

    third = post(f"/v1/webhooks/{endpoint.pk}/test", {})

    row = orjson.loads(third.content)
    assert (third.status_code, row["status"], row["attempts"]) == (202, "pending", [])
    assert len(receiver.received) == 2


def test_a_strangers_delivery_is_as_unknown_as_any(
    globex: Party, get: Call, post: Call, receiver: receivers.Receiver
) -> None:
    strange, _ = endpoints.add(tenant=globex.tenant, number=globex.number, url=receiver.url(), events=["*"])
    events.publish_to(endpoint=strange, type="message.sent", data={}, occurred_at=timezone.now())
    delivery = Delivery.objects.get()
    calls: list[tuple[Any, str]] = [
        (get, f"deliveries/{delivery.pk}"),
        (get, "deliveries"),
        (post, f"deliveries/{delivery.pk}/replay"),
        (post, "test"),
        (post, "rotate-secret"),
    ]

    for call, path in calls:
        refused = call(f"/v1/webhooks/{strange.pk}/{path}")
        unknown = call(f"/v1/webhooks/999999999/{path}")
        assert refused.status_code == unknown.status_code == 404
        assert {**refused.json(), "request_id": ""} == {**unknown.json(), "request_id": ""}
    assert receiver.received == []


def test_a_delivery_is_reached_through_its_own_webhook_only(
    acme: Party, get: Call, post: Call, owe: Owe, receiver: receivers.Receiver
) -> None:
    delivery = owe()
    other, _ = endpoints.add(tenant=acme.tenant, url=receiver.url(), events=["*"])

    assert get(_path(other, f"/{delivery.pk}")).status_code == 404
    assert post(_path(other, f"/{delivery.pk}/replay")).status_code == 404


@pytest.mark.parametrize("moment", ["2026-01-01T00:00:00%2B23:07", "9999-12-31T23:59:59-23:59", "0001-01-01"])
@pytest.mark.parametrize("edge", ["since", "until"])
def test_no_moment_is_too_odd(get: Call, edge: str, moment: str, endpoint: WebhookEndpoint) -> None:
    assert get(f"{_path(endpoint)}?{edge}={moment}").status_code in (200, 400)
