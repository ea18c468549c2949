"""Filters that a person keeps by a name."""

from django.db.models import QuerySet

from accounts.models import User
from messaging.models import SavedView

_VIEWS_MAX = 30
_NAME_CHARACTERS_MAX = 60
_QUERY_CHARACTERS_MAX = 1000


def of(user: User) -> "QuerySet[SavedView]":
    return SavedView.objects.filter(user=user).order_by("name")[:_VIEWS_MAX]


def save(*, user: User, name: str, query: str) -> None:
    """Keep a filter; one of the same name is replaced. Without a name, or one too many, nothing is kept."""
    named = name.strip()[:_NAME_CHARACTERS_MAX]
    if not named or "\x00" in named or len(query) > _QUERY_CHARACTERS_MAX:
        return
    mine = SavedView.objects.filter(user=user)
    if mine.filter(name=named).exists() or mine.count() < _VIEWS_MAX:
        SavedView.objects.update_or_create(user=user, name=named, defaults={"query": query})


def forget(*, user: User, view_id: int) -> None:
    SavedView.objects.filter(user=user, pk=view_id).delete()
