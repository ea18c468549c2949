"""Meta asks us to slow down or to stop: how fast a number is then, and when it goes on."""

from datetime import timedelta

import orjson
import pytest
from django.utils import timezone

from accounts.models import PhoneNumber
from gosend.whatsapp import errors
from gosend.whatsapp.client import Accepted
from messaging import pacing, throughput
from tests import factories
from webhooks_app.models import Event

TAKEN = Accepted(wamid="wamid.1")


def _say(number: PhoneNumber, code: int, *, retry_after: float | None = None) -> errors.GraphError:
    answer = errors.GraphError(errors.explain(code=code), code=code, retry_after=retry_after)
    pacing.judged(answer)
    pacing.heed(number, answer)
    return answer


def _earlier(number: PhoneNumber, field: str, seconds: float) -> None:
    moment = timezone.now() - timedelta(seconds=seconds)
    PhoneNumber.objects.filter(pk=number.pk).update(**{field: moment})
    number.refresh_from_db(fields=pacing.FIELDS)


def _sibling(number: PhoneNumber) -> PhoneNumber:
    account = number.business_account
    made: PhoneNumber = factories.PhoneNumberFactory.create(tenant=number.tenant, business_account=account)
    return made


def test_too_fast_halves_the_rate_once_a_second_and_a_minute_brings_it_back(number: PhoneNumber) -> None:
    for _ in range(3):
        _say(number, 130429)

    assert number.slowed_to == 0.5
    rates = []
    for seconds in (0, 15, 60):
        _earlier(number, "slowed_at", seconds)
        rates.append(pacing.slowed(number, 80) or 0)
    assert [abs(rate - wanted) <= 1 for rate, wanted in zip(rates, (40, 60, 80), strict=True)] == [True] * 3
    assert pacing.slowed(number, None) is None

    _earlier(number, "slowed_at", 15)
    _say(number, 130429)
    assert number.slowed_to == pytest.approx(0.375, abs=0.01)
    for _ in range(9):
        _earlier(number, "slowed_at", 1)
        _say(number, 130429)
    assert number.slowed_to == pytest.approx(0.05, abs=0.02)
    assert throughput.take(number=number, most=1000).count in {4, 5}


def test_an_account_out_of_calls_pauses_all_its_numbers_as_long_as_meta_says(number: PhoneNumber) -> None:
    sibling, stranger = _sibling(number), factories.PhoneNumberFactory.create()
    _say(number, 80007, retry_after=420.0)

    for one in (number, sibling, stranger):
        one.refresh_from_db()
    assert 410 < pacing.held_seconds(sibling) <= 420
    assert pacing.held_seconds(stranger) == 0
    grant = throughput.take(number=number, most=9)
    assert grant.count == 0
    assert 410 < grant.retry_after <= 420


@pytest.mark.parametrize(
    ("code", "reason", "alert", "outcome"),
    [
        (190, "token", "token_not_accepted", errors.Outcome.NOT_SENT),
        (0, "token", "token_not_accepted", errors.Outcome.NOT_SENT),
        (131048, "spam", "held_back_as_spam", errors.Outcome.NOT_SENT),
    ],
)
def test_what_needs_care_pauses_with_one_alert_and_one_success_lets_the_rest_go(
    number: PhoneNumber, code: int, reason: str, alert: str, outcome: errors.Outcome
) -> None:
    factories.WebhookEndpointFactory.create(
        tenant=number.tenant, phone_number=None, events=["*"], is_test=True
    )
    sibling = _sibling(number)
    answers = [_say(number, code) for _ in range(5)]

    assert {answer.outcome for answer in answers} == {outcome}
    assert number.held_for == reason
    assert 290 < pacing.held_seconds(number) <= 300
    (event,) = Event.objects.filter(type="account.alert")
    told = orjson.loads(bytes(event.body))["alert"]
    assert (told["type"], told["waba_id"]) == (alert, number.business_account.waba_id)
    sibling.refresh_from_db()
    assert (sibling.held_for == reason) is (reason == "token")

    pacing.heed(number, TAKEN)  # from before the pause
    assert throughput.take(number=number, most=9).count == 0
    _earlier(number, "held_until", 1)
    assert throughput.take(number=number, most=9).count == 1
    pacing.heed(number, TAKEN)
    assert throughput.take(number=number, most=9).count == 9
    sibling.refresh_from_db()
    assert (sibling.held_for, sibling.held_until) == ("", None)
