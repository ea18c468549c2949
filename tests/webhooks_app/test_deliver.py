"""webhooks_app/deliver.py: what is posted, and what becomes of a delivery."""

import json
from datetime import timedelta
from typing import Any

import pytest
from django.db.models.functions import Now
from django.utils import timezone
from pytest_django import Settings
from standardwebhooks import Webhook

from accounts.models import PhoneNumber, Tenant
from gosend.lib import signing
from tests.webhooks_app import receiver as receivers
from tests.webhooks_app.conftest import Publish
from webhooks_app import claims, deliver, endpoints, retries, secrets
from webhooks_app.models import Attempt, Delivery, Event, WebhookEndpoint


def _make_due(delivery: Delivery) -> None:
    Delivery.objects.filter(pk=delivery.pk).update(next_attempt_at=Now())


def _wait_of(delivery: Delivery) -> float:
    delivery.refresh_from_db()
    assert delivery.next_attempt_at is not None
    return (delivery.next_attempt_at - timezone.now()).total_seconds()


def test_a_success_is_posted_once_and_recorded(
    number: PhoneNumber, endpoint: WebhookEndpoint, receiver: receivers.Receiver, publish: Publish
) -> None:
    receiver.answer = receivers.reply(204, headers={"X-Trace": "abc"})
    delivery = publish(number)

    assert deliver.run() == 1
    assert deliver.run() == 0

    delivery.refresh_from_db()
    attempt = Attempt.objects.get()
    assert (delivery.status, delivery.attempt_count, delivery.next_attempt_at) == ("delivered", 1, None)
    assert delivery.delivered_at is not None
    assert (attempt.number, attempt.response_status, attempt.error) == (1, 204, "")
    assert attempt.response_headers["x-trace"] == "abc"
    assert len(receiver.received) == 1
    assert json.loads(receiver.received[0].body)["delivery_id"] == str(delivery.delivery_id)


def test_the_headers_are_the_documented_ones_and_both_signatures_hold(
    acme: Tenant, number: PhoneNumber, receiver: receivers.Receiver, publish: Publish
) -> None:
    _, secret = endpoints.add(tenant=acme, number=number, url=receiver.url(), events=["*"])
    delivery = publish(number, {"message": {"text": {"body": "¿Confirmás? 👋"}}})

    deliver.run()

    request = receiver.received[0]
    headers = request.headers
    assert headers["content-type"] == "application/json"
    assert headers["user-agent"].startswith("GoSend-Webhooks/")
    assert headers["x-gosendapi-event"] == "whatsapp.message.delivered"
    assert headers["x-gosendapi-delivery-id"] == headers["webhook-id"] == str(delivery.delivery_id)
    assert headers["x-gosendapi-attempt"] == "1"
    assert headers["x-gosendapi-timestamp"] == headers["webhook-timestamp"]
    assert signing.verify_gosend(secret, request.body, headers["x-gosendapi-signature"])
    assert Webhook(secret).verify(request.body, headers)["event"] == "whatsapp.message.delivered"
    assert "expect" not in headers


def test_during_a_rotation_old_and_new_secret_verify_and_afterwards_only_the_new(
    acme: Tenant, number: PhoneNumber, receiver: receivers.Receiver, publish: Publish
) -> None:
    endpoint, old = endpoints.add(tenant=acme, number=number, url=receiver.url(), events=["*"])
    new = secrets.rotate(endpoint=endpoint)
    publish(number)
    deliver.run()
    WebhookEndpoint.objects.update(previous_secret_expires_at=timezone.now() - timedelta(seconds=1))
    publish(number)
    deliver.run()

    during, after = receiver.received
    assert Webhook(old).verify(during.body, during.headers)
    assert Webhook(new).verify(during.body, during.headers)
    assert signing.verify_gosend(new, during.body, during.headers["x-gosendapi-signature"])
    assert Webhook(new).verify(after.body, after.headers)
    assert len(after.headers["webhook-signature"].split(" ")) == 1


def test_a_failure_is_retried_on_schedule_with_the_same_bytes_until_it_is_given_up(
    number: PhoneNumber, endpoint: WebhookEndpoint, receiver: receivers.Receiver, publish: Publish
) -> None:
    receiver.answer = receivers.reply(500, b"broken")
    delivery = publish(number)

    for base in (60, 300, 1800, 7200):
        assert deliver.run() == 1
        assert base - 2 < _wait_of(delivery) <= base * 1.1
        assert delivery.status == "retrying"
        assert deliver.run() == 0
        _make_due(delivery)
    assert deliver.run() == 1
    assert deliver.run() == 0

    delivery.refresh_from_db()
    endpoint.refresh_from_db()
    assert (delivery.status, delivery.ended_reason, delivery.next_attempt_at) == ("failed", "exhausted", None)
    assert [r.headers["x-gosendapi-attempt"] for r in receiver.received] == ["1", "2", "3", "4", "5"]
    assert len({r.body for r in receiver.received}) == 1
    assert len({r.headers["webhook-id"] for r in receiver.received}) == 1
    assert list(Attempt.objects.order_by("number").values_list("number", "response_body", "error")) == [
        (n, "broken", "bad_status") for n in range(1, 6)
    ]
    assert endpoint.failing_since is not None
    assert endpoint.given_up_count == 1


def test_a_success_after_failures_clears_the_endpoints_record(
    number: PhoneNumber, endpoint: WebhookEndpoint, receiver: receivers.Receiver, publish: Publish
) -> None:
    receiver.answer = receivers.reply(503)
    delivery = publish(number)
    deliver.run()
    receiver.answer = receivers.reply(200)
    _make_due(delivery)

    deliver.run()

    delivery.refresh_from_db()
    endpoint.refresh_from_db()
    assert (delivery.status, delivery.attempt_count) == ("delivered", 2)
    assert endpoint.failing_since is None


@pytest.mark.parametrize("status", [301, 302, 307, 304])
def test_a_redirect_is_a_failure_and_is_not_followed(
    number: PhoneNumber,
    endpoint: WebhookEndpoint,
    receiver: receivers.Receiver,
    publish: Publish,
    status: int,
) -> None:
    receiver.answer = receivers.reply(status, headers={"Location": receiver.url("/elsewhere")})
    delivery = publish(number)

    deliver.run()

    delivery.refresh_from_db()
    assert delivery.status == "retrying"
    assert Attempt.objects.get().error == "redirect_not_followed"
    assert [r.path for r in receiver.received] == ["/hook"]


def test_gone_disables_the_endpoint_ends_what_waits_and_tells_the_project(
    acme: Tenant,
    number: PhoneNumber,
    endpoint: WebhookEndpoint,
    receiver: receivers.Receiver,
    publish: Publish,
) -> None:
    first, waiting = publish(number), publish(number)
    Delivery.objects.filter(pk=waiting.pk).update(next_attempt_at=Now() + timedelta(hours=1))
    endpoints.add(
        tenant=acme, url="https://customer.example/alerts", events=["whatsapp.account.alert"], is_test=True
    )
    receiver.answer = receivers.reply(410)

    [claim] = claims.take_due(limit=10)
    deliver.attempt(claim)

    first.refresh_from_db()
    waiting.refresh_from_db()
    endpoint.refresh_from_db()
    assert (first.status, first.ended_reason) == ("failed", "gone")
    assert (waiting.status, waiting.ended_reason) == ("failed", "endpoint_disabled")
    assert waiting.next_attempt_at is None
    assert not endpoint.is_enabled
    assert endpoint.disabled_reason == "The receiver answered 410 Gone."
    alert = Event.objects.get(type="account.alert")
    assert json.loads(bytes(alert.body))["alert"]["webhook_id"] == str(endpoint.pk)


@pytest.mark.parametrize(
    ("header", "low", "high"),
    [("90", 88, 90), ("3", 58, 66), ("-7", 58, 66), ("1000000000", 118, 120), ("soon", 58, 66)],
)
def test_retry_after_stretches_the_wait_within_bounds(
    number: PhoneNumber,
    endpoint: WebhookEndpoint,
    receiver: receivers.Receiver,
    publish: Publish,
    header: str,
    low: int,
    high: int,
) -> None:
    receiver.answer = receivers.reply(429, headers={"Retry-After": header})
    delivery = publish(number)

    deliver.run()

    assert low < _wait_of(delivery) <= high


def test_a_receiver_that_hangs_is_given_up_in_time(
    number: PhoneNumber,
    endpoint: WebhookEndpoint,
    receiver: receivers.Receiver,
    publish: Publish,
    settings: Settings,
) -> None:
    settings.WEBHOOK_TIMEOUT_SECONDS = 0.3
    receiver.answer = receivers.hang
    publish(number)

    deliver.run()

    attempt = Attempt.objects.get()
    assert (attempt.response_status, attempt.error) == (None, "timeout")
    assert 250 <= attempt.duration_ms < 1500


def test_a_connection_closed_mid_body_is_a_failure(
    number: PhoneNumber, endpoint: WebhookEndpoint, receiver: receivers.Receiver, publish: Publish
) -> None:
    receiver.answer = receivers.close_mid_body
    delivery = publish(number)

    deliver.run()

    delivery.refresh_from_db()
    assert delivery.status == "retrying"
    assert Attempt.objects.get().error != ""


def test_an_endless_body_is_cut_and_two_kilobytes_are_kept(
    number: PhoneNumber, endpoint: WebhookEndpoint, receiver: receivers.Receiver, publish: Publish
) -> None:
    receiver.answer = receivers.endless_body
    delivery = publish(number)

    deliver.run()

    delivery.refresh_from_db()
    attempt = Attempt.objects.get()
    assert delivery.status == "delivered"
    assert attempt.response_body == "x" * 2048
    assert attempt.duration_ms < 3000


def test_an_answer_that_no_text_column_takes_is_kept_readable(
    number: PhoneNumber, endpoint: WebhookEndpoint, receiver: receivers.Receiver, publish: Publish
) -> None:
    receiver.answer = receivers.reply(200, b"\x00\xff\xed\xa0\x80ok", {"X-Long": "y" * 5000})
    publish(number)

    deliver.run()

    attempt = Attempt.objects.get()
    assert attempt.response_body.endswith("ok")
    assert "\0" not in attempt.response_body
    assert len(attempt.response_headers["x-long"]) == 500


def test_a_private_address_is_refused_at_sending_too(
    number: PhoneNumber,
    endpoint: WebhookEndpoint,
    receiver: receivers.Receiver,
    publish: Publish,
    settings: Settings,
) -> None:
    publish(number)
    WebhookEndpoint.objects.update(url=f"https://127.0.0.1:{receiver.port}/hook")
    settings.TRUSTED_NETWORKS = []

    deliver.run()

    assert receiver.received == []
    assert Attempt.objects.get().error == "blocked_address"


def test_an_endpoint_failing_for_days_is_disabled(
    number: PhoneNumber, endpoint: WebhookEndpoint, receiver: receivers.Receiver, publish: Publish
) -> None:
    receiver.answer = receivers.reply(500)
    long_ago = timezone.now() - retries.DISABLE_AFTER - timedelta(hours=1)
    WebhookEndpoint.objects.update(failing_since=long_ago, given_up_count=18)
    for given_up, enabled in ((19, True), (20, False)):
        delivery = publish(number)
        Delivery.objects.filter(pk=delivery.pk).update(attempt_count=4)

        deliver.run()

        endpoint.refresh_from_db()
        assert (endpoint.given_up_count, endpoint.is_enabled) == (given_up, enabled)


def test_a_secret_that_cannot_be_opened_fails_this_delivery_only(
    acme: Tenant,
    number: PhoneNumber,
    endpoint: WebhookEndpoint,
    receiver: receivers.Receiver,
    publish: Publish,
) -> None:
    broken, _ = endpoints.add(tenant=acme, number=number, url=receiver.url("/broken"), events=["*"])
    WebhookEndpoint.objects.filter(pk=broken.pk).update(sealed_secret="lost:AAAA")
    publish(number)

    deliver.run()

    assert [r.path for r in receiver.received] == ["/hook"]
    assert Attempt.objects.get(delivery__endpoint=broken).error == "secret_unreadable"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [({"is_enabled": False}, "endpoint_disabled"), ({"removed_at": Now()}, "endpoint_removed")],
)
def test_what_was_claimed_of_an_endpoint_disabled_or_removed_meanwhile_ends_without_a_post(
    number: PhoneNumber,
    endpoint: WebhookEndpoint,
    receiver: receivers.Receiver,
    publish: Publish,
    changes: dict[str, Any],
    reason: str,
) -> None:
    late = publish(number)
    WebhookEndpoint.objects.update(**changes)
    claim = claims.take_one(delivery=late)
    assert claim is not None

    deliver.attempt(claim)

    late.refresh_from_db()
    assert receiver.received == []
    assert (late.status, late.ended_reason, late.next_attempt_at) == ("failed", reason, None)
