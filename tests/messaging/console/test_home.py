"""The first page says what needs somebody, and draws the day from the hourly rows alone."""

from datetime import timedelta

from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts import roles
from messaging import rollups
from tests import factories
from tests.conftest import Party
from tests.messaging.console.conftest import Told, sign_in


def live_number(party: Party, **fields: object) -> None:
    account = factories.BusinessAccountFactory.create(tenant=party.tenant, customer=party.customer)
    factories.PhoneNumberFactory.create(tenant=party.tenant, business_account=account, **fields)


def test_what_needs_somebody_is_listed_for_whose_tenants_they_are(acme: Party, globex: Party) -> None:
    live_number(acme, quality_rating="red", display_phone_number="+1 555 0001")
    live_number(globex, quality_rating="yellow", display_phone_number="+1 555 0002")
    account = acme.number.business_account
    account.is_sandbox = False
    account.access_token = "EAA-made-up"
    account.token_expires_at = timezone.now() - timedelta(hours=1)
    account.save()
    factories.TemplateFactory.create(tenant=acme.tenant, business_account=account, status="PAUSED")
    factories.WebhookEndpointFactory.create(
        tenant=acme.tenant, phone_number=acme.number, failing_since=timezone.now()
    )
    factories.DispatchFactory.create(message__phone_number=acme.number, state="unknown")
    factories.DispatchFactory.create(
        message__phone_number=acme.number, due_at=timezone.now() - timedelta(minutes=9)
    )

    html = sign_in(roles.SUPPORT, acme).get("/console/").content.decode()

    for part in (
        "+1 555 0001 of Acme: quality is red", "has expired", "is paused", "fails since", "unknown outcome",
        "due for 9 minutes",
    ):  # fmt: skip
        assert part in html, part
    assert "+1 555 0002" not in html
    assert "+1 555 0002" in sign_in(roles.AUDITOR).get("/console/").content.decode()


def test_charts_stand_beside_tables_and_never_read_the_messages(told: Told) -> None:
    rollups.refresh()
    client = sign_in(roles.SUPPORT, told.party)

    with CaptureQueriesContext(
        connection,
    ) as queries:
        html = client.get("/console/").content.decode()

    assert '<svg class="gs-chart"' in html
    assert "Messages by status, as a table" in html
    assert "131026" in html
    assert "Webhook deliveries per hour" in html
    assert not [query["sql"] for query in queries if 'messaging_message"' in query["sql"]]
    assert len(queries) < 30


def test_an_empty_day_says_what_to_do(acme: Party) -> None:
    html = sign_in(roles.SUPPORT, acme).get("/console/").content.decode()

    assert "Nothing needs you" in html
    assert "as long as the worker runs" in html


def test_figures_are_those_of_granted_tenants(told: Told, globex: Party) -> None:
    rollups.refresh()

    ours = sign_in(roles.SUPPORT, told.party).get("/console/").context["cards"]
    theirs = sign_in(roles.AUDITOR, globex).get("/console/").context["cards"]

    assert [card["figure"] for card in ours][:3] == ["1", "0", "1"]
    assert [card["figure"] for card in theirs][:3] == ["0", "0", "0"]
