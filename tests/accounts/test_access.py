"""Who sees which tenants, what the roles allow, and a trail that nobody rewrites."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import Group
from django.db import DatabaseError, transaction
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import Settings

from accounts import access, audit, roles
from accounts.models import AuditEvent, Grant, User
from gosend.lib import ids
from tests import factories
from tests.conftest import Party


def staff(role: str, *, sees: Party | None = None) -> tuple[User, Client]:
    user = User.objects.create(username=role.lower(), is_staff=True)
    user.groups.add(Group.objects.get(name=role))
    if sees:
        Grant.objects.create(user=user, tenant=sees.tenant)
    client = Client()
    client.force_login(user)
    return user, client


@pytest.mark.parametrize(
    "page", ["messaging_conversation", "messaging_contact", "webhooks_app_webhookendpoint"]
)
def test_staff_sees_the_rows_of_granted_tenants_only(page: str, acme: Party, globex: Party) -> None:
    _, client = staff(roles.SUPPORT, sees=acme)
    for party in (acme, globex):
        factories.ConversationFactory.create(phone_number=party.number)
        factories.WebhookEndpointFactory.create(tenant=party.tenant, phone_number=party.number)

    answer = client.get(reverse(f"admin:{page}_changelist"))

    assert {row.tenant_id for row in answer.context["cl"].result_list} == {acme.tenant.pk}


def test_a_row_of_another_tenant_does_not_exist(acme: Party, globex: Party) -> None:
    _, client = staff(roles.SUPPORT, sees=acme)
    foreign = factories.MessageFactory.create(tenant=globex.tenant, phone_number=globex.number)

    answer = client.get(reverse("admin:messaging_message_change", args=[foreign.pk]))

    assert answer.status_code == 302  # the admin's way of saying that there is no such row


def test_an_operator_cannot_make_a_key_for_a_tenant_not_granted(acme: Party, globex: Party) -> None:
    _, client = staff(roles.OPERATOR, sees=acme)
    before = globex.tenant.api_keys.count()
    form = {"tenant": globex.tenant.pk, "label": "mine", "dialect": "gosend", "environment": "test"}

    answer = client.post(reverse("admin:accounts_apikey_add"), {**form, "scopes": "read"})

    assert answer.status_code == 200
    assert "tenant" in answer.context["adminform"].form.errors
    assert globex.tenant.api_keys.count() == before


def test_support_changes_nothing(acme: Party) -> None:
    _, client = staff(roles.SUPPORT, sees=acme)

    changed = client.post(reverse("admin:accounts_tenant_change", args=[acme.tenant.pk]), {"name": "Mine"})
    added = client.get(reverse("admin:accounts_apikey_add"))

    acme.tenant.refresh_from_db()
    assert (changed.status_code, added.status_code, acme.tenant.name) == (403, 403, "Acme")


def test_a_change_is_on_record(acme: Party) -> None:
    user, client = staff(roles.OPERATOR, sees=acme)
    answer = client.post(
        reverse("admin:accounts_customer_add"),
        {"tenant": acme.tenant.pk, "name": "Client", "status": "active", "metadata": "{}"},
    )

    assert answer.status_code == 302, answer.context["adminform"].form.errors
    row = AuditEvent.objects.get()
    assert (row.actor_id, row.action, row.tenant_id) == (user.pk, "customer.added", acme.tenant.pk)
    assert row.request_id.startswith("req_")


def test_the_trail_cannot_be_rewritten(acme: Party) -> None:
    row = audit.record("message.revealed", actor=None, subject=acme.tenant, reason="ticket 1")

    with pytest.raises(DatabaseError, match="only ever added to"), transaction.atomic():
        AuditEvent.objects.filter(pk=row.pk).update(reason="nothing")
    with pytest.raises(DatabaseError, match="only ever added to"), transaction.atomic():
        row.delete()

    row.refresh_from_db()
    assert row.reason == "ticket 1"


def test_the_trail_is_forgotten_when_the_settings_say_so_and_never_before_three_months(
    acme: Party, settings: Settings
) -> None:
    fresh = audit.record("message.revealed", actor=None, subject=acme.tenant)
    rows = []
    for days in (80, 100, 400):
        at = timezone.now() - timedelta(days=days)
        rows.append(factories.AuditEventFactory.create(id=ids.first_id(at), at=at))

    assert audit.forget_past() == 0
    settings.AUDIT_DAYS = 365
    assert (audit.forget_past(limit=1), audit.forget_past()) == (1, 0)
    settings.AUDIT_DAYS = 1
    assert audit.forget_past() == 1
    with pytest.raises(DatabaseError, match="only ever added to"), transaction.atomic():
        rows[0].delete()
    assert set(AuditEvent.objects.all()) == {fresh, rows[0]}


def test_nothing_granted_is_nothing_seen(acme: Party) -> None:
    user = User.objects.create(username="new", is_staff=True)

    assert list(access.tenants_of(user)) == []
    assert not access.may_see(user, tenant_id=acme.tenant.pk)
    assert not access.may_see(user, tenant_id=None)


def test_who_sees_more_is_not_listed_to_an_operator_of_some_tenants(acme: Party, globex: Party) -> None:
    user, client = staff(roles.OPERATOR, sees=acme)
    User.objects.create(username="of_all", is_staff=True, sees_all_tenants=True)
    User.objects.create_superuser("root")
    User.objects.create(username="of_both", is_staff=True).grants.create(tenant=globex.tenant)
    equal = User.objects.create(username="equal", is_staff=True)

    shown = client.get(reverse("admin:accounts_user_changelist")).context["cl"].result_list

    assert {row.pk for row in shown if row.is_staff} == {user.pk, equal.pk}


def test_an_operator_makes_nobody_a_superuser_and_touches_none(acme: Party) -> None:
    user, client = staff(roles.OPERATOR, sees=acme)
    root = User.objects.create_superuser("root")
    page = reverse("admin:accounts_user_change", args=[user.pk])
    form = {"username": user.username, "is_active": "on", "is_superuser": "on", "sees_all_tenants": "on"}

    own = client.post(page, {**form, "date_joined_0": "2026-01-01", "date_joined_1": "12:00:00"})
    above = client.post(reverse("admin:accounts_user_change", args=[root.pk]), form)
    reset = client.post(reverse("admin:accounts_user_act_reset", args=[root.pk]), {"reason": "mine"})

    user.refresh_from_db()
    assert own.status_code == 302, own.context["adminform"].form.errors
    assert (user.is_superuser, user.sees_all_tenants, user.is_staff) == (False, False, True)
    assert (above.status_code, reset.status_code) == (302, 404)  # there is no such person for them
