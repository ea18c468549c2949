"""What every page of the console keeps to: each sees their tenants' rows, and every change is on record."""

from typing import TYPE_CHECKING, Any, ClassVar, cast

from django.conf import settings
from django.db.models import ForeignKey, Model, QuerySet
from django.http import HttpRequest

from accounts import access, audit
from accounts.models import Tenant, User
from gosend.lib.addresses import caller_of
from gosend.lib.console import LogAdmin, RecordAdmin

if TYPE_CHECKING:
    _Page = RecordAdmin
else:
    _Page = object


def user_of(request: HttpRequest) -> User:
    return cast(User, request.user)


def note(
    request: HttpRequest, action: str, /, *, subject: Model | None = None, reason: str = "", **details: Any
) -> None:
    """Write down what the signed-in person did."""
    audit.record(
        action,
        actor=user_of(request),
        subject=subject,
        reason=reason,
        details=details,
        address=caller_of(request.META, proxies=settings.TRUSTED_PROXIES) or None,
    )


class Scoped(_Page):
    """Rows of the tenants that the signed-in person may see; others do not exist for them."""

    # The way from a row to its tenant's id; empty for rows that belong to no tenant.
    tenant_path: ClassVar[str] = "tenant_id"
    narrow = staticmethod(access.narrow)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        rows = super().get_queryset(request)
        return self.narrow(rows, user=user_of(request), path=self.tenant_path) if self.tenant_path else rows

    def formfield_for_foreignkey(
        self, db_field: "ForeignKey[Any, Any]", request: HttpRequest, **kwargs: Any
    ) -> Any:
        """Offer, and accept, only what belongs to a tenant that the person may see."""
        related = db_field.related_model
        path = path_of(related)
        if path is not None and "queryset" not in kwargs:
            rows: QuerySet[Any] = related._default_manager.all()
            kwargs["queryset"] = access.narrow(rows, user=user_of(request), path=path)
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    def log_addition(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        note(request, f"{obj._meta.model_name}.added", subject=obj)
        return super().log_addition(request, obj, message)

    def log_change(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        fields = [name for part in message if isinstance(part, dict) for name in _fields(part)]
        note(request, f"{obj._meta.model_name}.changed", subject=obj, fields=fields)
        return super().log_change(request, obj, message)

    def log_deletions(self, request: HttpRequest, queryset: Any) -> Any:
        for obj in queryset:
            note(request, f"{obj._meta.model_name}.deleted", subject=obj)
        return super().log_deletions(request, queryset)


class TenantRecordAdmin(Scoped, RecordAdmin):  # type: ignore[misc]  # unfold narrows what Django wrote
    """Rows of tenants that operators edit."""


class TenantLogAdmin(Scoped, LogAdmin):  # type: ignore[misc]  # the same
    """Rows of tenants that the product writes: to be read, never to be changed."""

    narrow = staticmethod(access.narrow_large)


def path_of(model: type[Model]) -> str | None:
    if model is Tenant:
        return "pk"
    return "tenant_id" if any(field.name == "tenant" for field in model._meta.fields) else None


def _fields(part: dict[str, Any]) -> list[str]:
    change = part.get("changed") or part.get("added") or part.get("deleted") or {}
    return [str(name) for name in change.get("fields", [])]
