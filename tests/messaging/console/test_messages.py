"""The log: filtered, by the cursor, in bounded queries, masked, kept and exported."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.http import QueryDict
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts import roles
from accounts.models import AuditEvent, User
from gosend.lib import ids
from messaging.console import export, pages
from messaging.console.filters import Filter
from messaging.console.masking import Veil
from messaging.models import Message, SavedView
from tests import factories
from tests.conftest import Party
from tests.messaging.console.conftest import PHONE, WAMID, Told, sign_in

LOG = "/console/messaging/message/"
FAILED: dict[str, Any] = {"status": "failed", "failed_at": timezone.now(), "error": {"code": 131026}}


def form(query: str = "", *, user: User | None = None) -> Filter:
    made = Filter(QueryDict(query), user=user or User(is_superuser=True, username="root", is_staff=True))
    assert made.is_valid(), made.errors
    return made


def some(party: Party, count: int, **fields: Any) -> list[Message]:
    made = factories.MessageFactory.create_batch(count, phone_number=party.number, **fields)
    return sorted(made, key=lambda message: -message.pk)


def test_pages_go_down_and_up_again_without_a_gap(acme: Party, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "PER_PAGE", 3)
    rows = some(acme, 8)

    first = pages.read(form())
    assert first
    assert first.older
    second = pages.read(form(), before=first.older)
    assert second
    assert second.older
    assert second.newer
    third = pages.read(form(), before=second.older)
    assert third
    assert third.newer
    back = pages.read(form(), after=second.newer)

    assert back
    seen = [row.pk for page in (first, second, third) for row in page.rows]
    assert seen == [row.pk for row in rows]
    assert [row.pk for row in back.rows] == [row.pk for row in first.rows]
    assert (first.newer, third.older, first.count) == (None, None, 8)


def test_what_no_index_serves_is_looked_for_a_stretch_at_a_time(
    acme: Party, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages, "SCAN_ROWS", 4)
    old = some(acme, 1, status="read")
    some(acme, 10, status="sent")

    page, stretches, before = None, 0, None
    while page is None or (not page.rows and page.older):
        page = pages.read(form("status=read"), before=before)
        assert page
        before, stretches = page.older, stretches + 1

    assert [row.pk for row in page.rows] == [old[0].pk]
    assert stretches == 3


def test_every_filter_narrows(told: Told, globex: Party) -> None:
    party, message = told.party, told.message
    factories.MessageFactory.create(phone_number=globex.number, status="delivered", type="image")
    for query in (
        f"tenant={party.tenant.pk}", f"number={party.number.pk}", "status=failed", "type=text",
        "error=131026",
        f"peer={PHONE}", "peer=%2B54 911 4012-3456", f"tenant={party.tenant.pk}&peer={PHONE}",
        f"number={party.number.pk}&peer={PHONE}", f"direction=outbound&tenant={party.tenant.pk}",
    ):  # fmt: skip
        page = pages.read(form(query))
        assert page, query
        assert [row.pk for row in page.rows] == [message.pk], query
    for query in ("status=read", "direction=inbound", "error=1", "peer=5491100000000", "until=2025-02-01"):
        page = pages.read(form(query))
        assert page, query
        assert page.rows == [], query


def test_unsettled_sends_are_found_by_their_short_table(acme: Party) -> None:
    dispatch = factories.DispatchFactory.create(
        message__phone_number=acme.number, message__status="unknown", state="unknown"
    )
    some(acme, 3)

    page = pages.read(form("status=unknown"))

    assert page
    assert [row.pk for row in page.rows] == [dispatch.message_id]


def test_a_time_is_a_range_of_ids(acme: Party) -> None:
    (row,) = some(acme, 1)

    page = pages.read(form("within=15m"))

    assert page
    assert [one.pk for one in page.rows] == [row.pk]
    assert form("within=15m").bounds()[0] >= ids.first_id(timezone.now() - timedelta(minutes=16))


def test_a_grant_is_a_lane_of_its_own(acme: Party, globex: Party) -> None:
    ours, _ = some(acme, 1), some(globex, 1)
    user = User.objects.create(username="one", is_staff=True)
    assert pages.read(form(user=user)).rows == []  # type: ignore[union-attr]

    factories.GrantFactory.create(user=user, tenant=acme.tenant)

    page = pages.read(form(user=user))
    assert page
    assert [row.pk for row in page.rows] == [ours[0].pk]
    assert Filter(QueryDict(f"tenant={globex.tenant.pk}"), user=user).is_valid() is False
    assert Filter(QueryDict(f"number={globex.number.pk}"), user=user).is_valid() is False


def test_several_lanes_are_one_list(acme: Party, globex: Party, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "PER_PAGE", 4)
    made = [row.pk for party in (acme, globex, acme) for row in some(party, 2, **FAILED)]
    user = User.objects.create(username="two", is_staff=True)
    for party in (acme, globex):
        factories.GrantFactory.create(user=user, tenant=party.tenant)

    for query in ("", "status=failed"):
        with CaptureQueriesContext(connection) as queries:
            first = pages.read(form(query, user=user))
        # Each lane names its tenant, for the planner: a join over tenants walks through everybody's rows.
        lanes = [one["sql"] for one in queries if " UNION ALL " in one["sql"]]
        assert lanes
        for party in (acme, globex):
            assert all(f'"tenant_id" = ({party.tenant.pk})' in sql for sql in lanes)
        assert first
        second = pages.read(form(query, user=user), before=first.older)
        assert second
        back = pages.read(form(query, user=user), after=second.newer)
        assert back
        seen = [row.pk for page in (first, second) for row in page.rows]
        assert seen == sorted(made, reverse=True)
        assert [row.pk for row in back.rows] == [row.pk for row in first.rows]
        assert first.count == 6


def test_the_log_costs_the_same_for_one_and_for_many(told: Told, django_assert_max_num_queries: Any) -> None:
    client = sign_in(roles.SUPPORT, told.party)
    some(told.party, 30)

    with django_assert_max_num_queries(22):
        answer = client.get(LOG)

    assert answer.status_code == 200
    assert len(answer.context["rows"]) == 31


def test_support_sees_no_number_and_an_operator_does(told: Told) -> None:
    support = sign_in(roles.SUPPORT, told.party).get(LOG).content.decode()
    operator = sign_in(roles.OPERATOR, told.party).get(LOG).content.decode()

    assert PHONE not in support
    assert "54911•••3456" in support
    assert PHONE in operator


def test_a_view_is_saved_for_its_owner_only(told: Told) -> None:
    support, auditor = sign_in(roles.SUPPORT, told.party), sign_in(roles.AUDITOR, told.party)

    answer = support.post(f"{LOG}views/", {"name": "Failures", "status": "failed", "before": "7"})

    assert answer["Location"] == f"{LOG}?status=failed"
    view = SavedView.objects.get()
    assert (view.user.username, view.name, view.query) == ("support", "Failures", "status=failed")
    assert "Failures" in support.get(LOG).content.decode()
    assert "Failures" not in auditor.get(LOG).content.decode()
    auditor.post(f"{LOG}views/forget/", {"view": view.pk})
    assert SavedView.objects.count() == 1
    support.post(f"{LOG}views/forget/", {"view": view.pk})
    assert SavedView.objects.count() == 0


def test_what_is_no_number_or_no_text_is_refused_and_no_fault(told: Told) -> None:
    client = sign_in(roles.SUPPORT, told.party)

    answers = [
        client.get(LOG, {"tenant": "²"}),
        client.get(LOG, {"number": "²"}),
        client.post(f"{LOG}export/", {"tenant": "²"}),
        client.post(f"{LOG}views/", {"name": "a\x00b", "status": "failed"}),
    ]

    assert [answer.status_code for answer in answers] == [200, 200, 302, 302]
    assert not SavedView.objects.exists()


def test_an_export_is_written_row_by_row_masked_and_on_record(told: Told) -> None:
    told.party.tenant.name = "=HYPERLINK(1)"
    told.party.tenant.save()

    answer = sign_in(roles.SUPPORT, told.party).post(f"{LOG}export/", {"status": "failed", "peer": PHONE})

    text = b"".join(answer.streaming_content).decode()  # type: ignore[attr-defined]
    head, row, rest = text.split("\r\n")
    assert head.startswith("id,created_at,tenant")
    assert "'=HYPERLINK(1)" in row
    assert "54911•••3456" in row
    assert "131026,Message undeliverable" in row
    assert (PHONE in text, WAMID in text, rest) == (False, False, "")
    event = AuditEvent.objects.get(action="message.exported")
    assert event.details["filter"] == {"status": "failed", "peer": "54911•••3456"}


def test_an_export_ends_at_its_limit_and_says_so(acme: Party, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export, "ROWS_MAX", 3)
    monkeypatch.setattr(export, "_BATCH", 2)
    some(acme, 5)

    lines = list(export.lines(form(), veil=Veil(is_lifted=True, revealed=frozenset())))

    assert len(lines) == 5
    assert lines[-1].startswith('"Ended at a limit') or lines[-1].startswith("Ended at a limit")


@pytest.mark.parametrize("cell", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"])
def test_a_formula_is_written_as_text(cell: str) -> None:
    assert export.defuse(cell) == f"'{cell}"
