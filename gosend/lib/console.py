"""The look and manners every admin page shares."""

from typing import Any, ClassVar

from django.core.paginator import Paginator
from django.db.models import Model
from django.http import HttpRequest
from django.utils.functional import cached_property
from unfold.admin import ModelAdmin
from unfold.views import ChangeList

# A list counts no further than this: the total of a large table is never worth its price.
COUNT_CAP = 10_000


class CappedPaginator(Paginator):  # type: ignore[type-arg]  # not generic at run time
    """Counts at most COUNT_CAP rows, so that a list costs the same however large its table is."""

    @cached_property
    def count(self) -> int:
        query: Any = self.object_list
        return int(query.order_by().values("pk")[:COUNT_CAP].count())


class LimitedList(ChangeList):
    """Asks for one page of rows even where all are few: Django counts first, then asks for them all."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        if not self.result_list.query.is_sliced:
            self.result_list = self.result_list[: self.list_per_page]


class _Narrowed(ModelAdmin):
    """A list is filtered by what it offers, by its tenant and by its id.

    Django takes any lookup of a row's own fields, so that a masked number, or an answer that is not
    shown, could be asked for character by character.
    """

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest | None = None) -> bool:
        name = lookup.removesuffix("__exact").removesuffix("__isnull").removesuffix("__id")
        return name in {"id", "tenant", *self.list_filter} and "\x00" not in value


class RecordAdmin(_Narrowed):
    """Rows that people edit."""

    # What an empty list says: what to do next.
    when_empty: ClassVar[str] = "There is none yet, or none of a tenant that you were granted."
    list_per_page = 50
    show_full_result_count = False

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """Leave out what the database fills in, such as created_at."""
        if db_field.has_db_default():
            return None
        return super().formfield_for_dbfield(db_field, request, **kwargs)


class LogAdmin(_Narrowed):
    """Rows that the product writes: to be read, never to be changed."""

    when_empty: ClassVar[str] = "There is none yet, or none of a tenant that you were granted."
    list_per_page = list_max_show_all = 50
    show_full_result_count = False
    paginator = CappedPaginator

    def get_changelist(  # type: ignore[override]  # unfold means a class, and wrote an instance
        self, request: HttpRequest, **kwargs: Any
    ) -> type[LimitedList]:
        return LimitedList

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False
