"""Pages of a list."""

from typing import Any

import pytest
from rest_framework.request import Request
from rest_framework.test import APIRequestFactory

from accounts import tenants
from accounts.models import Customer
from gosend.api import errors, pages
from tests.conftest import Party

pytestmark = pytest.mark.django_db


def _page(rows: Any, query: str) -> pages.Page[Any]:
    return pages.take(Request(APIRequestFactory().get(f"/v1/things?{query}")), rows)


@pytest.fixture
def rows(acme: Party) -> Any:
    Customer.objects.bulk_create(Customer(tenant=acme.tenant, name=str(count)) for count in range(6))
    return acme.tenant.customers.all()


@pytest.mark.parametrize("per_page", [1, 2, 3, 7, 100])
def test_following_the_cursor_gives_every_row_once(rows: Any, per_page: int) -> None:
    found: list[int] = []
    query = f"per_page={per_page}"
    while query:
        page = _page(rows, query)
        found += [row.pk for row in page.rows]
        cursor = page.headers.get("X-Next-Cursor")
        query = f"per_page={per_page}&cursor={cursor}" if cursor else ""

    assert found == list(rows.order_by("-pk").values_list("pk", flat=True))


def test_a_new_row_moves_nothing_behind_a_cursor(rows: Any, acme: Party) -> None:
    first = _page(rows, "per_page=3")
    Customer.objects.create(tenant=acme.tenant, name="new")

    second = _page(rows, f"per_page=3&cursor={first.headers['X-Next-Cursor']}")

    assert second.rows[0].pk < first.rows[-1].pk
    assert "X-Page" not in second.headers


def test_pages_count_from_the_front(rows: Any) -> None:
    page = _page(rows, "per_page=2&page=2&status=active")

    assert [row.pk for row in page.rows] == list(rows.order_by("-pk").values_list("pk", flat=True)[2:4])
    assert page.headers["X-Total-Count"] == "7"
    assert '<http://testserver/v1/things?per_page=2&status=active&page=1>; rel="prev"' in page.headers["Link"]


def test_a_page_behind_the_end_is_empty(rows: Any) -> None:
    page = _page(rows, "page=50")

    assert (page.rows, page.headers["X-Total-Count"]) == ([], "7")


def test_a_large_total_is_capped_and_says_so() -> None:
    other = tenants.open_tenant(name="Large")
    Customer.objects.bulk_create(Customer(tenant=other, name="x") for _ in range(10_000))

    page = _page(other.customers.all(), "per_page=1")

    assert (page.headers["X-Total-Count"], page.headers["X-Total-Count-Capped"]) == ("10000", "true")


@pytest.mark.parametrize("query", ["page=100001", "page=100001&per_page=1", "page=100001&cursor=djE6MQ"])
def test_no_list_goes_to_such_a_page_with_or_without_a_cursor(rows: Any, query: str) -> None:
    with pytest.raises(errors.InvalidField) as refused:
        _page(rows, query)

    assert refused.value.details == {"field": "page", "limit": 100_000}
