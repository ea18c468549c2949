"""Who was granted one tenant finds nothing of another: on no page, in no search, file, list or button."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth.models import Group
from django.test import Client
from django.urls import reverse

from accounts import roles
from accounts.models import User
from gosend.sandbox.management import APP_ID
from tests.conftest import Party
from tests.console import addresses, estate
from tests.console.estate import MARK, NUMBER_ID, PHONE, WABA_ID, Rows
from tests.console.test_posts import address, row_of

ROLES = [roles.OPERATOR, roles.SUPPORT, roles.AUDITOR]
NEVER = {"logout", "jsi18n"}


def signed_in(role: str, *, sees: Party | None) -> Client:
    user = User.objects.create(username="me", is_staff=True, sees_all_tenants=sees is None)
    user.groups.add(Group.objects.get(name=role))
    if sees:
        user.grants.create(tenant=sees.tenant)
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def theirs(globex: Party) -> Rows:
    return estate.build(globex)


def body(answer: Any) -> str:
    whole = b"".join(answer.streaming_content) if answer.streaming else answer.content
    return str(whole.decode())


def searches(rows: Rows) -> Iterator[str]:
    """Everything that the search box takes for a name of something."""
    yield from (f"{MARK} Ltd", f"{MARK}-ext", f"wamid.{MARK}", f"req_{MARK}", PHONE, NUMBER_ID, "19995550777")
    yield str(rows["webhooks_app_delivery"].delivery_id)
    yield from (str(rows[f"messaging_{name}"].pk) for name in ("message", "conversation"))
    yield str(rows["accounts_tenant"].pk)


def pages(rows: Rows) -> Iterator[str]:
    for pattern in addresses.patterns():
        if pattern.name not in NEVER:
            yield address(pattern, row_of(str(pattern.name), rows))
    tenant, number = rows["accounts_tenant"].pk, rows["accounts_phonenumber"].pk
    log = reverse("admin:messaging_message_changelist")
    yield from (
        f"{log}?tenant={tenant}",
        f"{log}?number={number}",
        f"{log}?peer={PHONE}",
        f"{log}?status=unconfirmed",
    )
    for model in admin.site._registry:
        name = f"{model._meta.app_label}_{model._meta.model_name}"
        # Less than the whole word: the page repeats what was typed.
        yield f"{reverse(f'admin:{name}_changelist')}?q={MARK[:-1]}"
        yield f"{reverse(f'admin:{name}_changelist')}?tenant__id__exact={tenant}"


def lists_to_choose_from() -> Iterator[str]:
    for model, page in admin.site._registry.items():
        for field in page.autocomplete_fields:
            asked = (
                f"app_label={model._meta.app_label}&model_name={model._meta.model_name}&field_name={field}"
            )
            yield f"{reverse('admin:autocomplete')}?{asked}&term="


@pytest.mark.parametrize("role", ROLES)
def test_no_page_shows_anything_of_a_tenant_not_granted(role: str, acme: Party, theirs: Rows) -> None:
    client = signed_in(role, sees=acme)
    walked = 0

    for url in [*pages(theirs), *lists_to_choose_from()]:
        answer = client.get(url)
        text = body(answer)
        assert MARK not in text, url
        assert WABA_ID not in text, url
        walked += 1

    assert walked > 150


@pytest.mark.parametrize("role", ROLES)
def test_no_search_finds_anything_of_a_tenant_not_granted(role: str, acme: Party, theirs: Rows) -> None:
    client = signed_in(role, sees=acme)

    for term in searches(theirs):
        answer = client.get(reverse("admin:messaging_find"), {"q": term})
        assert (answer.status_code, answer.context["hits"]) == (200, []), term


def test_who_sees_all_finds_each_of_these(acme: Party, theirs: Rows) -> None:
    """Or the walk above would look for what is nowhere shown."""
    client = signed_in(roles.OPERATOR, sees=None)
    found = set()

    for name, row in theirs.items():
        for url in (reverse(f"admin:{name}_changelist"), reverse(f"admin:{name}_change", args=[row.pk])):
            if MARK in body(client.get(url)):
                found.add(name)
    for term in searches(theirs):
        url = f"{reverse('admin:messaging_find')}?q={term}"
        assert client.get(url).status_code == 302, term

    assert theirs.keys() - found <= {"accounts_user", "messaging_metaevent", "webhooks_app_attempt"}


@pytest.mark.parametrize("role", ROLES)
def test_an_export_holds_their_own_tenants_only(role: str, acme: Party, theirs: Rows) -> None:
    client = signed_in(role, sees=acme)
    export = reverse("admin:messaging_export")

    plain = body(client.post(export, {}))
    asked = client.post(export, {"tenant": theirs["accounts_tenant"].pk})

    assert plain.splitlines()[0].startswith("id,created_at,tenant")
    assert len(plain.splitlines()) == 1
    assert MARK not in body(asked)


@pytest.mark.parametrize("role", ROLES)
def test_nothing_of_theirs_is_changed_by_whatever_is_posted(role: str, acme: Party, theirs: Rows) -> None:
    client = signed_in(role, sees=acme)
    before = addresses.snapshot()
    form = addresses.filled(theirs) | {"post": "yes", "user": User.objects.get(username="colleague").pk}

    for pattern in addresses.patterns():
        name = str(pattern.name)
        if name in {"login", "logout", "password_change"} or name.startswith(("accounts_user", "auth_user")):
            continue
        answer = client.post(address(pattern, row_of(name, theirs)), form)
        assert MARK not in body(answer) or name == "messaging_find", name
        assert addresses.snapshot() == before, name
    for model, page in admin.site._registry.items():
        name = f"{model._meta.app_label}_{model._meta.model_name}"
        for action in page.actions or []:
            chosen = {"action": str(action), "_selected_action": [theirs[name].pk], "post": "yes"}
            client.post(reverse(f"admin:{name}_changelist"), chosen)
            assert addresses.snapshot() == before, (name, action)


# The add forms that name a tenant, filled in well.
FORMS: dict[str, dict[str, Any]] = {
    "accounts_customer": {"name": "New", "status": "active", "metadata": "{}"},
    "accounts_member": {"role": "viewer"},
    "accounts_grant": {},
    "accounts_apikey": {
        "label": "new", "dialect": "native", "environment": "test", "scopes": "read", "allowed_networks": "",
    },
    "accounts_metaapp": {"name": "New", "app_id": APP_ID, "new_secret": "s", "new_verify_token": "v"},
    "accounts_businessaccount": {"waba_id": "12345678", "status": "active"},
}  # fmt: skip


@pytest.mark.parametrize("name", FORMS)
def test_an_operator_adds_rows_to_their_own_tenants_only(name: str, acme: Party, theirs: Rows) -> None:
    client = signed_in(roles.OPERATOR, sees=acme)
    url = reverse(f"admin:{name}_add")
    colleague = User.objects.create(username="new").pk
    form = FORMS[name] | {"user": colleague}
    before = addresses.snapshot()

    strange = client.post(
        url,
        form | {"tenant": theirs["accounts_tenant"].pk, "customer": theirs["accounts_customer"].pk},
    )
    without = client.post(url, form | {"customer": acme.customer.pk})

    assert (strange.status_code, without.status_code) == (200, 200)
    assert addresses.snapshot() == before
    own = client.post(url, form | {"tenant": acme.tenant.pk, "customer": acme.customer.pk})
    assert addresses.snapshot() != before, own.context and own.context["adminform"].form.errors
