"""Which tenants' rows a member of staff may see."""

from typing import TypeVar

from django.db.models import Model, QuerySet

from accounts.models import Grant, Tenant, User

Row = TypeVar("Row", bound=Model)
# Tenants that a query names one by one.
_NAMED_MAX = 100


def sees_all(user: User) -> bool:
    return user.is_superuser or user.sees_all_tenants


def tenant_ids(user: User) -> "QuerySet[Grant, int]":
    """The tenants granted to a member of staff who does not see all."""
    return Grant.objects.filter(user=user).values_list("tenant_id", flat=True)


def narrow(queryset: QuerySet[Row], *, user: User, path: str) -> QuerySet[Row]:
    """Only the rows of tenants that the user may see; `path` leads from a row to its tenant's id."""
    if sees_all(user):
        return queryset
    return queryset.filter(**{f"{path}__in": tenant_ids(user)})


def narrow_large(queryset: QuerySet[Row], *, user: User, path: str) -> QuerySet[Row]:
    """As `narrow`, for a table of millions: the planner is told which tenants, and so how much they have.

    Behind a subquery it could not tell a tenant of ten rows from one of ten million, and would look for
    the ten along the newest rows of all.
    """
    if sees_all(user):
        return queryset
    granted = list(tenant_ids(user).order_by("tenant_id")[: _NAMED_MAX + 1])
    if len(granted) > _NAMED_MAX:
        return narrow(queryset, user=user, path=path)
    return queryset.filter(**{f"{path}__in": granted})


def may_see(user: User, *, tenant_id: int | None) -> bool:
    """Whether rows of one tenant are the user's to see; what belongs to no tenant only who sees all."""
    if sees_all(user):
        return True
    return tenant_id is not None and tenant_ids(user).filter(tenant_id=tenant_id).exists()


def outranks(other: User, *, user: User) -> bool:
    """Whether another sees what the user does not: who changes such an account could sign in as it."""
    if user.is_superuser:
        return False
    if other.is_superuser or (sees_all(other) and not sees_all(user)):
        return True
    return not sees_all(user) and other.grants.exclude(tenant__in=tenant_ids(user)).exists()


def people_of(user: User) -> QuerySet[User]:
    """Whom the user may know of: who does not see all, only those who see no more."""
    if sees_all(user):
        return User.objects.all()
    wider = Grant.objects.exclude(tenant__in=tenant_ids(user)).values("user")
    return User.objects.filter(is_superuser=False, sees_all_tenants=False).exclude(pk__in=wider)


def tenants_of(user: User) -> QuerySet[Tenant]:
    return narrow(Tenant.objects.all(), user=user, path="pk")
