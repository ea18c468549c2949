"""Everything that can be posted to the console: what is not a role's to do changes nothing."""

from typing import Any

import pytest
from django.contrib import admin
from django.test import Client
from django.urls import reverse

from accounts import roles
from accounts.models import User
from tests.conftest import Party
from tests.console import addresses, estate
from tests.console.conftest import Staff
from tests.console.estate import Rows

UNKNOWN = 9_000_000_000_000
# What everybody may post: their own sign-out and views, an export, a number shown for a reason.
FOR_ALL = {
    "login", "logout", "search", "password_change", "messaging_export", "messaging_save_view",
    "messaging_forget_view", "messaging_message_reveal", "messaging_conversation_reveal",
    "messaging_contact_reveal",
}  # fmt: skip


@pytest.fixture
def rows(acme: Party) -> Rows:
    made = estate.build(acme)
    assert estate.covers_every_page(made)
    return made


def row_of(name: str, rows: Rows) -> Any:
    return next((row.pk for model, row in rows.items() if name.startswith(f"{model}_")), UNKNOWN)


def address(pattern: Any, pk: Any) -> str:
    wanted = dict.fromkeys(pattern.pattern.converters, pk)
    if "app_label" in pattern.pattern.regex.groupindex:
        wanted = {"app_label": "accounts"}
    return reverse(f"admin:{pattern.name}", kwargs=wanted)


@pytest.mark.parametrize("role", [roles.SUPPORT, roles.AUDITOR])
def test_who_only_reads_changes_nothing_by_whatever_they_post(role: str, staff: Staff, rows: Rows) -> None:
    client = staff(role)
    before, walked, refused = addresses.snapshot(), 0, 0

    for pattern in addresses.patterns():
        if pattern.name in FOR_ALL:
            continue
        url = address(pattern, row_of(str(pattern.name), rows))
        form = addresses.filled(rows) | {"post": "yes", "username": "new", "_save": "Save"}
        answer = client.post(url, form)
        assert answer.status_code in {200, 302, 403, 404, 405}, url
        assert addresses.snapshot() == before, url
        walked += 1
        refused += answer.status_code in {403, 404, 405}

    assert walked > 100
    assert refused > 90


@pytest.mark.parametrize("role", [roles.SUPPORT, roles.AUDITOR])
def test_no_button_is_theirs_to_press(role: str, staff: Staff, rows: Rows) -> None:
    client = staff(role)

    answers = {
        (model, act.name): client.post(addresses.of_act(model, act, rows[model]), addresses.filled(rows))
        for model, act in addresses.acts()
    }

    assert len(answers) > 25
    assert {one.status_code for one in answers.values()} == {403}


def test_a_button_on_what_does_not_exist_is_not_found(operator: Client, rows: Rows) -> None:
    before = addresses.snapshot()

    answers = {
        (model, act.name): operator.post(
            addresses.of_act(model, act, UNKNOWN), addresses.filled(rows)
        ).status_code
        for model, act in addresses.acts()
        if not act.of_list
    }

    assert len(answers) > 20
    assert set(answers.values()) == {404}
    assert addresses.snapshot() == before


def test_a_form_sent_empty_asks_for_what_is_missing_and_does_nothing(operator: Client, rows: Rows) -> None:
    before, asked = addresses.snapshot(), 0

    for model, act in addresses.acts():
        if not act.form.base_fields or (not act.of_list and not act.fits(rows[model])):
            continue
        answer = operator.post(addresses.of_act(model, act, rows[model]), {})
        assert answer.status_code == 200, act.name
        assert answer.context["form"].errors, act.name
        asked += 1

    assert asked > 10
    assert addresses.snapshot() == before


@pytest.mark.parametrize("role", [roles.SUPPORT, roles.AUDITOR])
def test_no_action_of_a_list_is_theirs(role: str, staff: Staff, rows: Rows) -> None:
    client = staff(role)
    before, tried = addresses.snapshot(), 0

    for model, page in admin.site._registry.items():
        name = f"{model._meta.app_label}_{model._meta.model_name}"
        for action in ["delete_selected", *[str(one) for one in page.actions or []]]:
            form = {"action": action, "_selected_action": [rows[name].pk], "post": "yes"}
            client.post(reverse(f"admin:{name}_changelist"), form)
            tried += 1
            assert addresses.snapshot() == before, (name, action)

    assert tried > len(admin.site._registry)


@pytest.mark.parametrize(
    "name", ["accounts_tenant", "accounts_customer", "accounts_businessaccount", "accounts_phonenumber"]
)
def test_what_messages_hang_on_is_deleted_by_nobody(name: str, operator: Client, rows: Rows) -> None:
    """Each takes every message of its numbers along."""
    before, row = addresses.snapshot(), rows[name]
    form = {"action": "delete_selected", "_selected_action": [row.pk], "post": "yes"}

    url = reverse(f"admin:{name}_delete", args=[row.pk])

    answers = [operator.get(url), operator.post(url, {"post": "yes"})]
    operator.post(reverse(f"admin:{name}_changelist"), form)

    assert [answer.status_code for answer in answers] == [403, 403]
    assert addresses.snapshot() == before


def test_an_operator_of_some_tenants_does_not_take_over_who_sees_more(
    staff: Staff, acme: Party, globex: Party
) -> None:
    """Otherwise a new password and a new second factor would open every tenant."""
    client = staff(roles.OPERATOR)
    me = User.objects.get(username="operator")
    me.sees_all_tenants = False
    me.save()
    me.grants.create(tenant=acme.tenant)
    of_all = User.objects.create(username="all", is_staff=True, sees_all_tenants=True)
    of_other = User.objects.create(username="other", is_staff=True)
    of_other.grants.create(tenant=globex.tenant)
    equal = User.objects.create(username="equal", is_staff=True)
    equal.grants.create(tenant=acme.tenant)

    def reset(user: User) -> int:
        url = reverse("admin:accounts_user_act_reset", args=[user.pk])
        return int(client.post(url, {"reason": "mine"}).status_code)

    def password(user: User) -> bool:
        form = {"password1": "a new long password", "password2": "a new long password"}
        client.post(reverse("admin:auth_user_password_change", args=[user.pk]), form)
        user.refresh_from_db()
        return user.check_password("a new long password")

    assert [reset(one) for one in (of_all, of_other, equal)] == [404, 404, 302]
    assert [password(one) for one in (of_all, of_other, equal)] == [False, False, True]
