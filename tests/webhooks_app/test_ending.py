"""webhooks_app/ending.py, and what a sweep does when others are in its way."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.db.models.functions import Now
from django.utils import timezone

from accounts.models import PhoneNumber, Tenant
from tests.webhooks_app import receiver as receivers
from tests.webhooks_app.conftest import Publish
from webhooks_app import claims, ending, endpoints, replay, tasks
from webhooks_app.models import Delivery, Replay, WebhookEndpoint


def _waiting() -> int:
    return Delivery.objects.filter(next_attempt_at__isnull=False).count()


def _order(endpoint: WebhookEndpoint) -> Replay:
    return replay.order(endpoint=endpoint, since=timezone.now() - timedelta(hours=1))


@pytest.mark.parametrize("is_removed", [False, True])
def test_of_much_that_waits_a_part_ends_at_once_and_the_sweep_ends_the_rest(
    number: PhoneNumber,
    endpoint: WebhookEndpoint,
    receiver: receivers.Receiver,
    publish: Publish,
    monkeypatch: pytest.MonkeyPatch,
    is_removed: bool,
) -> None:
    monkeypatch.setattr(ending, "BATCH", 2)
    for _ in range(7):
        publish(number)
    if is_removed:
        endpoints.remove(endpoint=endpoint)
    else:
        endpoints.change(endpoint=endpoint, is_enabled=False)

    assert _waiting() == 5
    assert claims.take_due(limit=16) == []
    tasks.sweep()

    reason = "endpoint_removed" if is_removed else "endpoint_disabled"
    assert set(Delivery.objects.values_list("status", "ended_reason")) == {("failed", reason)}
    assert (_waiting(), receiver.received) == (0, [])


def test_only_what_nobody_attempts_is_ended_and_nothing_of_an_endpoint_that_is_enabled_again(
    number: PhoneNumber, endpoint: WebhookEndpoint, publish: Publish, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ending, "BATCH", 1)
    for _ in range(4):
        publish(number)
    claims.take_due(limit=1)
    endpoints.change(endpoint=endpoint, is_enabled=False)
    assert _waiting() == 3

    endpoints.change(endpoint=endpoint, is_enabled=True)
    assert ending.advance() == 0
    WebhookEndpoint.objects.update(is_enabled=False)
    assert ending.advance() == 2

    assert Delivery.objects.get(next_attempt_at__isnull=False).claim_token is not None


def test_a_suspect_of_a_disabled_endpoint_is_not_claimed(
    number: PhoneNumber, endpoint: WebhookEndpoint, publish: Publish
) -> None:
    publish(number)
    Delivery.objects.update(claim_count=2)
    WebhookEndpoint.objects.update(is_enabled=False)

    assert claims.take_suspect() is None
    assert ending.advance() == 1


def test_an_orders_progress_stays_true_while_what_waits_is_ended(
    number: PhoneNumber, endpoint: WebhookEndpoint, publish: Publish, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ending, "BATCH", 1)
    for _ in range(3):
        publish(number)
    Delivery.objects.update(status="failed", next_attempt_at=None)
    ordered = _order(endpoint)
    assert replay.advance() == 3
    endpoints.change(endpoint=endpoint, is_enabled=False)

    seen = []
    for _ in range(2):
        found = replay.progress(endpoint=endpoint, replay_id=ordered.pk)
        assert found is not None
        seen.append((found.status, found.waiting_count, found.failed_count))
        ending.advance()

    assert seen == [("running", 2, 1), ("done", 0, 3)]


@contextmanager
def _locked(row: WebhookEndpoint | Delivery) -> Iterator[None]:
    """Somebody else has the lock of a row, for five seconds at the most."""
    is_locked, let_go = threading.Event(), threading.Event()

    def hold() -> None:
        try:
            with transaction.atomic():
                type(row).objects.select_for_update().get(pk=row.pk)
                is_locked.set()
                let_go.wait(5)
        finally:
            connection.close()

    holder = threading.Thread(target=hold)
    holder.start()
    assert is_locked.wait(10)
    try:
        yield
    finally:
        let_go.set()
        holder.join()


@pytest.mark.django_db(transaction=True)
def test_a_sweep_does_not_wait_for_an_endpoints_lock(
    acme: Tenant, number: PhoneNumber, endpoint: WebhookEndpoint, publish: Publish
) -> None:
    publish(number)
    Delivery.objects.update(status="failed", next_attempt_at=None)
    _order(endpoint)
    off, _ = endpoints.add(tenant=acme, number=number, url="https://off.example/", events=["*"])
    publish(number)
    Delivery.objects.filter(endpoint=endpoint).update(next_attempt_at=None)
    WebhookEndpoint.objects.filter(pk=off.pk).update(is_enabled=False)

    started = time.monotonic()
    with _locked(endpoint):
        assert replay.advance() == 0
    with _locked(off):
        assert ending.advance() == 0
    assert time.monotonic() - started < 4

    assert (replay.advance(), ending.advance()) == (1, 1)


def test_an_order_that_breaks_costs_the_others_nothing(
    acme: Tenant, number: PhoneNumber, endpoint: WebhookEndpoint, publish: Publish
) -> None:
    other, _ = endpoints.add(tenant=acme, number=number, url="https://other.example/", events=["*"])
    publish(number)
    Delivery.objects.update(status="failed", next_attempt_at=None)
    broken = _order(endpoint)
    Replay.objects.filter(pk=broken.pk).update(replayed_count=2**31 - 1)
    _order(other)

    assert replay.advance() == 1

    assert Delivery.objects.get(next_attempt_at__isnull=False).endpoint_id == other.pk


@pytest.mark.django_db(transaction=True)
def test_a_sweep_delivers_when_the_orders_cannot_be_read(
    number: PhoneNumber, endpoint: WebhookEndpoint, publish: Publish
) -> None:
    publish(number)
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE webhooks_app_replay RENAME TO webhooks_app_away")
    try:
        tasks.sweep()
    finally:
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE webhooks_app_away RENAME TO webhooks_app_replay")

    assert Delivery.objects.get().status == "delivered"


@pytest.mark.django_db(transaction=True)
def test_what_another_holds_at_the_moment_is_left_to_the_next_batch(
    number: PhoneNumber, endpoint: WebhookEndpoint, publish: Publish
) -> None:
    held, _ = publish(number), publish(number)
    with _locked(held):
        endpoints.change(endpoint=endpoint, is_enabled=False)
        assert _waiting() == 1

    Delivery.objects.filter(pk=held.pk).update(lease_expires_at=Now() - timedelta(seconds=1))
    assert ending.advance() == 1
