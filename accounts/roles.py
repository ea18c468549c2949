"""The three roles of the console, kept as groups: what each may look at and change."""

from collections.abc import Mapping
from typing import Any

from django.contrib.auth.models import Group, Permission

from accounts.models import User

OPERATOR, SUPPORT, AUDITOR = "Operator", "Support", "Auditor"
# What everybody may look at; an Operator may change as well, as far as a page allows it at all.
_SEEN_BY_ALL = frozenset(
    {
        "accounts.tenant", "accounts.customer", "accounts.businessaccount", "accounts.phonenumber",
        "messaging.message", "messaging.conversation", "messaging.contact",
        "templates_app.template",
        "webhooks_app.webhookendpoint", "webhooks_app.delivery", "webhooks_app.attempt",
        "webhooks_app.replay",
    }
)  # fmt: skip
_SEEN_BY_OPERATORS = frozenset(
    {
        "accounts.apikey", "accounts.member", "accounts.metaapp", "accounts.grant", "accounts.user",
        "messaging.metaevent", "webhooks_app.event",
    }
)  # fmt: skip
_ALL = ("view", "add", "change", "delete")
ROLES: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    OPERATOR: dict.fromkeys(_SEEN_BY_ALL | _SEEN_BY_OPERATORS, _ALL) | {"accounts.auditevent": ("view",)},
    SUPPORT: dict.fromkeys(_SEEN_BY_ALL, ("view",)),
    AUDITOR: dict.fromkeys(_SEEN_BY_ALL | {"accounts.auditevent"}, ("view",)),
}


def has_role(user: User, *roles: str) -> bool:
    """Whether the user has one of the roles; a superuser has every one."""
    return user.is_superuser or user.groups.filter(name__in=roles).exists()


def ensure(**_: Any) -> None:
    """Give the groups exactly their permissions; runs after every `migrate`, when all of them exist."""
    known = {
        (f"{one.content_type.app_label}.{one.content_type.model}", one.codename): one
        for one in Permission.objects.select_related("content_type")
    }
    for role, rights in ROLES.items():
        group, _made = Group.objects.get_or_create(name=role)
        group.permissions.set(
            permission
            for (model, codename), permission in known.items()
            if codename.partition("_")[0] in rights.get(model, ())
        )
