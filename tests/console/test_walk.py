"""Every page of the console, for each role: it renders or is refused, in a bounded number of queries."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib import admin
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import URLPattern, URLResolver, reverse
from django.urls.converters import IntConverter

from accounts import roles
from tests import factories
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


def patterns(found: Any = None) -> Iterator[URLPattern]:
    for one in admin.site.get_urls() if found is None else found:
        if isinstance(one, URLResolver):
            yield from patterns(one.url_patterns)
        elif one.name:
            yield one


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
