"""Claim, intent, call, outcome: and what happens when one of them is missing."""

import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import OperationalError, connections
from django.db.models import Count
from django.utils import timezone
from pytest_django import Settings

from accounts import numbers
from accounts.models import PhoneNumber, Tenant
from gosend.sandbox.models import PendingCallback
from gosend.whatsapp.client import Accepted, GraphClient
from gosend.whatsapp.wire import GraphRequest, GraphResponse
from messaging import claims, deliver, intents, outcomes, recover, settle
from messaging.models import Dispatch, Message, MessageContent

SendText = Callable[..., Message]
THROTTLED_ONCE = "5491100000005"
ACCEPTED_THEN_SILENT = "5491100000006"


def _end_leases() -> None:
    Dispatch.objects.update(lease_expires_at=timezone.now() - timedelta(seconds=1))


def _all_due() -> None:
    Dispatch.objects.update(due_at=timezone.now() - timedelta(seconds=1))


def _intend(claim: claims.Claim) -> intents.Intent | None:
    return next(iter(intents.commit(intents.read([claim]))), None)


def _claim(message: Message) -> claims.Claim:
    claim = claims.take_one(message_id=message.pk)
    assert claim is not None
    return claim


def test_a_throttle_puts_the_message_back_and_it_goes_out_later(
    send_text: SendText, number: PhoneNumber
) -> None:
    message = send_text(to=THROTTLED_ONCE)

    assert message.status == "queued"
    assert message.error is not None
    assert message.error["code"] == 130429
    assert Dispatch.objects.get().due_at > timezone.now()
    assert deliver.drain(number_id=number.pk) == 0
    _all_due()
    assert deliver.drain(number_id=number.pk) == 1
    message.refresh_from_db()
    assert (message.status, message.attempt_count, message.error) == ("sent", 2, None)


def test_an_answer_that_never_comes_is_unknown_and_not_sent_again(
    send_text: SendText, number: PhoneNumber
) -> None:
    message = send_text(to=ACCEPTED_THEN_SILENT)

    assert message.status == "unknown"
    _all_due()
    assert deliver.drain(number_id=number.pk) == 0
    assert message.attempt_count == 1


def test_an_unknown_send_is_settled_by_metas_callback(
    send_text: SendText, meta_speaks: Callable[[], int]
) -> None:
    message = send_text(to=ACCEPTED_THEN_SILENT)

    assert meta_speaks() >= 1

    message.refresh_from_db()
    assert message.status in ("delivered", "read")
    assert message.wamid is not None
    assert message.error is None
    assert Dispatch.objects.count() == 0


def test_an_unknown_send_that_meta_never_mentions_becomes_unconfirmed(send_text: SendText) -> None:
    message = send_text(to=ACCEPTED_THEN_SILENT)

    assert recover.unknown_overdue() == 0
    _all_due()
    assert recover.unknown_overdue() == 1

    message.refresh_from_db()
    assert message.status == "unconfirmed"
    assert Dispatch.objects.count() == 0


def test_metas_late_word_still_settles_an_unconfirmed_send(
    send_text: SendText, meta_speaks: Callable[[], int]
) -> None:
    message = send_text(to=ACCEPTED_THEN_SILENT)
    _all_due()
    recover.unknown_overdue()

    meta_speaks()

    message.refresh_from_db()
    assert message.status in ("delivered", "read")


def test_a_tenant_may_risk_a_second_sending(send_text: SendText, tenant: Tenant, number: PhoneNumber) -> None:
    Tenant.objects.filter(pk=tenant.pk).update(on_unknown=Tenant.OnUnknown.RESEND)
    message = send_text(to=ACCEPTED_THEN_SILENT)

    _all_due()
    recover.unknown_overdue()

    message.refresh_from_db()
    assert message.status == "queued"
    assert Dispatch.objects.get().state == "queued"


def test_but_never_a_third(send_text: SendText, tenant: Tenant, number: PhoneNumber) -> None:
    Tenant.objects.filter(pk=tenant.pk).update(on_unknown=Tenant.OnUnknown.RESEND)
    message = send_text(to=ACCEPTED_THEN_SILENT)
    for _ in range(3):
        _all_due()
        recover.unknown_overdue()
        deliver.drain(number_id=number.pk)

    message.refresh_from_db()
    assert (message.status, message.attempt_count) == ("unconfirmed", 2)


def test_a_claim_whose_worker_died_goes_back_to_the_queue(send_text: SendText, number: PhoneNumber) -> None:
    message = send_text(is_async=True)
    _claim(message)
    assert deliver.drain(number_id=number.pk) == 0

    _end_leases()
    recover.leases_ended()

    assert deliver.drain(number_id=number.pk) == 1
    message.refresh_from_db()
    assert message.status == "sent"


def test_an_intent_whose_worker_died_is_unknown(send_text: SendText, number: PhoneNumber) -> None:
    message = send_text(is_async=True)
    assert _intend(_claim(message)) is not None
    message.refresh_from_db()
    assert message.status == "sending"

    _end_leases()
    recover.leases_ended()

    message.refresh_from_db()
    assert message.status == "unknown"
    assert deliver.drain(number_id=number.pk) == 0


def test_a_lease_that_still_runs_is_left_alone(send_text: SendText) -> None:
    _intend(_claim(send_text(is_async=True)))

    assert recover.leases_ended() == 0
    assert Dispatch.objects.get().state == "sending"


LATE = Accepted(wamid="wamid.late", wa_id="", user_id="", message_status="")


def test_a_late_answer_settles_what_the_sweep_called_unknown(send_text: SendText) -> None:
    message = send_text(is_async=True)
    intent = _intend(_claim(message))
    assert isinstance(intent, intents.Intent)
    _end_leases()
    recover.leases_ended()

    outcomes.record([outcomes.Landed(intent, LATE)])

    message.refresh_from_db()
    assert (message.status, message.wamid) == ("sent", "wamid.late")
    assert Dispatch.objects.count() == 0


def test_a_worker_that_wakes_after_another_claimed_changes_nothing(
    send_text: SendText, tenant: Tenant
) -> None:
    Tenant.objects.filter(pk=tenant.pk).update(on_unknown=Tenant.OnUnknown.RESEND)
    message = send_text(is_async=True)
    intent = _intend(_claim(message))
    assert isinstance(intent, intents.Intent)
    _end_leases()
    recover.leases_ended()
    _all_due()
    recover.unknown_overdue()
    _claim(message)

    outcomes.record([outcomes.Landed(intent, LATE)])

    message.refresh_from_db()
    assert (message.status, message.wamid) == ("queued", None)
    assert Dispatch.objects.get().state == "claimed"


def test_a_claim_taken_over_cannot_be_intended(send_text: SendText) -> None:
    message = send_text(is_async=True)
    stale = _claim(message)
    _end_leases()
    recover.leases_ended()
    fresh = _claim(message)

    assert fresh.epoch == stale.epoch + 1
    assert _intend(stale) is None
    assert _intend(fresh) is not None


def test_a_message_that_takes_its_workers_down_is_parked(send_text: SendText) -> None:
    message = send_text(is_async=True)
    for _ in range(recover.MAX_CLAIMS):
        _claim(message)
        _end_leases()
        recover.leases_ended()

    message.refresh_from_db()
    assert message.status == "failed"
    assert message.error is not None
    assert message.error["title"] == "The message could not be processed"
    assert Dispatch.objects.count() == 0


def test_what_breaks_one_call_leaves_the_others_their_answers(
    send_text: SendText, number: PhoneNumber
) -> None:
    messages = [send_text(to=f"5491140200{i}", is_async=True) for i in range(100, 106)]
    taken = [_claim(message) for message in messages]
    requests = []

    def transport(request: GraphRequest) -> GraphResponse:
        requests.append(request)
        if len(requests) == 1:
            raise OperationalError("too many clients already")
        body = b'{"messages": [{"id": "wamid.%d"}], "contacts": []}' % len(requests)
        return GraphResponse(status=200, body=body)

    deliver._send(GraphClient(transport=transport, token="t"), number, taken)

    statuses = sorted(Message.objects.values_list("status", flat=True))
    assert statuses == ["sent"] * 5 + ["unknown"]


def test_an_answer_counts_also_where_it_cannot_be_counted(
    send_text: SendText, number: PhoneNumber, caplog: pytest.LogCaptureFixture
) -> None:
    """By then Meta has the message: to lose the answer would leave it in doubt."""
    claim = _claim(send_text(is_async=True))
    caplog.set_level(logging.DEBUG, "messaging.flight")
    teller = logging.getLogger("messaging.flight")
    teller.addFilter(_break_on_debug)
    try:
        deliver._send(numbers.client_for(number), number, [claim])
    finally:
        teller.removeFilter(_break_on_debug)

    assert "could not be counted" in caplog.text
    assert Message.objects.get().status == "sent"


def _break_on_debug(record: logging.LogRecord) -> bool:
    if record.levelno == logging.DEBUG:
        raise RuntimeError("a filter of somebody's")
    return True


def test_what_cannot_be_prepared_leaves_the_others_to_be_sent(
    send_text: SendText, number: PhoneNumber
) -> None:
    good, bad = send_text(is_async=True), send_text(to="5491140200999", is_async=True)
    MessageContent.objects.filter(message=bad).delete()

    deliver.drain(number_id=number.pk)

    good.refresh_from_db()
    bad.refresh_from_db()
    assert (good.status, bad.status) == ("sent", "queued")


def test_an_accepted_message_is_no_error_whatever_breaks_afterwards(
    send_text: SendText, settings: Settings
) -> None:
    settings.SANDBOX_URL = 7  # nothing can be built from this

    message = send_text()

    assert message.status == "queued"
    assert Dispatch.objects.get().state == "queued"


def test_a_queue_waits_while_its_tenant_is_suspended(
    send_text: SendText, tenant: Tenant, number: PhoneNumber
) -> None:
    message = send_text(is_async=True)
    Tenant.objects.filter(pk=tenant.pk).update(status=Tenant.Status.SUSPENDED)

    assert deliver.numbers_due() == []
    assert deliver.drain(number_id=number.pk) == 0
    Tenant.objects.filter(pk=tenant.pk).update(status=Tenant.Status.ACTIVE)
    assert deliver.numbers_due() == [number.pk]
    assert deliver.drain(number_id=number.pk) == 1
    message.refresh_from_db()
    assert message.status == "sent"


def test_what_waited_for_a_day_is_failed_and_said(send_text: SendText) -> None:
    message = send_text(is_async=True)
    assert recover.too_old() == 0
    Dispatch.objects.update(created_at=timezone.now() - timedelta(hours=24, seconds=1))

    assert recover.too_old() == 1

    message.refresh_from_db()
    assert message.status == "failed"
    assert message.error is not None
    assert message.error["title"] == "The message waited for a day and was never sent"


@pytest.mark.parametrize("by_hand", [True, False])
def test_an_old_send_that_is_made_once_more_has_a_day_of_its_own(
    send_text: SendText, tenant: Tenant, by_hand: bool
) -> None:
    Tenant.objects.filter(pk=tenant.pk).update(on_unknown=Tenant.OnUnknown.RESEND)
    message = send_text(to=ACCEPTED_THEN_SILENT)
    Dispatch.objects.update(created_at=timezone.now() - timedelta(hours=25))
    if by_hand:
        assert settle.resend(message_id=message.pk)
    else:
        _all_due()
        recover.unknown_overdue()

    assert recover.too_old() == 0

    message.refresh_from_db()
    assert message.status == "queued"
    Dispatch.objects.update(created_at=timezone.now() - timedelta(hours=25))
    assert recover.too_old() == 1
    message.refresh_from_db()
    assert message.error is not None
    assert message.error["title"] == "The message was tried and waited for a day after that"


def test_messages_to_one_recipient_keep_their_order(send_text: SendText, number: PhoneNumber) -> None:
    first = send_text(body="1", is_async=True)
    second = send_text(body="2", is_async=True)
    other = send_text(to="5491140999999", is_async=True)

    claimed = claims.take_due(number_id=number.pk, limit=10).claims

    assert [claim.message_id for claim in claimed] == [first.pk, other.pk]
    assert claims.take_one(message_id=second.pk) is None


def test_a_synchronous_send_waits_behind_one_that_is_queued(send_text: SendText, number: PhoneNumber) -> None:
    first = send_text(is_async=True)
    second = send_text()

    assert second.status == "queued"
    assert deliver.drain(number_id=number.pk) == 2
    first.refresh_from_db()
    second.refresh_from_db()
    assert first.sent_at is not None
    assert second.sent_at is not None
    assert first.sent_at <= second.sent_at


@pytest.mark.django_db(transaction=True)
def test_two_drains_at_once_send_each_message_once(send_text: SendText, number: PhoneNumber) -> None:
    messages = [send_text(to=f"54911402{i + 100:05d}", is_async=True) for i in range(40)]

    def drain(_: int) -> int:
        try:
            return deliver.drain(number_id=number.pk)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(max_workers=3) as pool:
        drained = list(pool.map(drain, range(3)))

    assert sum(drained) == len(messages)
    assert Message.objects.filter(status="sent", attempt_count=1).count() == len(messages)
    assert PendingCallback.objects.count() == 3 * len(messages)
    assert Message.objects.values("wamid").annotate(n=Count("id")).filter(n__gt=1).count() == 0
