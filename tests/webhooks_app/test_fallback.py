"""webhooks_app/fallback.py"""

import json
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import PhoneNumber, Tenant
from gosend.lib import signing
from tests import factories
from tests.webhooks_app import receiver as receivers
from tests.webhooks_app.conftest import HAPPENED, Publish
from webhooks_app import deliver, endpoints, events, secrets
from webhooks_app.models import Delivery, WebhookEndpoint


@pytest.fixture
def acme(acme: Tenant, receiver: receivers.Receiver) -> Tenant:
    acme.webhook_url = receiver.url("/project")
    acme.save()
    return acme


def _alert(tenant: Tenant) -> None:
    events.publish(
        tenant_id=tenant.pk, number=None, type="account.alert", data={"alert": {}}, occurred_at=HAPPENED
    )


def test_the_projects_address_is_told_and_the_projects_secret_signs(
    acme: Tenant, receiver: receivers.Receiver
) -> None:
    for _ in range(2):
        _alert(acme)
    deliver.run()

    acme.refresh_from_db()
    assert [request.path for request in receiver.received] == ["/project"] * 2
    request = receiver.received[0]
    assert json.loads(request.body)["event"] == "whatsapp.account.alert"
    assert acme.webhook_secret.startswith("whsec_")
    assert acme.webhook_secret not in acme.sealed_webhook_secret
    assert signing.verify_gosend(acme.webhook_secret, request.body, request.headers["x-gosendapi-signature"])
    assert WebhookEndpoint.objects.count() == 1


@pytest.mark.parametrize("other", [{"is_test": True}, {"type": WebhookEndpoint.Type.SESSION_EVENTS}])
def test_a_webhook_that_hears_none_of_it_leaves_it_to_the_projects_address(
    acme: Tenant, receiver: receivers.Receiver, other: dict[str, Any]
) -> None:
    factories.WebhookEndpointFactory.create(tenant=acme, phone_number=None, **other)
    _alert(acme)

    assert Delivery.objects.get().endpoint.url == receiver.url("/project")


def test_messages_do_not_go_to_the_projects_address(
    acme: Tenant, number: PhoneNumber, receiver: receivers.Receiver
) -> None:
    events.publish(tenant_id=acme.pk, number=number, type="message.sent", data={}, occurred_at=HAPPENED)

    assert Delivery.objects.count() == 0


def test_a_webhook_of_the_project_takes_its_place_even_for_other_events(
    acme: Tenant, receiver: receivers.Receiver
) -> None:
    _alert(acme)
    own, _ = endpoints.add(tenant=acme, url=receiver.url("/own"), events=["whatsapp.template.approved"])
    _alert(acme)
    assert Delivery.objects.count() == 1
    endpoints.remove(endpoint=own)

    _alert(acme)

    assert Delivery.objects.count() == 2


def test_a_webhook_of_a_number_does_not_take_its_place(
    acme: Tenant, number: PhoneNumber, endpoint: WebhookEndpoint
) -> None:
    _alert(acme)

    assert Delivery.objects.get().endpoint.is_fallback


def test_a_changed_address_is_followed_and_an_emptied_one_hears_nothing(
    acme: Tenant, receiver: receivers.Receiver
) -> None:
    _alert(acme)
    acme.webhook_url = receiver.url("/moved")
    acme.save()
    _alert(acme)
    acme.webhook_url = ""
    acme.save()
    _alert(acme)

    deliver.run()

    assert [request.path for request in receiver.received] == ["/moved"] * 2


def test_its_secret_rotates_with_an_overlap(acme: Tenant, receiver: receivers.Receiver) -> None:
    _alert(acme)
    acme.refresh_from_db()
    old = acme.webhook_secret

    new = secrets.rotate(endpoint=WebhookEndpoint.objects.get())
    deliver.run()

    request = receiver.received[0]
    now = timezone.now().timestamp()
    acme.refresh_from_db()
    assert acme.webhook_secret == new
    for secret in (old, new):
        assert signing.verify_standard(secret, request.headers, request.body, now=now)


def test_only_what_is_its_own_changes(acme: Tenant) -> None:
    _alert(acme)
    fallback = WebhookEndpoint.objects.get()

    with pytest.raises(endpoints.FallbackFixed):
        endpoints.change(endpoint=fallback, url="https://other.example/")
    with pytest.raises(endpoints.FallbackFixed):
        endpoints.remove(endpoint=fallback)
    endpoints.change(endpoint=fallback, is_enabled=False)
    _alert(acme)

    assert Delivery.objects.count() == 1


def test_an_alert_about_a_webhook_reaches_the_projects_address(
    acme: Tenant,
    number: PhoneNumber,
    endpoint: WebhookEndpoint,
    receiver: receivers.Receiver,
    publish: Publish,
) -> None:
    number.is_sandbox = False  # the project's address hears of live numbers only
    number.save()
    WebhookEndpoint.objects.update(is_test=False)
    publish(number)
    receiver.answer = receivers.reply(500)
    WebhookEndpoint.objects.update(failing_since=timezone.now() - timedelta(days=4))
    deliver.run()

    alert = json.loads(receiver.received[-1].body)["alert"]
    assert (receiver.received[-1].path, alert["percent"]) == ("/project", 70)
