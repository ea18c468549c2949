"""webhooks_app/admin.py"""

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import PhoneNumber, User
from tests.webhooks_app.conftest import Publish
from webhooks_app import deliver
from webhooks_app.models import Attempt, WebhookEndpoint


@pytest.mark.parametrize("model", ["webhookendpoint", "event", "delivery", "attempt"])
def test_the_console_shows_rows_but_no_secret_and_no_form(
    client: Client, number: PhoneNumber, endpoint: WebhookEndpoint, publish: Publish, model: str
) -> None:
    delivery = publish(number)
    deliver.run()
    pk = {
        "webhookendpoint": endpoint.pk,
        "event": delivery.event_id,
        "delivery": delivery.pk,
        "attempt": Attempt.objects.get().pk,
    }[model]
    client.force_login(User.objects.create_superuser("root", password="x"))

    listed = client.get(reverse(f"admin:webhooks_app_{model}_changelist"))
    shown = client.get(reverse(f"admin:webhooks_app_{model}_change", args=[pk]))

    assert (listed.status_code, shown.status_code) == (200, 200)
    assert endpoint.sealed_secret not in shown.content.decode()
    assert client.get(reverse(f"admin:webhooks_app_{model}_add")).status_code == 403
    assert client.post(reverse(f"admin:webhooks_app_{model}_change", args=[pk])).status_code == 403
