"""Every page of the console, for each role: it renders or is refused, in a bounded number of queries."""

import re
from typing import Any

import pytest
from django.contrib import admin
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import URLPattern, reverse
from django.urls.converters import IntConverter
from django.utils.html import escape

from accounts import roles
from accounts.models import User
from messaging.models import Message
from tests import factories
from tests.console.addresses import patterns
from tests.console.conftest import Staff

# The most that any page may ask the database.
QUERIES_MAX = 25
# Tables that grow without end: whatever reads them names a row or says how many.
LARGE = (
    "messaging_message", "messaging_metaevent", "messaging_conversation", "messaging_contact",
    "webhooks_app_delivery", "webhooks_app_event", "webhooks_app_attempt", "accounts_auditevent",
)  # fmt: skip
# Pages whose address holds something else than a row's id, and what stands there in the walk.
OTHERS: dict[str, dict[str, Any]] = {"view_on_site": {"content_type_id": 1, "object_id": 1}}
NEVER = {"autocomplete", "search", "jsi18n", "logout", "login", "password_change", "password_change_done"}


@pytest.fixture
def rows(db: None) -> dict[str, Any]:
    """A row of each model that has pages."""
    made = {}
    for model in admin.site._registry:
        factory = getattr(factories, f"{model.__name__}Factory", None)
        if factory is not None:
            made[f"{model._meta.app_label}_{model._meta.model_name}"] = factory.create()
    return made


def address(pattern: URLPattern, rows: dict[str, Any]) -> str:
    wanted = pattern.pattern.converters
    if pattern.name in OTHERS:
        values = OTHERS[pattern.name]
    else:
        row = next((row for name, row in rows.items() if str(pattern.name).startswith(f"{name}_")), None)
        pk = row.pk if row is not None else 1
        values = {name: pk if not isinstance(one, IntConverter) else int(pk) for name, one in wanted.items()}
    if not wanted:
        values = {"app_label": "accounts"} if "app_label" in pattern.pattern.regex.groupindex else {}
    return reverse(f"admin:{pattern.name}", kwargs=values)


def unlimited(queries: list[dict[str, str]]) -> list[str]:
    found = (query["sql"] for query in queries)
    return [
        sql
        for sql in found
        if any(f'FROM "{table}"' in sql for table in LARGE)
        and not re.search(r'LIMIT \d|_?id" = |_id" IN \(|"id" IN \(', sql)
    ]


@pytest.mark.parametrize("role", [roles.OPERATOR, roles.SUPPORT, roles.AUDITOR])
def test_every_page_renders_or_is_refused(role: str, staff: Staff, rows: dict[str, Any]) -> None:
    client = staff(role)
    walked, rendered = 0, 0

    for pattern in patterns():
        if pattern.name in NEVER:
            continue
        url = address(pattern, rows)
        with CaptureQueriesContext(
            connection,
        ) as asked:
            answer = client.get(url)
        assert answer.status_code in {200, 302, 403, 404, 405}, url
        assert len(asked) <= QUERIES_MAX, (url, len(asked))
        assert unlimited(asked.captured_queries) == [], url
        walked += 1
        rendered += answer.status_code == 200

    assert walked > 100
    assert rendered > 20


@pytest.mark.parametrize("model", [one for one in admin.site._registry if one is not User])
def test_an_empty_list_says_what_to_do_next(model: Any, operator: Client) -> None:
    page: Any = admin.site._registry[model]
    url = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")

    empty = operator.get(url).content.decode()
    searched = operator.get(url, {"q": "nothing-like-this"}).content.decode()

    if model is Message:  # its list is a page of our own
        assert "Make an API key of a tenant and send the first one" in empty
        return
    assert escape(page.when_empty) in empty
    if page.search_fields:
        assert "Nothing here fits what you asked for" in searched


@pytest.mark.parametrize("role", [roles.OPERATOR, roles.SUPPORT, roles.AUDITOR])
def test_the_menu_leads_to_all_that_a_role_may_see_and_nowhere_else(role: str, staff: Staff) -> None:
    client = staff(role)

    groups = client.get(reverse("admin:index")).context["sidebar_navigation"]

    links = [str(item["link"]) for group in groups for item in group["items"]]
    lists = {
        url
        for model in admin.site._registry
        if client.get(
            url := reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
        ).status_code
        == 200
    }
    assert set(links) == lists | {reverse("admin:index")}
    assert len(links) == len(set(links))


def test_a_panel_leads_nobody_to_what_they_may_not_see(staff: Staff) -> None:
    page = reverse("admin:accounts_tenant_change", args=[factories.TenantFactory.create().pk])

    operator, support = (staff(role).get(page).content.decode() for role in (roles.OPERATOR, roles.SUPPORT))

    assert "Make a key" in operator
    assert "apikey" not in support


def test_a_members_page_says_that_it_opens_nothing(operator: Client) -> None:
    assert "It opens nothing" in operator.get(reverse("admin:accounts_member_add")).content.decode()
