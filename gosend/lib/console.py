"""The look and manners every admin page shares."""

from functools import cache
from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.contrib.admin import helpers
from django.contrib.admin.utils import quote
from django.core.paginator import Paginator
from django.db.models import Model
from django.http import HttpRequest
from django.urls import reverse
from django.utils.functional import cached_property
from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe
from unfold.admin import ModelAdmin, checkbox
from unfold.views import ChangeList

# A list counts no further than this: the total of a large table is never worth its price.
COUNT_CAP = 10_000
# Stands for a row's key in an address.
_PLACE = "_PLACE_"


@cache
def _box() -> str:
    return str(checkbox.render(helpers.ACTION_CHECKBOX_NAME, _PLACE))


class CappedPaginator(Paginator):  # type: ignore[type-arg]  # not generic at run time
    """Counts at most COUNT_CAP rows, so that a list costs the same however large its table is."""

    @cached_property
    def count(self) -> int:
        query: Any = self.object_list
        return int(query.order_by().values("pk")[:COUNT_CAP].count())


class _List(ChangeList):
    def url_for_result(self, result: Model) -> str:
        """As the base class has it, but the address is looked up once and not for each row."""
        return self._address.replace(_PLACE, str(quote(getattr(result, self.pk_attname))))

    @cached_property
    def _address(self) -> str:
        name = f"admin:{self.opts.app_label}_{self.opts.model_name}_change"
        return reverse(name, args=[_PLACE], current_app=self.model_admin.admin_site.name)


class LimitedList(_List):
    """One page of rows, newest first, whatever the address asks for.

    Django would sort a whole table by any column, and asks for all rows where it counted few.
    """

    def get_ordering(self, request: HttpRequest, queryset: Any) -> list[Any]:
        return list(self.model_admin.get_ordering(request)) or ["-pk"]

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        if not self.result_list.query.is_sliced:
            self.result_list = self.result_list[: self.list_per_page]


class _Admin(ModelAdmin):
    """A list is filtered by what it offers, by its tenant and by its id.

    Django takes any lookup of a row's own fields, so that a masked number, or an answer that is not
    shown, could be asked for character by character.
    """

    # What an empty list says: what to do next.
    when_empty: ClassVar[str] = "There is none yet, or none of a tenant that you were granted."
    # The theme asks for it on each row, and a name that is not there costs Django a look at all others.
    list_sections = ()
    show_full_result_count = False

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest | None = None) -> bool:
        name = lookup.removesuffix("__exact").removesuffix("__isnull").removesuffix("__id")
        offered = {getattr(one, "parameter_name", one) for one in self.list_filter}
        return name in {"id", "tenant", *offered} and "\x00" not in value

    @admin.display(description=mark_safe(checkbox.render("action_toggle_all", 1)))  # noqa: S308 -- the theme's
    def action_checkbox(self, obj: Model) -> SafeString:
        """The theme's box, drawn from its template once and not for each row."""
        return mark_safe(_box().replace(_PLACE, escape(str(obj.pk))))  # noqa: S308 -- the key is escaped

    def get_changelist(  # type: ignore[override]  # unfold means a class, and wrote an instance
        self, request: HttpRequest, **kwargs: Any
    ) -> type[ChangeList]:
        return _List


class RecordAdmin(_Admin):
    """Rows that people edit."""

    list_per_page = 50

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """Leave out what the database fills in, such as created_at."""
        if db_field.has_db_default():
            return None
        field = super().formfield_for_dbfield(db_field, request, **kwargs)
        if isinstance(field, forms.SplitDateTimeField | forms.DateTimeField):
            field.help_text = f"{field.help_text} In UTC.".strip()
        return field


class LogAdmin(_Admin):
    """Rows that the product writes: to be read, never to be changed."""

    list_per_page = list_max_show_all = 50
    paginator = CappedPaginator
    sortable_by = ()

    def get_changelist(  # type: ignore[override]  # the same
        self, request: HttpRequest, **kwargs: Any
    ) -> type[ChangeList]:
        return LimitedList

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False
