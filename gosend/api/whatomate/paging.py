"""Pages of this dialect: `page` and `limit`, with the total beside them."""

from dataclasses import dataclass
from typing import Any, TypeVar

from django.db.models import Model, QuerySet
from drf_spectacular.utils import OpenApiParameter

from gosend.api import errors, pages
from gosend.api.view import TenantRequest
from gosend.lib import ids

DEFAULT_LIMIT = 50
MAX_LIMIT = 100

Row = TypeVar("Row", bound=Model)

PARAMETERS = [
    OpenApiParameter(
        "page",
        {"type": "integer", "minimum": 1, "maximum": pages.MAX_PAGE},
        OpenApiParameter.QUERY,
        description="From 1.",
    ),
    OpenApiParameter(
        "limit",
        {"type": "integer", "minimum": 1},
        OpenApiParameter.QUERY,
        description=f"{DEFAULT_LIMIT} by default; more than {MAX_LIMIT} counts as {MAX_LIMIT}.",
    ),
]


@dataclass(frozen=True, slots=True)
class Place:
    """Which page was asked for."""

    page: int
    limit: int

    @property
    def start(self) -> int:
        return (self.page - 1) * self.limit


def asked(request: TenantRequest) -> Place:
    """Read `page` and `limit`, or refuse them by name."""
    place = Place(_number(request, "page", 1), min(_number(request, "limit", DEFAULT_LIMIT), MAX_LIMIT))
    pages.require_reachable(place.page)
    return place


def totals(rows: QuerySet[Any], place: Place) -> dict[str, Any]:
    """Count, up to a bound that is told."""
    total = rows.order_by()[: pages.MAX_COUNTED + 1].values("pk").count()
    written: dict[str, Any] = {"total": min(total, pages.MAX_COUNTED)}
    if total > pages.MAX_COUNTED:
        written["total_is_capped"] = True
    return written | {"page": place.page, "limit": place.limit}


def cut(rows: QuerySet[Row], place: Place) -> list[Row]:
    return list(rows[place.start : place.start + place.limit])


def _number(request: TenantRequest, name: str, default: int) -> int:
    text = request.query_params.get(name)
    if not text:
        return default
    number = ids.parse_id(text)
    if not number:
        raise errors.InvalidField(
            f"{name} is a whole number from 1", details={"field": name, "value": text[:100]}
        )
    return number
