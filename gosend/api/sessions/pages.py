"""Pages of this dialect: `{data, nextCursor}`, an opaque cursor, newest first."""

from collections.abc import Callable
from typing import Any, TypeVar

from django.db.models import Model, QuerySet

from gosend.api import cursors, errors
from gosend.api.view import TenantRequest
from gosend.lib import ids

DEFAULT_LIMIT = 50
MAX_LIMIT = 200
Row = TypeVar("Row", bound=Model)


def take(
    request: TenantRequest, rows: "QuerySet[Row]", write: Callable[[list[Row]], list[dict[str, Any]]]
) -> dict[str, Any]:
    """Cut one page; the cursor goes on after its last row, at the same cost however deep."""
    limit = _limit(request)
    cursor = request.query_params.get("cursor")
    if cursor:
        rows = rows.filter(pk__lt=cursors.read("s1", cursor))
    found = list(rows.order_by("-pk")[: limit + 1])
    more = len(found) > limit
    return {
        "data": write(found[:limit]),
        "nextCursor": cursors.write("s1", found[limit - 1].pk) if more else None,
    }


def _limit(request: TenantRequest) -> int:
    text = request.query_params.get("limit")
    if text is None:
        return DEFAULT_LIMIT
    number = ids.parse_id(text)
    if not number or number > MAX_LIMIT:
        raise errors.InvalidField(
            f"limit is a whole number from 1 to {MAX_LIMIT}", details={"field": "limit", "value": text[:100]}
        )
    return number
