"""Every page of the console renders."""

import pytest
from django.contrib import admin
from django.test import Client
from django.urls import reverse

from accounts.models import ApiKey, User
from tests import factories
from tests.conftest import Party

PAGES = [(model._meta.app_label, model._meta.model_name) for model in admin.site._registry]


@pytest.fixture
def operator(db: None) -> Client:
    client = Client()
    client.force_login(User.objects.create_superuser("operator"))
    return client


@pytest.mark.parametrize(("app", "model"), PAGES)
def test_a_list_and_its_form_render(app: str, model: str, operator: Client, acme: Party) -> None:
    listed = operator.get(reverse(f"admin:{app}_{model}_changelist"))
    added = operator.get(reverse(f"admin:{app}_{model}_add"))

    assert listed.status_code == 200
    assert added.status_code in (200, 403)


def test_a_visitor_is_asked_to_sign_in(client: Client, db: None) -> None:
    answer = client.get("/console/")

    assert answer.status_code == 302
    assert answer["Location"].startswith("/console/login/")


def test_a_key_made_in_the_console_is_shown_once(operator: Client, acme: Party) -> None:
    form = {
        "tenant": acme.tenant.pk,
        "label": "backend-prod",
        "dialect": "whatomate",
        "environment": "test",
        "scopes": "read,send",
        "allowed_networks": "",
    }

    answer = operator.post(reverse("admin:accounts_apikey_add"), form, follow=True)

    key = ApiKey.objects.get(label="backend-prod", dialect="whatomate")
    assert answer.status_code == 200
    assert key.prefix.startswith("whm_test_")
    assert key.prefix in answer.content.decode()
    again = operator.get(reverse("admin:accounts_apikey_changelist"))
    assert "shown this once" in answer.content.decode()
    assert "shown this once" not in again.content.decode()


def test_messages_are_listed_in_a_bounded_number_of_queries(
    operator: Client, acme: Party, django_assert_max_num_queries: object
) -> None:
    for _ in range(3):
        factories.MessageFactory.create(tenant=acme.tenant, phone_number=acme.number)

    with django_assert_max_num_queries(12):  # type: ignore[operator]
        assert operator.get(reverse("admin:messaging_message_changelist")).status_code == 200
