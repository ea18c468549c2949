"""Webhook endpoints, events and deliveries."""

import factory
from factory.django import DjangoModelFactory

from tests.factories.accounts import LONG_AGO, PhoneNumberFactory, TenantFactory
from webhooks_app import models as webhooks


class WebhookEndpointFactory(DjangoModelFactory[webhooks.WebhookEndpoint]):
    """Hears its number's messages; pass `phone_number=None` for one that hears the project."""

    class Meta:
        model = webhooks.WebhookEndpoint

    phone_number = factory.SubFactory(PhoneNumberFactory, tenant=factory.SelfAttribute("..tenant"))
    tenant = factory.SubFactory(TenantFactory)
    url = "https://hooks.example.com/whatsapp"
    events = ["message.delivered"]
    is_test = factory.LazyAttribute(lambda made: bool(made.phone_number and made.phone_number.is_sandbox))
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


class EventFactory(DjangoModelFactory[webhooks.Event]):
    class Meta:
        model = webhooks.Event

    tenant = factory.SubFactory(TenantFactory)
    phone_number = factory.SubFactory(PhoneNumberFactory, tenant=factory.SelfAttribute("..tenant"))
    type = "message.delivered"
    occurred_at = LONG_AGO
    body = b'{"event":"whatsapp.message.delivered"}'


class DeliveryFactory(DjangoModelFactory[webhooks.Delivery]):
    class Meta:
        model = webhooks.Delivery

    tenant = factory.SubFactory(TenantFactory)
    endpoint = factory.SubFactory(WebhookEndpointFactory, tenant=factory.SelfAttribute("..tenant"))
    event = factory.SubFactory(
        EventFactory,
        tenant=factory.SelfAttribute("..tenant"),
        phone_number=factory.SelfAttribute("..endpoint.phone_number"),
    )


class ReplayFactory(DjangoModelFactory[webhooks.Replay]):
    class Meta:
        model = webhooks.Replay

    endpoint = factory.SubFactory(WebhookEndpointFactory)
    tenant = factory.SelfAttribute("endpoint.tenant")
    since = LONG_AGO
    until = LONG_AGO
    total = 0


class AttemptFactory(DjangoModelFactory[webhooks.Attempt]):
    class Meta:
        model = webhooks.Attempt

    delivery = factory.SubFactory(DeliveryFactory)
    number = 1
    trigger = webhooks.Trigger.SCHEDULE
    started_at = LONG_AGO
    duration_ms = 12
    response_status = 200
