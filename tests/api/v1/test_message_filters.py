"""Which messages a list shows, and that a long history makes it no dearer."""

from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django import Settings

from accounts import tenants
from gosend.lib import ids
from messaging.models import Message
from tests import factories
from tests.api.conftest import Call
from tests.conftest import Party

DAY = datetime(2026, 6, 1, tzinfo=UTC)
JUAN, ANA = "5491140123456", "34600111222"


@pytest.fixture(autouse=True)
def _in_no_hurry(settings: Settings) -> None:
    settings.API_RATE_LIMITS = {**settings.API_RATE_LIMITS, "sandbox": 1_000}


def _made(acme: Party, at: datetime, **fields: Any) -> Message:
    """A message that this installation took over at a moment of the past."""
    message: Message = factories.MessageFactory.create(
        **{"phone_number": acme.number, "created_at": at, "pk": ids.first_id(at) + 7} | fields
    )
    return message


def _listed(get: Call, query: str) -> list[str]:
    response = get(f"/v1/messages?{query}")
    rows = orjson.loads(response.content)
    assert response["X-Total-Count"] == str(len(rows)), rows
    return [row["id"] for row in rows]


def test_each_filter_shows_only_what_it_names(get: Call, acme: Party) -> None:
    second = tenants.add_sandbox(tenant=acme.tenant)
    customer = factories.CustomerFactory.create(tenant=acme.tenant)
    to_juan = _made(acme, DAY, peer=JUAN, customer=acme.customer)
    from_juan = _made(
        acme, DAY + timedelta(hours=1), peer=JUAN, direction="inbound", status="received", type="image"
    )
    talk = factories.ConversationFactory.create(phone_number=second)
    to_ana = _made(
        acme, DAY + timedelta(hours=2), phone_number=second, peer=ANA, status="unknown", conversation=talk,
        customer=customer,
    )  # fmt: skip
    for query, found in (
        ("", [to_ana, from_juan, to_juan]),
        (f"phone_number_id={second.phone_number_id}", [to_ana]),
        ("direction=inbound", [from_juan]),
        ("status=sent", [to_juan]),
        ("status=unknown", [to_ana]),
        ("status=received", [from_juan]),
        ("message_type=image", [from_juan]),
        (f"conversation_id={talk.pk}", [to_ana]),
        (f"to={JUAN}", [to_juan]),
        (f"from={JUAN}", [from_juan]),
        (f"from={ANA}", []),
        (f"customer_id={customer.pk}", [to_ana]),
        (f"customer_id={customer.pk}&status=sent", []),
        ("since=2026-06-01T01:00:00Z", [to_ana, from_juan]),
        ("until=2026-06-01T01:00:00Z", [from_juan, to_juan]),
        ("since=2026-06-01T03:00:00%2B02:00&until=2026-06-01T03:00:00+02:00", [from_juan]),
        ("since=2026-06-01&until=2026-06-01", [to_ana, from_juan, to_juan]),
        ("until=2026-05-31", []),
        ("since=0001-01-01&until=9999-12-31T23:59:59-23:00", [to_ana, from_juan, to_juan]),
        ("unknown=1", [to_ana, from_juan, to_juan]),
    ):
        assert _listed(get, query) == [str(message.pk) for message in found], query


@pytest.mark.parametrize("status", ["sent", "delivered", "read", "failed"])
def test_a_documented_status_finds_only_itself(get: Call, acme: Party, status: str) -> None:
    made = {one: _made(acme, DAY + timedelta(hours=n), status=one) for n, one in enumerate(Message.Status)}

    assert _listed(get, f"status={status}") == [str(made[Message.Status(status)].pk)]


def test_a_message_that_was_sent_counts_by_its_created_at(get: Call, acme: Party) -> None:
    late_id = _made(acme, DAY, pk=ids.first_id(DAY + timedelta(milliseconds=40)))
    early_id = _made(acme, DAY, pk=ids.first_id(DAY - timedelta(milliseconds=40)))

    both = [str(late_id.pk), str(early_id.pk)]
    assert _listed(get, "since=2026-06-01T00:00:00Z&until=2026-06-01T00:00:00Z") == both


@pytest.mark.parametrize("origin", ["cloud_api", "business_app"])
def test_a_message_that_meta_brought_late_counts_by_its_arrival(get: Call, acme: Party, origin: str) -> None:
    direction = "inbound" if origin == "cloud_api" else "outbound"
    late = _made(acme, DAY, direction=direction, origin=origin, pk=ids.first_id(DAY + timedelta(days=3)) + 1)

    assert _listed(get, "since=2026-06-03") == [str(late.pk)]
    assert _listed(get, "until=2026-06-02") == []


@pytest.mark.parametrize(
    "query", ["conversation_id=x", "customer_id=-1", "status=lost", "direction=up", "to=", "since="]
)
def test_a_wrong_filter_is_named(get: Call, query: str) -> None:
    response = get(f"/v1/messages?{query}")

    answer = orjson.loads(response.content)
    assert (response.status_code, answer["details"]["field"]) == (400, query.partition("=")[0])


@pytest.fixture
def many(acme: Party) -> Party:
    """A hundred thousand messages, one for every minute, half of them inbound, of a thousand people."""
    with connection.cursor() as cursor:
        cursor.execute(_MANY, [acme.tenant.pk, acme.number.pk, ids.first_id(timezone.now())])
        cursor.execute("ANALYZE messaging_message")
        cursor.execute("ANALYZE accounts_phonenumber")
    return acme


_MANY = """
INSERT INTO messaging_message (id, tenant_id, phone_number_id, direction, type, status, origin, wamid, peer,
                               request_id, attempt_count, created_at)
SELECT made.id, %s, %s, CASE WHEN n %% 2 = 0 THEN 'inbound' ELSE 'outbound' END, 'text',
       CASE WHEN n %% 2 = 0 THEN 'received' ELSE 'delivered' END, 'cloud_api', 'wamid.many' || n,
       '5491' || n %% 1000, '', 1, to_timestamp(1735689600 + (made.id >> 22) / 1000.0)
  FROM generate_series(1, 100000) n
 CROSS JOIN LATERAL (SELECT %s - (n::bigint * 60000 << 22) AS id) made
"""


def _plans(queries: CaptureQueriesContext) -> list[Any]:
    selects = [one["sql"] for one in queries.captured_queries if '"messaging_message"' in one["sql"]]
    plans = []
    with connection.cursor() as cursor:
        for select in selects:
            cursor.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {select}")
            plans.append(cursor.fetchone()[0][0]["Plan"])
    return plans


def _nodes(plan: Any) -> list[Any]:
    return [plan] + [inner for part in plan.get("Plans", []) for inner in _nodes(part)]


def _of_messages(plan: Any) -> list[Any]:
    return [node for node in _nodes(plan) if node.get("Relation Name") == "messaging_message"]


def test_lists_walk_an_index_whatever_the_filter(get: Call, many: Party) -> None:
    then = (timezone.now() - timedelta(days=40)).isoformat().replace("+00:00", "Z")
    number = many.number.phone_number_id
    for query, index, most in (
        ("", "message_of_tenant|message_of_number|messaging_message_pkey", 30),
        ("page=3", "message_of_tenant|message_of_number|messaging_message_pkey", 90),
        (f"phone_number_id={number}", "message_of_number|message_of_tenant|messaging_message_pkey", 30),
        ("to=5491501", "message_of_peer", 110),
        (
            "direction=inbound&status=received",
            "message_of_tenant|message_of_number|messaging_message_pkey",
            60,
        ),
        (f"until={then}", "message_of_tenant|message_of_number|messaging_message_pkey", 60),
        (f"since={then}&until={then}", "message_of_tenant|message_of_number|messaging_message_pkey", 10),
    ):
        with CaptureQueriesContext(connection) as queries:
            assert get(f"/v1/messages?{query}").status_code == 200
        (_count, page) = _plans(queries)

        assert all(node["Node Type"] != "Seq Scan" for node in _of_messages(page)), query
        walked = [node for node in _of_messages(page) if node.get("Index Name", "") in index.split("|")]
        assert walked, (query, page)
        seen = sum(
            node["Actual Rows"] * node["Actual Loops"] + node.get("Rows Removed by Filter", 0)
            for node in walked
        )
        assert seen <= most, (query, seen)


def test_totals_stop_counting(get: Call, many: Party) -> None:
    response = get("/v1/messages?page=9999&per_page=10")

    assert (response["X-Total-Count"], response["X-Total-Count-Capped"]) == ("10000", "true")
    assert len(orjson.loads(response.content)) == 10
