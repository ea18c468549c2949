"""What few messages have come to is found by its index, however many others there are."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.models import User
from messaging.console import filters, pages
from messaging.models import Message
from tests import factories, plans
from tests.conftest import Party
from tests.messaging.console.test_messages import FAILED, form, some


@pytest.mark.parametrize("sees_all", [True, False])
@pytest.mark.parametrize(
    ("query", "index"),
    # Two tenants side by side, but where a number is asked for or one tenant is named, as who sees all does.
    [
        ("status=failed", "message_failed"),
        ("status=failed&number={number}", "message_failed"),
        ("status=failed&type=text", "message_failed"),
        ("status=unconfirmed", "message_in_doubt"),
        ("error=131026", "message_failed"),
        ("direction=inbound", "message_inbound"),
        ("status=received", "message_inbound"),
        ("type=image", "message_of_type"),
    ],
)
def test_what_is_rare_is_found_by_its_index_without_a_search(
    query: str, index: str, sees_all: bool, acme: Party, globex: Party, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages, "SCAN_ROWS", 4)
    rare = [
        *some(acme, 1, **FAILED),
        *some(acme, 1, status="unconfirmed", error={"code": 131026}, type="image"),
        *some(acme, 1, status="received", direction="inbound"),
    ]
    some(acme, 30, status="sent")
    theirs = some(globex, 1, **FAILED)
    user = User.objects.create(username="one", is_staff=True, sees_all_tenants=sees_all)
    for party in (acme, globex):
        factories.GrantFactory.create(user=user, tenant=party.tenant)
    rare += [] if sees_all or "number" in query else theirs
    asked = query.format(number=acme.number.pk)
    asked = f"{asked}&tenant={acme.tenant.pk}" if sees_all and "number" not in asked else asked

    with CaptureQueriesContext(connection) as queries:
        page = pages.read(form(asked, user=user))

    assert page
    wanted = dict(asked_for.split("=") for asked_for in query.split("&"))
    fits = [one for one in rare if _fits(one, wanted)]
    assert [row.pk for row in page.rows] == sorted((one.pk for one in fits), reverse=True)
    assert (page.searched_to, page.older, page.count) == (None, None, len(fits))
    plan = _plans(queries)
    assert f"using {index} on messaging_message" in plan, plan
    assert "Seq Scan on messaging_message" not in plan, plan


def _plans(queries: CaptureQueriesContext) -> str:
    """How the ids of messages were looked for: by an index wherever there is one to go by."""
    looked = [
        one["sql"] for one in queries.captured_queries
        if '"messaging_message"' in one["sql"] and "ORDER BY" in one["sql"]
    ]  # fmt: skip
    lines: list[str] = []
    plans.write_anew("messaging_message")
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off; SET LOCAL enable_sort = off")
        for sql in looked:
            cursor.execute(f"EXPLAIN {sql}")
            lines += [row[0] for row in cursor.fetchall()]
    return "\n".join(lines)


def _fits(message: Message, wanted: dict[str, str]) -> bool:
    values = {"status": message.status, "type": message.type, "direction": message.direction}
    values["error"] = str((message.error or {}).get("code"))
    return all(values[name] == value for name, value in wanted.items() if name in values)


def test_a_rare_status_of_more_tenants_than_are_read_side_by_side_is_searched_for(
    acme: Party, globex: Party, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(filters, "LANES_MAX", 1)
    made = [row.pk for party in (acme, globex) for row in some(party, 1, **FAILED)]

    page = pages.read(form("status=failed"))

    assert page
    assert [row.pk for row in page.rows] == sorted(made, reverse=True)
