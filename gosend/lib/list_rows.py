"""The rows of a list in the console: the theme's look, with what does not depend on a row worked out once.

The theme draws the headers anew for each row, a checkbox from its template among them, and joins the same
classes for each cell: that was half of what a list cost.
"""

import datetime
from collections.abc import Iterator
from typing import Any

from django import template
from django.contrib.admin.templatetags.admin_urls import add_preserved_filters
from django.contrib.admin.utils import lookup_field
from django.core.exceptions import ObjectDoesNotExist
from django.db import models
from django.template.context import Context
from django.utils.html import conditional_escape, format_html
from django.utils.safestring import SafeString, mark_safe
from unfold.templatetags import unfold_list as theme
from unfold.utils import display_for_field, display_for_value

register = template.Library()


@register.inclusion_tag("admin/change_list_results.html", takes_context=True)
def list_rows(context: Context, cl: Any) -> dict[str, Any]:
    """The headers and the rows of one page."""
    headers = list(theme.result_headers(cl))  # type: ignore[no-untyped-call]  # the theme has no types
    return {
        "cl": cl,
        "result_headers": headers,
        "num_sorted_fields": sum(bool(one["sortable"] and one["sorted"]) for one in headers),
        "results": list(_rows(cl, headers)),
        "has_add_permission": cl.model_admin.has_add_permission(context["request"]),
    }


def _rows(cl: Any, headers: list[dict[str, Any]]) -> Iterator[SafeString]:
    columns = [_Column(cl, place, name, headers[place]) for place, name in enumerate(cl.list_display)]
    # The first that is no checkbox leads to the row's page, unless the page says which.
    named = cl.list_display_links
    links = (
        set() if named is None else set(named or [n for n in cl.list_display if n != "action_checkbox"][:1])
    )
    for row in cl.result_list:
        cells = [column.draw(row, is_link=column.name in links) for column in columns]
        yield mark_safe("".join(cells))  # noqa: S308 -- each cell is escaped


class _Column:
    """One column: its tags, and what a row has in it."""

    def __init__(self, cl: Any, place: int, name: str, header: dict[str, Any]) -> None:
        self.cl, self.name, self.admin = cl, name, cl.model_admin
        is_box = name == "action_checkbox"
        classes = theme.CHECKBOX_CLASSES if is_box else theme.ROW_CLASSES
        own = [] if is_box else [f"field-{name}"]
        self.inside = format_html(
            ' class="{}{}" data-label="{}">',
            " ".join([*own, *classes]),
            _MARK,
            "Select record" if is_box else header["text"],
        )
        self.empty = cl.model_admin.get_empty_value_display()
        self.is_first = place == (1 if cl.list_display[0] == "action_checkbox" else 0)

    def draw(self, row: models.Model, *, is_link: bool) -> str:
        shown, is_nowrap = self._shown(row)
        inside = self.inside.replace(_MARK, " nowrap" if is_nowrap else "")
        if not is_link:
            return f"<td{inside}{conditional_escape(shown)}</td>"
        tag = "th" if self.is_first else "td"
        return f"<{tag}{inside}{self._link(row, shown)}</{tag}>"

    def _shown(self, row: models.Model) -> tuple[Any, bool]:
        try:
            field, attr, value = lookup_field(self.name, row, self.admin)
        except ObjectDoesNotExist:
            return self.empty, False
        if field is None or field.auto_created:
            empty = getattr(attr, "empty_value_display", self.empty)
            is_moment = isinstance(value, datetime.date | datetime.time)
            return display_for_value(value, empty, getattr(attr, "boolean", False)), is_moment
        if isinstance(field, models.ForeignKey):
            related = getattr(row, field.name)
            return self.empty if related is None else related, True
        is_moment = isinstance(field, models.DateField | models.TimeField)
        return display_for_field(value, field, self.empty), is_moment

    def _link(self, row: models.Model, shown: Any) -> SafeString:
        url = self.cl.url_for_result(row)
        if self.cl.preserved_filters:
            kept = {"preserved_filters": self.cl.preserved_filters, "opts": self.cl.opts}
            url = add_preserved_filters(kept, url)
        opener = row.serializable_value(str(self.cl.to_field or self.cl.pk_attname))
        popup = format_html(' data-popup-opener="{}"', opener) if self.cl.is_popup else ""
        return format_html(
            '<a href="{}" class="{}"{}>{}</a>', url, " ".join(theme.LINK_CLASSES), popup, shown
        )


# Stands where a cell's last class goes.
_MARK = "_NOWRAP_"
