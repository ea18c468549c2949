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
from messaging import tallies
from messaging.models import Message
from tests import factories, plans
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


def _fill(party: Party, count: int, *, until: datetime | None = None) -> None:
    """So many messages, one for every minute, of a thousand people: delivered texts, ten of each rarity."""
    customer = factories.CustomerFactory.create(tenant=party.tenant, name="Rare")
    with connection.cursor() as cursor:
        first = ids.first_id(until or timezone.now())
        # Past the triggers, which would count them one by one.
        cursor.execute("SET LOCAL session_replication_role = replica")
        cursor.execute(_MANY, [party.tenant.pk, party.number.pk, customer.pk, count, count // 10, first])
        cursor.execute(_WAITING)
        cursor.execute("SET LOCAL session_replication_role = DEFAULT")
        cursor.execute("ANALYZE messaging_message, messaging_dispatch, accounts_phonenumber")
    tallies.count_anew(tenant_id=party.tenant.pk)


@pytest.fixture
def compact(acme: Party) -> Party:
    """Nothing that other tests rolled back makes an index dear."""
    for table in ("messaging_message", "messaging_dispatch"):
        plans.write_anew(table)
    return acme


@pytest.fixture
def many(compact: Party) -> Party:
    _fill(compact, 20_000)
    return compact


_MANY = """
INSERT INTO messaging_message (id, tenant_id, phone_number_id, customer_id, direction, type, status, origin,
                               wamid, peer, request_id, attempt_count, created_at, failed_at, error)
SELECT made.id, %s, %s, CASE kind WHEN 6 THEN %s END, CASE kind WHEN 4 THEN 'inbound' ELSE 'outbound' END,
       CASE kind WHEN 5 THEN 'contacts' ELSE 'text' END,
       CASE kind WHEN 1 THEN 'failed' WHEN 2 THEN 'unknown' WHEN 3 THEN 'unconfirmed' WHEN 4 THEN 'received'
                 WHEN 7 THEN 'queued' ELSE 'delivered' END,
       'cloud_api', 'wamid.many' || made.id, '5491' || n %% 1000, '', 1, moment,
       CASE kind WHEN 1 THEN moment END, CASE WHEN kind IN (2, 3) THEN '{}'::jsonb END
  FROM generate_series(1, %s) n
 CROSS JOIN LATERAL (SELECT n %% %s AS kind, %s - (n::bigint * 60000 << 22) AS id) made
 CROSS JOIN LATERAL (SELECT to_timestamp(1735689600 + (made.id >> 22) / 1000.0) AS moment) at
"""
_WAITING = """
INSERT INTO messaging_dispatch (message_id, phone_number_id, peer, state, epoch, claim_count)
SELECT id, phone_number_id, peer, 'queued', 0, 0 FROM messaging_message WHERE status = 'queued'
    ON CONFLICT DO NOTHING
"""


def _plans(queries: CaptureQueriesContext) -> list[Any]:
    selects = [one["sql"] for one in queries.captured_queries if '"messaging_message"' in one["sql"]]
    found = []
    with connection.cursor() as cursor:
        for select in selects:
            cursor.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {select}")
            found.append(cursor.fetchone()[0][0]["Plan"])
    return found


def _nodes(plan: Any) -> list[Any]:
    return [plan] + [inner for part in plan.get("Plans", []) for inner in _nodes(part)]


def _of_messages(plan: Any) -> list[Any]:
    return [node for node in _nodes(plan) if node.get("Relation Name") == "messaging_message"]


def _queries(party: Party) -> list[tuple[str, int]]:
    """Each documented filter, and how many rows of the index its first page may walk over."""
    then = (timezone.now() - timedelta(minutes=20)).isoformat().replace("+00:00", "Z")
    customer = party.tenant.customers.get(name="Rare")
    return [
        ("", 21),
        ("page=3", 84),
        (f"phone_number_id={party.number.phone_number_id}", 21),
        (f"phone_number_id={party.number.phone_number_id}&status=delivered", 30),
        ("phone_number_id=0", 0),
        ("direction=outbound", 30),
        ("direction=inbound", 10),
        ("status=delivered", 30),
        *((f"status={status}", 30) for status in ("failed", "unknown", "unconfirmed")),
        ("status=queued", 20),
        ("status=sending", 20),
        ("message_type=contacts", 10),
        ("message_type=text&status=failed", 30),
        ("message_type=order", 0),
        (f"customer_id={customer.pk}", 10),
        ("to=5491501", 21),
        ("from=5491004", 101),
        ("conversation_id=1", 0),
        (f"until={then}", 30),
        (f"since={then}&until={then}", 10),
        (f"since={then}", 30),
    ]


def _walked(get: Call, query: str, *, is_short: bool = False) -> tuple[int, Any]:
    """How many rows of messages the page itself looks at, and its plan."""
    with CaptureQueriesContext(connection) as queries:
        assert get(f"/v1/messages?{query}").status_code == 200
    found = _plans(queries)
    if not found:
        return 0, None
    nodes = _of_messages(found[-1])
    # A table of a hundred rows is rightly read as a whole.
    assert is_short or all(node["Node Type"] != "Seq Scan" for node in nodes), (query, found[-1])
    # Fetching what was found by its key is no walk.
    seen = [
        (node["Actual Rows"] + node.get("Rows Removed by Filter", 0)) * node["Actual Loops"] for node in nodes
    ]
    return sum(seen), found[-1]


def test_lists_walk_an_index_whatever_the_filter(get: Call, many: Party) -> None:
    for query, most in _queries(many):
        seen, plan = _walked(get, query)

        assert seen <= most, (query, seen, plan)


def test_lists_do_not_walk_through_what_others_sent_since(get: Call, many: Party, globex: Party) -> None:
    # So few that the planner hopes to pass over none of them.
    _fill(globex, 1_000, until=timezone.now() + timedelta(minutes=1_000))

    for query, most in _queries(many):
        seen, plan = _walked(get, query)

        assert seen <= most, (query, seen, plan)


def test_totals_are_whole_however_many(get: Call, many: Party) -> None:
    for query, total in (
        ("", 20_000),
        (f"phone_number_id={many.number.phone_number_id}&status=delivered", 19_950),
        *((f"status={status}", 10) for status in ("failed", "unknown", "unconfirmed", "queued")),
        ("status=sending", 0),
        ("direction=inbound", 10),
        ("message_type=contacts", 10),
        (f"customer_id={many.tenant.customers.get(name='Rare').pk}", 10),
        ("since=2026-01-01", Message.objects.filter(created_at__gte="2026-01-01T00:00:00Z").count()),
    ):
        response = get(f"/v1/messages?{query}")

        assert (response["X-Total-Count"], response.get("X-Total-Count-Capped")) == (str(total), None), query


def test_what_is_counted_row_by_row_stops_being_counted(get: Call, many: Party) -> None:
    response = get("/v1/messages?since=2020-01-01T01:00:00Z&page=1999&per_page=10")

    assert (response["X-Total-Count"], response["X-Total-Count-Capped"]) == ("10000", "true")
    assert len(orjson.loads(response.content)) == 10


def test_a_list_asks_no_more_of_a_long_history(get: Call, compact: Party) -> None:
    acme = compact
    _fill(acme, 100)
    customers = acme.tenant.customers.filter(name="Rare")
    short = {query: _walked(get, query, is_short=True)[0] for query, _ in _queries(acme)}
    Message.objects.all().delete()
    customers.delete()
    _fill(acme, 100_000)

    long = {query: _walked(get, query)[0] for query, _ in _queries(acme)}

    for (query, few), many_rows in zip(short.items(), long.values(), strict=True):
        assert many_rows <= max(2 * few, 120), query
