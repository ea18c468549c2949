"""What Prometheus is told, and who may ask."""

import ipaddress
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from prometheus_client.parser import text_string_to_metric_families
from pytest_django import Settings

from gosend.lib import heartbeat, metrics, rounds
from messaging import deliver
from messaging.models import Dispatch
from tests import factories
from tests.conftest import Party
from tests.lib.test_metrics import samples

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _nothing_counted(settings: Settings) -> Iterator[None]:
    settings.REDIS_URL = ""
    metrics.forget()
    yield
    metrics.forget()


def told() -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    metrics.flush()
    response = Client().get("/metrics")
    assert response.status_code == 200
    assert response["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    return samples(response.content.decode())


def one(name: str, **labels: str) -> float:
    return told()[name, tuple(sorted(labels.items()))]


def post(party: Party, query: str = "") -> Any:
    body = {
        "phone_number_id": party.number.phone_number_id,
        "to": "5491140123456",
        "type": "text",
        "text": {"body": "Hola"},
    }
    headers = {"X-API-Key": party.api_key}
    return Client().post(f"/v1/messages{query}", body, content_type="application/json", headers=headers)


def test_every_series_is_readable_and_explained() -> None:
    for family in text_string_to_metric_families(Client().get("/metrics").content.decode()):
        assert family.name.startswith("gosend_")
        assert family.documentation.endswith(".")
        assert family.type in {"gauge", "counter", "histogram"}


def test_a_message_is_counted_from_the_door_to_metas_answer(acme: Party) -> None:
    assert post(acme).status_code == 201

    seen = told()

    send = (("call", "send"), ("door", "v1"), ("status", "2xx"))
    assert seen["gosend_http_seconds_count", send] == 1
    assert seen["gosend_send_seconds_count", (("outcome", "sent"),)] == 1
    assert seen["gosend_message_statuses_total", (("status", "sent"),)] == 1
    decision = (("limit", "api_key"), ("verdict", "allowed"), ("where", "process"))
    assert seen["gosend_limit_decisions_total", decision] == 1


def test_queues_are_told_by_tier_with_the_age_of_the_oldest(acme: Party) -> None:
    for _ in range(3):
        assert post(acme, "?async=true").status_code == 202
    Dispatch.objects.update(due_at=timezone.now() - timedelta(seconds=90))

    seen = told()

    assert seen["gosend_queue_depth", (("tier", "standard"),)] == 3
    assert 90 <= seen["gosend_queue_oldest_seconds", (("tier", "standard"),)] < 120
    assert seen["gosend_queue_depth", (("tier", "high"),)] == 0
    deliver.drain(number_id=acme.number.pk)
    assert one("gosend_queue_depth", tier="standard") == 0


def test_what_is_in_doubt_and_what_waits_is_told(acme: Party) -> None:
    factories.DispatchFactory.create(state=Dispatch.State.UNKNOWN)
    factories.MetaEventFactory.create(next_attempt_at=timezone.now() - timedelta(seconds=30))
    factories.MetaEventFactory.create(next_attempt_at=None, handled_at=timezone.now())
    factories.MetaEventFactory.create(next_attempt_at=None)
    factories.DeliveryFactory.create(next_attempt_at=timezone.now() - timedelta(seconds=20))
    factories.DeliveryFactory.create(next_attempt_at=timezone.now() + timedelta(seconds=20))
    factories.WebhookEndpointFactory.create(is_enabled=False, disabled_reason="Gone.")

    seen = told()

    assert seen["gosend_sends", (("state", "unknown"),)] == 1
    assert seen["gosend_callbacks_waiting", ()] == 1
    assert 30 <= seen["gosend_callbacks_oldest_seconds", ()] < 60
    assert seen["gosend_callbacks_given_up", ()] == 1
    assert seen["gosend_webhook_deliveries", (("when", "due"),)] == 1
    assert seen["gosend_webhook_deliveries", (("when", "later"),)] == 1
    assert 20 <= seen["gosend_webhook_oldest_seconds", ()] < 50
    assert seen["gosend_webhook_endpoints", (("state", "disabled"),)] == 1


def test_processes_and_sweeps_are_told() -> None:
    heartbeat.stamp(kind="worker", name="worker@here:1")
    heartbeat.stamp(kind="sweep", name="messaging.sweep")

    seen = told()

    assert seen["gosend_processes", (("kind", "worker"),)] == 1
    assert seen["gosend_processes", (("kind", "web"),)] == 0
    assert seen["gosend_resident_memory_bytes", (("kind", "worker"),)] > 1_000_000
    assert 0 <= seen["gosend_sweep_age_seconds", (("sweep", "messaging.sweep"),)] < 10


def test_workers_on_their_rounds_are_told_and_their_turns_are_not() -> None:
    rounds._make_turns()
    heartbeat.stamp(kind="rounds", name="rounds@here:1")

    seen = told()

    assert seen["gosend_processes", (("kind", "rounds"),)] == 1
    assert not any("turn" in str(labels) for _, labels in seen)


def test_redis_is_told_when_there_is_one(settings: Settings) -> None:
    assert ("gosend_redis_up", ()) not in told()
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    assert one("gosend_redis_up") == 0


def test_no_name_number_or_key_stands_in_it(acme: Party) -> None:
    post(acme)
    metrics.flush()

    page = Client().get("/metrics").content.decode()

    for secret in (acme.tenant.name, acme.number.phone_number_id, "549114", acme.api_key[:16]):
        assert secret not in page


def test_the_questions_are_few_and_each_is_bounded(acme: Party, globex: Party) -> None:
    with CaptureQueriesContext(connection) as one_tenant:
        Client().get("/metrics")
    for party in (acme, globex):
        post(party, "?async=true")
    with CaptureQueriesContext(connection) as more:
        Client().get("/metrics")

    assert len(one_tenant) == len(more) == 12
    big = ("messaging_dispatch", "messaging_metaevent", "webhooks_app_delivery", "sandbox_pendingcallback")
    for query in more:
        if any(table in query["sql"] for table in big):
            assert "LIMIT" in query["sql"] or "place <" in query["sql"]
    assert not any("messaging_message" in query["sql"] for query in more)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"REMOTE_ADDR": "127.0.0.1"}, 200),
        ({"REMOTE_ADDR": "::1"}, 200),
        ({"REMOTE_ADDR": "203.0.113.7"}, 403),
        ({"REMOTE_ADDR": "10.1.0.9"}, 200),
        # A proxy on this machine that is not among TRUSTED_PROXIES: whoever asked, it was not us.
        ({"REMOTE_ADDR": "127.0.0.1", "HTTP_X_FORWARDED_FOR": "203.0.113.7"}, 403),
        ({"REMOTE_ADDR": "127.0.0.1", "HTTP_X_FORWARDED_FOR": "127.0.0.1"}, 403),
        ({"REMOTE_ADDR": "127.0.0.1", "HTTP_X_REAL_IP": "127.0.0.1"}, 403),
        # One that is: the address that it saw counts.
        ({"REMOTE_ADDR": "10.9.0.1", "HTTP_X_FORWARDED_FOR": "203.0.113.7"}, 403),
        ({"REMOTE_ADDR": "10.9.0.1", "HTTP_X_FORWARDED_FOR": "10.1.0.9"}, 200),
        ({"REMOTE_ADDR": ""}, 403),
    ],
)
def test_without_a_token_only_this_machine_and_trusted_networks_read(
    settings: Settings, headers: dict[str, str], status: int
) -> None:
    settings.TRUSTED_NETWORKS = [ipaddress.ip_network("10.1.0.0/16")]
    settings.TRUSTED_PROXIES = [ipaddress.ip_network("10.9.0.0/16")]

    response = Client().get("/metrics", **headers)  # type: ignore[arg-type]

    assert response.status_code == status
    assert (b"gosend_up" in response.content) == (status == 200)


@pytest.mark.parametrize(
    ("given", "status"),
    [("Bearer s3cret", 200), ("Bearer wrong", 401), ("s3cret", 401), ("", 401), ("Bearer s3creté", 401)],
)
def test_with_a_token_only_those_who_have_it_read(settings: Settings, given: str, status: int) -> None:
    settings.METRICS_TOKEN = "s3cret"

    response = Client().get("/metrics", headers={"Authorization": given})

    assert response.status_code == status
    assert response.get("WWW-Authenticate") == (None if status == 200 else "Bearer")
