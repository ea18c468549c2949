"""Every address of the console, and what a person would fill into each form of it."""

from collections.abc import Iterator
from typing import Any

from django.apps import apps
from django.contrib import admin
from django.db import connection
from django.urls import URLPattern, URLResolver, reverse

from accounts.acts import Act, Acting
from tests.console.estate import Rows

# What is a person's own, or tells what they did, and so changes by looking.
_OWN = frozenset({"accounts.AuditEvent", "messaging.SavedView", "sessions.Session", "admin.LogEntry"})
_ROOMS = frozenset({"accounts", "messaging", "templates_app", "webhooks_app", "sandbox", "auth", "gosend"})
# Good values for the forms of the acts, by the field's name.
GOOD = {
    "reason": "ticket 4711", "risk": "on", "overlap_hours": "24", "since": "2026-01-01T00:00",
    "pin": "123456", "from_phone": "5491155550100", "name": "hello", "text": "Hola",
    "url": "https://a.example/x", "events": "*", "language": "en_US", "category": "UTILITY",
    "components": '[{"type": "BODY", "text": "Hello"}]', "waba_id": "123456789",
    "phone_number_id": "123456789", "access_token": "EAA-x",
}  # fmt: skip


def patterns(found: Any = None) -> Iterator[URLPattern]:
    for one in admin.site.get_urls() if found is None else found:
        if isinstance(one, URLResolver):
            yield from patterns(one.url_patterns)
        elif one.name:
            yield one


def acts() -> Iterator[tuple[str, Act]]:
    """Each button, with the name of its address."""
    for model, page in admin.site._registry.items():
        if isinstance(page, Acting):
            for act in page.acts:
                yield f"{model._meta.app_label}_{model._meta.model_name}", act


def of_act(model: str, act: Act, row: Any) -> str:
    args = [] if act.of_list else [getattr(row, "pk", row)]
    return reverse(f"admin:{model}_act_{act.name}", args=args)


def filled(rows: Rows) -> dict[str, Any]:
    """The good values, with a tenant's own rows where a form lets choose."""
    return GOOD | {
        "tenant": rows["accounts_tenant"].pk,
        "phone_number": rows["accounts_phonenumber"].pk,
        "business_account": rows["accounts_businessaccount"].pk,
    }


def snapshot() -> dict[str, str]:
    """A digest of all rows of each table of ours, but for what tells who did what; one statement."""
    parts = [
        f"SELECT '{model._meta.label}', md5(coalesce(string_agg(t::text, '|' ORDER BY t::text), ''))"  # noqa: S608
        f' FROM "{model._meta.db_table}" t'
        for model in apps.get_models()
        if model._meta.app_label in _ROOMS and model._meta.label not in _OWN
    ]
    with connection.cursor() as cursor:
        cursor.execute(" UNION ALL ".join(parts))
        return dict(cursor.fetchall())
