"""Keys can be changed: everything sealed is sealed anew, and the old key can go."""

import pytest
from django.apps import apps
from django.core.management import call_command
from pytest_django import Settings

from accounts.models import BusinessAccount, MetaApp, Tenant
from gosend.lib import encryption
from gosend.management.commands.rotate_secrets import sealing_models
from tests import factories
from tests.conftest import Party
from webhooks_app import endpoints, secrets
from webhooks_app.models import WebhookEndpoint


def test_every_secret_is_readable_with_the_new_key_alone(
    acme: Party, settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    app = MetaApp(app_id="1", name="App")
    app.secret, app.verify_token = "app-secret", "verify"
    app.save()
    account = acme.number.business_account
    account.access_token = "EAAB-token"
    account.save()
    endpoint, first = endpoints.add(
        tenant=acme.tenant, url="https://example.com/", events=["*"], number=acme.number
    )
    second = secrets.rotate(endpoint=endpoint)
    acme.tenant.webhook_secret = "whsec_project"
    acme.tenant.save()
    authenticator = factories.AuthenticatorFactory.create()
    fresh = encryption.new_key()
    settings.ENCRYPTION_KEYS = f"{fresh},{settings.ENCRYPTION_KEYS}"

    call_command("rotate_secrets")
    call_command("rotate_secrets")

    assert capsys.readouterr().out == "5 rows sealed anew.\n0 rows sealed anew.\n"
    settings.ENCRYPTION_KEYS = fresh
    assert MetaApp.objects.get().secret == "app-secret"
    assert MetaApp.objects.get().verify_token == "verify"
    assert BusinessAccount.objects.get(pk=account.pk).access_token == "EAAB-token"
    assert Tenant.objects.get().webhook_secret == "whsec_project"
    authenticator.refresh_from_db()
    assert authenticator.bin_key == b"\n" * 20
    stored = WebhookEndpoint.objects.get()
    assert (stored.secret, stored.previous_secret) == (second, first)


def test_no_sealed_field_is_forgotten() -> None:
    sealed = {
        (model, field.name)
        for model in apps.get_models()
        for field in model._meta.fields
        if field.name.startswith("sealed_")
    }

    named = {(model, field) for model in sealing_models() for field in model().sealed_contexts()}

    assert named == sealed
