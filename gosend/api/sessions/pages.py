"""Pages of this dialect: `{data, nextCursor}`, an opaque cursor, newest first."""

import base64
import binascii
from collections.abc import Callable
from typing import Any, TypeVar

from django.db.models import Model, QuerySet

from gosend.api import errors
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
        rows = rows.filter(pk__lt=_read(cursor))
    found = list(rows.order_by("-pk")[: limit + 1])
    more = len(found) > limit
    return {
        "data": write(found[:limit]),
        "nextCursor": _write(found[limit - 1].pk) if more else None,
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


def _write(pk: int) -> str:
    return base64.urlsafe_b64encode(b"s1:%d" % pk).rstrip(b"=").decode()


def _read(cursor: str) -> int:
    try:
        text = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True).decode(
            "ascii"
        )
    except (binascii.Error, ValueError):
        text = ""
    version, _, number = text.partition(":")
    pk = ids.parse_id(number)
    if version != "s1" or pk is None:
        raise errors.InvalidField("cursor is not one that this API gave", details={"field": "cursor"})
    return pk
