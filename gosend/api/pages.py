"""Cursor and page-number pagination."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar
from urllib.parse import urlencode

from django.db.models import Model, Q, QuerySet
from rest_framework.request import Request

from gosend.api import cursors, errors

DEFAULT_PER_PAGE = 20
MAX_PER_PAGE = 100
# Counting rows stops here: it would cost more than the page. Totals that are kept go on.
MAX_COUNTED = 10_000
# A total, and whether that is all; None when there is no such total.
Total = tuple[int, bool]
# OFFSET walks over every row before the page; deeper than this only a cursor goes.
MAX_PAGE = 100_000
_MAX_DIGITS = 100
_NOBODY = -1

Row = TypeVar("Row", bound=Model)


@dataclass(frozen=True, slots=True)
class Page(Generic[Row]):
    rows: list[Row]
    headers: dict[str, str]


def take(
    request: Request,
    queryset: QuerySet[Row],
    *,
    count: Callable[[], Total | None] = lambda: None,
    order: Sequence[str] = ("-pk",),
) -> Page[Row]:
    """Cut one page, newest first, and write the headers around it.

    `page` counts from the front; `cursor` goes on after a row, at the same cost however deep. The link
    to the next page carries a cursor, so that following links neither skips nor repeats a row when
    new ones arrive. The queryset's ids must grow with time. `count` knows the total of a list that is
    too long to be counted; without it, counting stops at MAX_COUNTED and the headers say so. `order` may
    begin with a column that is `only` one, to walk its index.
    """
    per_page = min(number(request, "per_page", DEFAULT_PER_PAGE), MAX_PER_PAGE)
    page = number(request, "page", 1)
    require_reachable(page)
    cursor = request.query_params.get("cursor")
    total, is_whole = count() or _counted(queryset)
    wanted = queryset.order_by(*order)
    start = 0
    if cursor is not None:
        wanted = wanted.filter(pk__lt=cursors.read("v1", cursor))
    else:
        start = (page - 1) * per_page
    end = start + per_page + 1
    if is_whole and cursor is None:
        # Who knows that there is no more need not walk through the rest to see it.
        end = max(min(end, total), start)
    if start:
        # Only the index is walked up to the page; rows are fetched for the page itself.
        deep = wanted.values("pk")[start:end]
        wanted = queryset.order_by(*order).filter(pk__in=deep)
        rows = list(wanted)
    else:
        rows = list(wanted[:end])
    headers = {"X-Total-Count": str(total), "X-Per-Page": str(per_page)}
    if not is_whole:
        headers["X-Total-Count-Capped"] = "true"
    if cursor is None:
        headers["X-Page"] = str(page)
    headers |= _links(request, rows, per_page=per_page, page=None if cursor is not None else page)
    return Page(rows[:per_page], headers)


def only(column: str, values: Collection[int]) -> Q:
    """Rows with these values in a column, in a list that is ordered by the column first.

    Left to itself the planner may walk the primary key backward, through millions of newer rows of others,
    since it takes everybody's to be mixed evenly. That key has no order by another column, unless the column
    is known to be the same in all rows: so it is compared with one value more, which is nobody's.
    """
    return Q(**{f"{column}__in": [*values, _NOBODY]})


def require_reachable(page: int) -> None:
    """Refuse a page that no list goes to, also where a cursor makes it meaningless."""
    if page > MAX_PAGE:
        raise errors.InvalidField(
            f"page goes to {MAX_PAGE}; narrow the list, or follow its cursor instead",
            details={"field": "page", "limit": MAX_PAGE},
        )


def _counted(queryset: QuerySet[Row]) -> Total:
    found = queryset.order_by()[: MAX_COUNTED + 1].values("pk").count()
    return min(found, MAX_COUNTED), found <= MAX_COUNTED


def _links(request: Request, rows: list[Row], *, per_page: int, page: int | None) -> dict[str, str]:
    headers: dict[str, str] = {}
    links: list[str] = []
    if len(rows) > per_page:
        following = cursors.write("v1", rows[per_page - 1].pk)
        headers["X-Next-Cursor"] = following
        links.append(_link(request, "next", {"cursor": following}))
    if page is not None and page > 1:
        links.append(_link(request, "prev", {"page": page - 1}))
    if page != 1:
        links.append(_link(request, "first", {"page": 1}))
    if links:
        headers["Link"] = ", ".join(links)
    return headers


def _link(request: Request, relation: str, change: Mapping[str, Any]) -> str:
    kept = [
        (name, value)
        for name, values in request.query_params.lists()
        if name not in {"page", "cursor"}
        for value in values
    ]
    address = request.build_absolute_uri(request.path)
    return f'<{address}?{urlencode([*kept, *change.items()])}>; rel="{relation}"'


def number(request: Request, name: str, default: int) -> int:
    """Read a whole number from 1 out of the query, or refuse it by name."""
    text = request.query_params.get(name)
    if text is None:
        return default
    found = int(text) if text.isascii() and text.isdigit() and len(text) <= _MAX_DIGITS else 0
    if not found:
        raise errors.InvalidField(
            f"{name} is a whole number from 1", details={"field": name, "value": text[:100]}
        )
    return found
