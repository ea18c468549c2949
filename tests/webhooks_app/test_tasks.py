"""webhooks_app/tasks.py"""

import pytest
from celery import current_app

from accounts.models import PhoneNumber
from tests.webhooks_app import receiver as receivers
from tests.webhooks_app.conftest import Publish
from webhooks_app import tasks  # noqa: F401 -- registers the tasks by name
from webhooks_app.models import Delivery, WebhookEndpoint


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
