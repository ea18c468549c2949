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
    ("code", "reason", "alert", "cure"),
    [
        (190, "token", "token_not_accepted", "connect the account again"),
        (0, "token", "token_not_accepted", "connect the account again"),
        (131048, "spam", "held_back_as_spam", "send less"),
    ],
)
def test_what_needs_care_pauses_with_one_alert_and_one_success_lets_the_rest_go(
    number: PhoneNumber, code: int, reason: str, alert: str, cure: str
) -> None:
    factories.WebhookEndpointFactory.create(
        tenant=number.tenant, phone_number=None, events=["*"], is_test=True
    )
    sibling = _sibling(number)
    answers = [_say(number, code) for _ in range(5)]

    assert {answer.outcome for answer in answers} == {errors.Outcome.NOT_SENT}
    assert number.held_for == reason
    assert 290 < pacing.held_seconds(number) <= 300
    with pytest.raises(throughput.NumberOverLimit, match=cure) as refused, throughput.one(number=number):
        pass
    assert 290 < (refused.value.retry_after or 0) <= 300
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


def _loaded(number: PhoneNumber) -> PhoneNumber:
    """The number as another request, or another process, has it."""
    return PhoneNumber.objects.select_related("business_account", "tenant").get(pk=number.pk)


def _paused(number: PhoneNumber) -> None:
    _say(number, 131048)
    _earlier(number, "held_until", 1)


def test_a_short_pause_that_a_try_is_answered_with_is_kept(number: PhoneNumber) -> None:
    _say(number, 80007, retry_after=60.0)
    _earlier(number, "held_until", 1)
    assert throughput.take(number=number, most=9).count == 1

    _say(number, 80007, retry_after=3.0)
    pacing.end_try(number)

    assert 2 < pacing.held_seconds(_loaded(number)) <= 3


def test_after_a_pause_one_of_many_that_ask_at_once_tries(number: PhoneNumber) -> None:
    _paused(number)
    many = [_loaded(number) for _ in range(4)]
    slow = _loaded(number)

    grants = [throughput.take(number=one, most=9) for one in many]

    assert [grant.count for grant in grants] == [1, 0, 0, 0]
    assert all(0 < grant.retry_after <= 5 for grant in grants[1:])
    latecomer = _loaded(number)
    with pytest.raises(throughput.NumberOverLimit, match="is paused") as refused:
        throughput.one(number=latecomer).__enter__()
    assert 1 <= (refused.value.retry_after or 0) <= 5

    pacing.heed(many[1], TAKEN)  # it did not try: an answer to a call from before the pause
    assert throughput.take(number=_loaded(number), most=9).count == 0
    pacing.heed(many[0], TAKEN)
    assert throughput.take(number=_loaded(number), most=9).count == 9
    assert throughput.take(number=slow, most=9).count == 9


def test_a_try_that_comes_to_nothing_lets_the_next_one_begin_at_once(number: PhoneNumber) -> None:
    _paused(number)

    with pytest.raises(ValueError, match="nothing was sent"), throughput.one(number=_loaded(number)):
        raise ValueError("nothing was sent")
    with throughput.one(number=_loaded(number)):
        assert throughput.take(number=_loaded(number), most=1).count == 0


def test_a_try_whose_process_died_keeps_the_others_for_seconds(number: PhoneNumber) -> None:
    _paused(number)
    assert throughput.take(number=_loaded(number), most=1).count == 1
    assert throughput.take(number=_loaded(number), most=1).count == 0

    _earlier(number, "held_until", 1)

    assert throughput.take(number=_loaded(number), most=1).count == 1


def test_a_pause_that_begins_anew_during_a_try_is_not_ended_with_it(number: PhoneNumber) -> None:
    _paused(number)
    trying, other = _loaded(number), _loaded(number)
    assert throughput.take(number=trying, most=1).count == 1

    _say(trying, 131048)
    pacing.end_try(trying)

    other.refresh_from_db(fields=pacing.FIELDS)
    assert 290 < pacing.held_seconds(other) <= 300
