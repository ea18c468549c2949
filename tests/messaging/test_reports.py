"""messaging/reports.py: kept once, matched, adopted; as many statements for one as for hundreds."""

from datetime import UTC, datetime
from typing import Any

import pytest
from pytest_django import DjangoAssertNumQueries

from accounts.models import PhoneNumber, Tenant
from gosend.whatsapp.events import StatusUpdate
from messaging import opaque, reports
from messaging.models import Dispatch, Message, StatusReport
from tests import factories
from webhooks_app import endpoints
from webhooks_app.models import Event

AT = datetime(2026, 5, 18, 12, 35, tzinfo=UTC)


def _update(wamid: str, status: str, *, opaque: str = "", **raw: Any) -> StatusUpdate:
    return StatusUpdate(
        waba_id="1",
        field="messages",
        raw={"id": wamid, "status": status, **raw},
        phone_number_id="2",
        wamid=wamid,
        status=status,
        timestamp=AT,
        recipient_id="5491140123456",
        recipient_user_id="",
        participant="",
        opaque=opaque,
        errors=[],
        pricing=None,
    )


def _message(number: PhoneNumber, **fields: Any) -> Message:
    contact = factories.ContactFactory.create(business_account=number.business_account, tenant=number.tenant)
    message: Message = factories.MessageFactory.create(phone_number=number, contact=contact, **fields)
    factories.MessageContentFactory.create(message=message)
    return message


@pytest.mark.parametrize("count", [1, 50])
def test_reports_cost_seven_statements_however_many(
    tenant: Tenant, number: PhoneNumber, count: int, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    endpoints.add(tenant=tenant, number=number, url="https://customer.example/", events=["*"])
    messages = [_message(number) for _ in range(count)]
    told = [(number.pk, _update(one.wamid or "", "delivered")) for one in messages]

    # Keep and match, then five of the rule, then the dispatches; and the transaction.
    with django_assert_num_queries(7 + 2):
        reports.take(reported=told)

    assert Message.objects.filter(status="delivered", delivered_at=AT).count() == count
    assert StatusReport.objects.filter(message__isnull=False).count() == count
    assert Event.objects.count() == count


def test_reports_told_again_cost_one_statement_and_change_nothing(
    number: PhoneNumber, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    told = [(number.pk, _update(_message(number).wamid or "", "read")) for _ in range(3)]
    reports.take(reported=[*told, *told])
    before = list(Message.objects.order_by("pk").values())

    with django_assert_num_queries(1 + 2):
        reports.take(reported=told)

    assert list(Message.objects.order_by("pk").values()) == before
    assert StatusReport.objects.count() == 3


def test_our_own_id_comes_before_the_wamid(number: PhoneNumber) -> None:
    meant, other = _message(number, wamid=None, status="unknown"), _message(number, wamid="wamid.x")
    factories.DispatchFactory.create(message=meant, phone_number=number, peer=meant.peer, state="unknown")
    echo = opaque.write(message_id=meant.pk, attempt=1)

    reports.take(reported=[(number.pk, _update("wamid.y", "sent", opaque=echo))])

    meant.refresh_from_db()
    other.refresh_from_db()
    assert (meant.status, meant.wamid, other.wamid) == ("sent", "wamid.y", "wamid.x")
    assert Dispatch.objects.count() == 0


def test_strays_are_adopted_in_their_order_and_once(number: PhoneNumber) -> None:
    strays = [_update("wamid.early", name) for name in ("read", "delivered")]
    reports.take(reported=[(number.pk, one) for one in strays])
    message = _message(number, wamid="wamid.early")
    reports.take(reported=[(number.pk, strays[0])])  # once more, now that the message is known

    reports.adopt(message_ids=[message.pk])

    message.refresh_from_db()
    assert message.status == "read"
    assert message.delivered_at == AT
    assert StatusReport.objects.filter(message=message).count() == StatusReport.objects.count() == 2


def test_nothing_to_adopt_costs_one_statement(
    number: PhoneNumber, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    messages = [_message(number) for _ in range(3)]

    with django_assert_num_queries(1):
        reports.adopt(message_ids=[one.pk for one in messages])
