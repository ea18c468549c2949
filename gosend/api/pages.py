"""Cursor and page-number pagination."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar
from urllib.parse import urlencode

from django.db.models import Model, QuerySet
from rest_framework.request import Request

from gosend.api import cursors, errors

DEFAULT_PER_PAGE = 20
MAX_PER_PAGE = 100
# Counting stops here: an exact total of a large tenant would cost more than the page.
MAX_COUNTED = 10_000
# OFFSET walks over every row before the page; deeper than this only a cursor goes.
MAX_PAGE = 100_000
_MAX_DIGITS = 100

Row = TypeVar("Row", bound=Model)


@dataclass(frozen=True, slots=True)
class Page(Generic[Row]):
    rows: list[Row]
    headers: dict[str, str]


def take(request: Request, queryset: QuerySet[Row]) -> Page[Row]:
    """Cut one page, newest first, and write the headers around it.

    `page` counts from the front; `cursor` goes on after a row, at the same cost however deep. The link
    to the next page carries a cursor, so that following links neither skips nor repeats a row when
    new ones arrive. The queryset's ids must grow with time.
    """
    per_page = min(_number(request, "per_page", DEFAULT_PER_PAGE), MAX_PER_PAGE)
    page = _number(request, "page", 1)
    require_reachable(page)
    cursor = request.query_params.get("cursor")
    counted = queryset.order_by()[: MAX_COUNTED + 1].values("pk")
    total = counted.count()
    wanted = queryset.order_by("-pk")
    start = 0
    if cursor is not None:
        wanted = wanted.filter(pk__lt=cursors.read("v1", cursor))
    else:
        start = (page - 1) * per_page
    if start:
        # Only the index is walked up to the page; rows are fetched for the page itself.
        deep = wanted.values("pk")[start : start + per_page + 1]
        wanted = queryset.order_by("-pk").filter(pk__in=deep)
        rows = list(wanted)
    else:
        rows = list(wanted[: per_page + 1])
    headers = {"X-Total-Count": str(min(total, MAX_COUNTED)), "X-Per-Page": str(per_page)}
    if total > MAX_COUNTED:
        headers["X-Total-Count-Capped"] = "true"
    if cursor is None:
        headers["X-Page"] = str(page)
    headers |= _links(request, rows, per_page=per_page, page=None if cursor is not None else page)
    return Page(rows[:per_page], headers)


def require_reachable(page: int) -> None:
    """Refuse a page that no list goes to, also where a cursor makes it meaningless."""
    if page > MAX_PAGE:
        raise errors.InvalidField(
            f"page goes to {MAX_PAGE}; narrow the list, or follow its cursor instead",
            details={"field": "page", "limit": MAX_PAGE},
        )


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


def _number(request: Request, name: str, default: int) -> int:
    text = request.query_params.get(name)
    if text is None:
        return default
    number = int(text) if text.isascii() and text.isdigit() and len(text) <= _MAX_DIGITS else 0
    if not number:
        raise errors.InvalidField(
            f"{name} is a whole number from 1", details={"field": name, "value": text[:100]}
        )
    return number
