"""webhooks_app/tasks.py"""

import threading
from datetime import timedelta

import pytest
from celery import current_app
from django.utils import timezone
from pytest_django import Settings

from accounts.models import PhoneNumber
from tests.webhooks_app import receiver as receivers
from tests.webhooks_app.conftest import Publish
from webhooks_app import (
    replay,
    tasks,
)
from webhooks_app.models import Delivery, Replay, WebhookEndpoint


@pytest.mark.parametrize("name", ["webhooks_app.deliver", "webhooks_app.sweep"])
def test_each_task_delivers_what_is_due(
    number: PhoneNumber,
    endpoint: WebhookEndpoint,
    receiver: receivers.Receiver,
    publish: Publish,
    name: str,
) -> None:
    publish(number)

    current_app.tasks[name]()

    assert Delivery.objects.get().status == "delivered"
    assert len(receiver.received) == 1


def test_an_order_is_carried_out_by_its_task_and_by_the_sweep(
    number: PhoneNumber, endpoint: WebhookEndpoint, receiver: receivers.Receiver, publish: Publish
) -> None:
    for name in ("webhooks_app.replay", "webhooks_app.sweep"):
        publish(number)
        Delivery.objects.update(status="failed", next_attempt_at=None, delivered_at=None)
        replay.order(endpoint=endpoint, since=timezone.now() - timedelta(hours=1))

        current_app.tasks[name]()

        assert not Replay.objects.filter(finished_at=None).exists()
    assert Delivery.objects.filter(status="delivered").count() == 2


def test_every_task_of_the_beat_is_known(settings: Settings) -> None:
    scheduled = {entry["task"] for entry in settings.CELERY_BEAT_SCHEDULE.values()}

    assert {"webhooks_app.sweep", "webhooks_app.forget"} <= scheduled & set(current_app.tasks)


def test_a_fourth_thread_of_a_worker_is_left_to_other_tasks(
    number: PhoneNumber, endpoint: WebhookEndpoint, publish: Publish
) -> None:
    publish(number)
    deliver = current_app.tasks["webhooks_app.deliver"]
    entered, go_on = threading.Semaphore(0), threading.Event()

    def work() -> None:
        entered.release()
        assert go_on.wait(10)

    # None of them is a run with a free thread, so each further one is wanted, up to three.
    threads = [threading.Thread(target=lambda: tasks._shift.work(work)) for _ in range(3)]
    for thread in threads:
        thread.start()
        assert entered.acquire(timeout=10)
    deliver()
    assert Delivery.objects.get().status == "pending"
    go_on.set()
    for thread in threads:
        thread.join(10)

    deliver()

    assert Delivery.objects.get().status == "delivered"
