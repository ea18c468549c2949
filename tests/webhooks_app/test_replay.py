"""webhooks_app/replay.py"""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import connections, transaction
from django.db.models.functions import Now
from django.utils import timezone

from accounts import tenants
from accounts.models import PhoneNumber, Tenant
from tests.webhooks_app import receiver as receivers
from tests.webhooks_app.conftest import Publish
from webhooks_app import deliver, endpoints, replay
from webhooks_app.models import Attempt, Delivery, Replay, WebhookEndpoint


def _fail_all() -> None:
    Delivery.objects.filter(next_attempt_at__isnull=False).update(
        status="failed", ended_reason="exhausted", next_attempt_at=None, attempt_count=5
    )


def _hour_ago(endpoint: WebhookEndpoint, wanted: str = Replay.Wanted.FAILED) -> Replay:
    return replay.order(endpoint=endpoint, since=timezone.now() - timedelta(hours=1), wanted=wanted)


def _seen(endpoint: WebhookEndpoint, ordered: Replay) -> tuple[str, int, int, int, int]:
    found = replay.progress(endpoint=endpoint, replay_id=ordered.pk)
    assert found is not None
    row = found.replay
    return found.status, row.total, row.replayed_count, row.delivered_count, found.failed_count


def test_one_given_up_runs_through_the_whole_schedule_again(
    number: PhoneNumber, endpoint: WebhookEndpoint, receiver: receivers.Receiver, publish: Publish
) -> None:
    receiver.answer = receivers.reply(500)
    delivery = publish(number)
    _fail_all()
    delivery.refresh_from_db()

    replay.one(delivery=delivery)
    for _ in range(5):
        deliver.run()
        Delivery.objects.filter(status="retrying").update(next_attempt_at=Now())

    delivery.refresh_from_db()
    assert (delivery.status, delivery.ended_reason, delivery.attempt_count) == ("failed", "exhausted", 10)
    assert list(Attempt.objects.order_by("number").values_list("number", "trigger")) == [
        (number, "manual") for number in range(6, 11)
    ]


def test_all_failed_since_a_moment_are_delivered_again(
    number: PhoneNumber, endpoint: WebhookEndpoint, receiver: receivers.Receiver, publish: Publish
) -> None:
    old, *failed = [publish(number) for _ in range(4)]
    _fail_all()
    Delivery.objects.filter(pk=old.pk).update(created_at=timezone.now() - timedelta(hours=2))
    delivered = publish(number)
    deliver.run()
    waiting = publish(number)
    Delivery.objects.filter(pk=waiting.pk).update(
        status="retrying", next_attempt_at=timezone.now() + timedelta(hours=1)
    )
    receiver.received.clear()

    ordered = _hour_ago(endpoint)
    assert _seen(endpoint, ordered) == ("running", 3, 0, 0, 0)
    assert replay.advance() == 3
    assert _seen(endpoint, ordered) == ("running", 3, 3, 0, 0)
    deliver.run()

    assert _seen(endpoint, ordered) == ("done", 3, 3, 3, 0)
    posted = {request.headers["webhook-id"] for request in receiver.received}
    assert posted == {str(delivery.delivery_id) for delivery in failed}
    assert str(delivered.delivery_id) not in posted
    assert replay.advance() == 0


def test_progress_counts_what_failed_again(
    number: PhoneNumber, endpoint: WebhookEndpoint, receiver: receivers.Receiver, publish: Publish
) -> None:
    for _ in range(3):
        publish(number)
    _fail_all()
    receiver.answer = receivers.reply(410)

    ordered = _hour_ago(endpoint)
    replay.advance()
    deliver.run()

    assert _seen(endpoint, ordered)[0] == "done"
    assert _seen(endpoint, ordered)[2:] == (3, 0, 3)


@pytest.mark.parametrize(("wanted", "count"), [("failed", 1), ("delivered", 1), ("all", 2)])
def test_what_was_delivered_is_replayed_only_when_asked(
    number: PhoneNumber,
    endpoint: WebhookEndpoint,
    publish: Publish,
    wanted: str,
    count: int,
) -> None:
    publish(number)
    deliver.run()
    publish(number)
    _fail_all()

    ordered = _hour_ago(endpoint, wanted)

    assert replay.advance() == count
    assert _seen(endpoint, ordered)[1:3] == (count, count)


def test_a_delivery_that_failed_after_a_success_counts_as_delivered(
    number: PhoneNumber, endpoint: WebhookEndpoint, publish: Publish
) -> None:
    delivery = publish(number)
    deliver.run()
    replay.one(delivery=delivery)
    _fail_all()

    _hour_ago(endpoint)

    assert replay.advance() == 0


def test_a_large_order_goes_in_batches_and_leaves_room_for_what_happens_meanwhile(
    number: PhoneNumber, endpoint: WebhookEndpoint, publish: Publish
) -> None:
    for _ in range(replay.BATCH + 5):
        publish(number)
    _fail_all()
    ordered = _hour_ago(endpoint)

    assert replay.advance() == replay.BATCH
    assert replay.advance() == 0
    assert _seen(endpoint, ordered)[:3] == ("running", replay.BATCH + 5, replay.BATCH)
    first = Delivery.objects.filter(replay=ordered).earliest("pk")
    Delivery.objects.filter(replay=ordered).exclude(pk=first.pk).update(status="retrying")
    assert replay.advance() == 5

    assert _seen(endpoint, ordered)[:3] == ("running", replay.BATCH + 5, replay.BATCH + 5)
    assert Delivery.objects.filter(replay=ordered).count() == replay.BATCH + 5


def test_a_worker_killed_in_a_batch_leaves_all_of_it_to_the_next(
    number: PhoneNumber, endpoint: WebhookEndpoint, publish: Publish
) -> None:
    for _ in range(3):
        publish(number)
    _fail_all()
    ordered = _hour_ago(endpoint)
    with transaction.atomic():
        replay.advance()
        transaction.set_rollback(True)

    assert _seen(endpoint, ordered)[:3] == ("running", 3, 0)
    assert replay.advance() == 3
    assert _seen(endpoint, ordered)[:3] == ("running", 3, 3)


def test_an_order_stops_when_its_endpoint_is_disabled(
    number: PhoneNumber, endpoint: WebhookEndpoint, publish: Publish
) -> None:
    publish(number)
    _fail_all()
    ordered = _hour_ago(endpoint)
    endpoints.change(endpoint=endpoint, is_enabled=False)

    assert replay.advance() == 0

    assert _seen(endpoint, ordered) == ("stopped", 1, 0, 0, 0)
    with pytest.raises(endpoints.WebhookDisabled):
        _hour_ago(WebhookEndpoint.objects.get())


def test_one_replayed_by_hand_does_not_disturb_the_order_it_was_part_of(
    number: PhoneNumber, endpoint: WebhookEndpoint, publish: Publish
) -> None:
    delivery = publish(number)
    _fail_all()
    ordered = _hour_ago(endpoint)
    replay.advance()
    replay.one(delivery=delivery)
    deliver.run()
    assert _seen(endpoint, ordered) == ("done", 1, 1, 1, 0)

    replay.one(delivery=delivery)
    deliver.run()

    assert _seen(endpoint, ordered) == ("done", 1, 1, 1, 0)


def test_an_order_takes_nothing_of_another_endpoint(
    acme: Tenant,
    number: PhoneNumber,
    endpoint: WebhookEndpoint,
    receiver: receivers.Receiver,
    publish: Publish,
) -> None:
    other, _ = endpoints.add(tenant=acme, number=number, url=receiver.url("/other"), events=["*"])
    publish(number)
    _fail_all()

    _hour_ago(other)
    replay.advance()
    deliver.run()

    assert [request.path for request in receiver.received] == ["/other"]


def test_old_counts_of_an_order_survive_a_later_order(
    number: PhoneNumber, endpoint: WebhookEndpoint, receiver: receivers.Receiver, publish: Publish
) -> None:
    publish(number)
    _fail_all()
    first = _hour_ago(endpoint)
    replay.advance()
    _fail_all()
    second = _hour_ago(endpoint)
    replay.advance()
    deliver.run()

    assert _seen(endpoint, first) == ("done", 1, 1, 0, 1)
    assert _seen(endpoint, second) == ("done", 1, 1, 1, 0)


@pytest.mark.django_db(transaction=True)
def test_two_workers_at_once_begin_each_delivery_once(receiver: receivers.Receiver, publish: Publish) -> None:
    number = tenants.add_sandbox(tenant=tenants.open_tenant(name="Acme"))
    endpoint, _ = endpoints.add(tenant=number.tenant, number=number, url=receiver.url(), events=["*"])
    for _ in range(20):
        publish(number)
    _fail_all()
    ordered = _hour_ago(endpoint)

    def work() -> int:
        try:
            return replay.advance() + 0 * deliver.run()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(4) as pool:
        begun = list(pool.map(lambda _: work(), range(4)))
    deliver.run()

    assert sum(begun) == 20
    assert _seen(endpoint, ordered) == ("done", 20, 20, 20, 0)
    assert len({request.headers["webhook-id"] for request in receiver.received}) == 20
    assert len(receiver.received) == 20


def test_counting_an_order_stops_and_says_so_and_the_end_tells_all(
    number: PhoneNumber, endpoint: WebhookEndpoint, publish: Publish, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Replay, "MAX_COUNTED", 2)
    monkeypatch.setattr(replay, "BATCH", 3)
    for _ in range(4):
        publish(number)
    _fail_all()

    ordered = _hour_ago(endpoint)
    seen = [(ordered.shown_total, ordered.is_total_capped)]
    for _ in range(2):
        replay.advance()
        deliver.run()
        ordered.refresh_from_db()
        seen.append((ordered.shown_total, ordered.is_total_capped))

    assert seen == [(2, True), (3, True), (4, False)]
    assert _seen(endpoint, ordered) == ("done", 4, 4, 4, 0)


def test_an_order_of_as_many_as_are_counted_is_not_capped(
    number: PhoneNumber, endpoint: WebhookEndpoint, publish: Publish, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Replay, "MAX_COUNTED", 2)
    for _ in range(2):
        publish(number)
    _fail_all()

    ordered = _hour_ago(endpoint)

    assert (ordered.shown_total, ordered.is_total_capped) == (2, False)
