"""Statuses only move forward, whatever order Meta tells them in."""

import itertools
import time
from collections.abc import Callable
from datetime import timedelta

import pytest
import time_machine
from django.db import connection
from django.utils import timezone
from pytest_django import Settings

from accounts import tenants
from accounts.models import PhoneNumber
from messaging import opaque, recover, statuses
from messaging.models import Message, MetaEvent, StatusReport
from tests import factories
from tests.messaging.conftest import envelope, status

SendText = Callable[..., Message]
Tell = Callable[..., MetaEvent]


@pytest.mark.parametrize(
    ("current", "to", "expected"),
    [
        ("sending", "sent", True),
        ("unknown", "sent", True),
        ("unconfirmed", "delivered", True),
        ("sent", "delivered", True),
        ("sent", "read", True),
        ("sent", "sent", False),
        ("delivered", "sent", False),
        ("read", "delivered", False),
        ("sent", "failed", True),
        ("sending", "failed", True),
        ("delivered", "failed", False),
        ("read", "failed", False),
        ("failed", "failed", False),
        ("failed", "sent", False),
        ("failed", "delivered", True),
        ("failed", "read", True),
        ("received", "read", False),
        ("received", "failed", False),
    ],
)
def test_which_status_moves_a_message_forward(current: str, to: str, expected: bool) -> None:
    assert statuses.may_advance(current=current, to=to) is expected


@pytest.mark.parametrize("order", list(itertools.permutations(["sent", "delivered", "read"])))
def test_any_order_ends_as_read_with_every_moment_known(
    order: tuple[str, ...], send_text: SendText, number: PhoneNumber, tell: Tell
) -> None:
    message = send_text()
    moments = {"sent": 1_780_000_001, "delivered": 1_780_000_002, "read": 1_780_000_003}

    for name in [*order, *order]:
        tell(envelope(number, statuses=[status(message.wamid or "", name, at=moments[name])]))

    message.refresh_from_db()
    assert message.status == "read"
    assert message.delivered_at is not None
    assert message.read_at is not None
    assert int(message.delivered_at.timestamp()) == moments["delivered"]
    assert int(message.read_at.timestamp()) == moments["read"]
    assert StatusReport.objects.filter(message=message).count() == 3


@pytest.mark.parametrize("order", [("delivered", "failed"), ("failed", "delivered")])
def test_delivered_wins_over_failed(
    order: tuple[str, str], send_text: SendText, number: PhoneNumber, tell: Tell
) -> None:
    message = send_text()

    for name in order:
        tell(envelope(number, statuses=[status(message.wamid or "", name)]))

    message.refresh_from_db()
    assert message.status == "delivered"
    assert message.error is None


def test_a_failure_carries_metas_words_and_our_cure(
    send_text: SendText, number: PhoneNumber, tell: Tell
) -> None:
    message = send_text()
    why = {
        "code": 131026,
        "title": "Message undeliverable",
        "message": "Message undeliverable",
        "error_data": {"details": "Message Undeliverable."},
    }

    tell(envelope(number, statuses=[status(message.wamid or "", "failed", errors=[why])]))

    message.refresh_from_db()
    assert message.status == "failed"
    assert message.failed_at is not None
    assert message.error is not None
    assert message.error["code"] == 131026
    assert message.error["details"] == "Message Undeliverable."
    assert message.error["cure"] != ""


def test_a_status_finds_its_message_by_our_own_id(
    send_text: SendText, number: PhoneNumber, tell: Tell
) -> None:
    message = send_text(is_async=True)
    echo = opaque.write(message_id=message.pk, attempt=1)

    tell(envelope(number, statuses=[status("wamid.fresh", "delivered", opaque=echo)]))

    message.refresh_from_db()
    assert (message.status, message.wamid) == ("delivered", "wamid.fresh")


def test_a_status_without_a_message_is_kept_and_adopted(
    send_text: SendText, number: PhoneNumber, tell: Tell
) -> None:
    tell(envelope(number, statuses=[status("wamid.early", "delivered")]))
    assert StatusReport.objects.get().message is None
    message = send_text(is_async=True)
    Message.objects.filter(pk=message.pk).update(wamid="wamid.early", status="sent")

    assert recover.strays() == 1

    message.refresh_from_db()
    assert message.status == "delivered"
    assert StatusReport.objects.get().message_id == message.pk


def test_strays_are_looked_for_as_long_as_an_answer_may_take(number: PhoneNumber, settings: Settings) -> None:
    """Each look pays for all reports of other software's sends in that time."""
    settings.CLAIM_LEASE_SECONDS = 45
    for seconds in (75, 95):
        wamid = f"wamid.{seconds}"
        factories.MessageFactory.create(phone_number=number, wamid=wamid)
        factories.StatusReportFactory.create(
            message=None,
            phone_number=number,
            wamid=wamid,
            status="delivered",
            created_at=timezone.now() - timedelta(seconds=seconds),
        )

    with time_machine.travel(time.time() + 86_400, tick=True):
        assert recover.strays() == 1

    found = dict(Message.objects.values_list("wamid", "status"))
    assert found == {"wamid.75": "delivered", "wamid.95": "sent"}


def test_a_stray_that_cannot_be_matched_keeps_none_of_the_others_back(number: PhoneNumber) -> None:
    with connection.cursor() as cursor:
        refuses = "CHECK (wamid <> 'wamid.2' OR status <> 'delivered')"
        cursor.execute(f"ALTER TABLE messaging_message ADD CONSTRAINT refuses {refuses}")
    for n in range(5):
        factories.MessageFactory.create(phone_number=number, wamid=f"wamid.{n}")
        factories.StatusReportFactory.create(
            message=None, phone_number=number, wamid=f"wamid.{n}", status="delivered"
        )

    recover.strays()

    assert Message.objects.filter(status="delivered").count() == 4


def test_another_numbers_callback_cannot_move_a_message(send_text: SendText, tell: Tell) -> None:
    message = send_text()
    stranger = tenants.add_sandbox(tenant=tenants.open_tenant(name="Globex"))
    echo = opaque.write(message_id=message.pk, attempt=1)

    tell(envelope(stranger, statuses=[status(message.wamid or "", "read", opaque=echo)]))

    message.refresh_from_db()
    assert message.status == "sent"
    assert StatusReport.objects.get().message is None


def test_a_played_voice_message_was_read_and_an_unknown_word_changes_nothing(
    send_text: SendText, number: PhoneNumber, tell: Tell
) -> None:
    message = send_text()

    tell(envelope(number, statuses=[status(message.wamid or "", "deleted")]))
    message.refresh_from_db()
    assert message.status == "sent"
    tell(envelope(number, statuses=[status(message.wamid or "", "played")]))
    message.refresh_from_db()
    assert message.status == "read"


def test_reports_without_a_wamid_are_all_kept(send_text: SendText, number: PhoneNumber, tell: Tell) -> None:
    messages = [send_text(to=to, is_async=True) for to in ("5491140123456", "5491140123457")]

    for message in messages:
        tell(
            envelope(
                number, statuses=[status("", "sent", opaque=opaque.write(message_id=message.pk, attempt=1))]
            )
        )

    assert StatusReport.objects.count() == 2
    assert set(Message.objects.values_list("status", flat=True)) == {"sent"}


def test_the_price_is_kept(send_text: SendText, number: PhoneNumber, tell: Tell) -> None:
    message = send_text()
    price = {"billable": True, "pricing_model": "PMP", "category": "utility", "type": "regular"}

    tell(envelope(number, statuses=[status(message.wamid or "", "sent", pricing=price)]))

    message.refresh_from_db()
    assert message.pricing == price


@pytest.mark.parametrize("text", ["", "order-7", "gosend:", "gosend:12", "gosend:x:1", f"gosend:{2**64}:1"])
def test_what_we_did_not_write_is_no_id(text: str) -> None:
    assert opaque.message_id(text) is None
