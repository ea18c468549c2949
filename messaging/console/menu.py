"""The console's menu: grouped by what people do, with what each may see."""

from typing import Any, NamedTuple

from django.http import HttpRequest
from django.urls import reverse


class Entry(NamedTuple):
    """`icon` is a name of Material Symbols; `model` as permissions call it."""

    title: str
    icon: str
    model: str


_GROUPS: tuple[tuple[str, tuple[Entry, ...]], ...] = (
    (
        "Messages",
        (
            Entry("Messages", "forum", "messaging.message"),
            Entry("Conversations", "chat", "messaging.conversation"),
            Entry("Contacts", "contacts", "messaging.contact"),
        ),
    ),
    (
        "Numbers",
        (
            Entry("Phone numbers", "call", "accounts.phonenumber"),
            Entry("Business accounts", "storefront", "accounts.businessaccount"),
            Entry("Templates", "article", "templates_app.template"),
            Entry("Meta apps", "apps", "accounts.metaapp"),
            Entry("Meta's callbacks", "move_to_inbox", "messaging.metaevent"),
        ),
    ),
    (
        "Webhooks",
        (
            Entry("Endpoints", "webhook", "webhooks_app.webhookendpoint"),
            Entry("Deliveries", "outbox", "webhooks_app.delivery"),
            Entry("Replays", "replay", "webhooks_app.replay"),
            Entry("Events", "bolt", "webhooks_app.event"),
            Entry("Attempts", "history", "webhooks_app.attempt"),
        ),
    ),
    (
        "Tenants",
        (
            Entry("Tenants", "domain", "accounts.tenant"),
            Entry("Customers", "groups", "accounts.customer"),
            Entry("API keys", "key", "accounts.apikey"),
            Entry("Members", "badge", "accounts.member"),
        ),
    ),
    (
        "Staff",
        (
            Entry("Users", "person", "accounts.user"),
            Entry("Grants", "verified_user", "accounts.grant"),
            Entry("Audit trail", "policy", "accounts.auditevent"),
        ),
    ),
)


def sidebar(request: HttpRequest) -> list[dict[str, Any]]:
    """The groups that have something for the signed-in person, as the theme draws them."""
    home: dict[str, Any] = {"title": "Home", "icon": "home", "link": reverse("admin:index")}
    groups = [{"title": title, "items": _items(request, entries)} for title, entries in _GROUPS]
    return [{"items": [home]}, *(group for group in groups if group["items"])]


def _items(request: HttpRequest, entries: tuple[Entry, ...]) -> list[dict[str, Any]]:
    found = []
    for entry in entries:
        room, _, model = entry.model.partition(".")
        if request.user.has_perm(f"{room}.view_{model}"):
            link = reverse(f"admin:{room}_{model}_changelist")
            found.append({"title": entry.title, "icon": entry.icon, "link": link})
    return found
