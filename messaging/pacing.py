"""Send as slowly as Meta's answers ask: a number's share of its rate, and pauses of a number or account.

A number that Meta finds too fast goes on at half its rate, and comes back to all of it within a minute.
The numbers of an account that has used much of its calls slow down before Meta has to refuse.
A used-up account, a number held back as spam and a token that has ended pause: nothing is sent until the
time is over, then one message tries, and the first that Meta accepts lets the rest go. While it tries the
number is paused for everybody else, in all processes.
"""

import logging
from datetime import timedelta

from django.db import transaction
from django.db.models import Case, Q, QuerySet, Value, When
from django.db.models.functions import Coalesce, Greatest, Now
from django.utils import timezone

from accounts import pace
from accounts.models import PhoneNumber
from accounts.pace import REASONS, RECOVERY_SECONDS, held_with, share_of
from gosend.lib import metrics, prepared
from gosend.whatsapp import errors
from gosend.whatsapp.client import Accepted
from gosend.whatsapp.errors import GraphError, Outcome
from webhooks_app import events

__all__ = ["end_try", "heed", "held_seconds", "judged", "probe", "share_of", "slowed", "why_held"]

log = logging.getLogger(__name__)

# The columns that change here, to be read anew between two batches.
FIELDS = ["held_until", "held_for", "slowed_at", "slowed_to"]

# Meta's codes, developers.facebook.com/docs/whatsapp/cloud-api/support/error-codes.
_TOO_FAST = 130429
_SPAM = 131048
_ACCOUNT_CALLS = frozenset({4, 80007})
_DEAD_TOKEN = frozenset({0, 190})

# One batch may bring many answers of one kind: they count once in a second.
_ONCE_IN = timedelta(seconds=1)
_LEAST_SHARE = 0.05
# Percent of an account's calls, as Meta's answers count them, above which its numbers slow down.
_MUCH_USED = 75.0
# Between two tries of a number that needs somebody's care.
_PROBE_SECONDS = 300.0
# The longest for which one message's try keeps all others back: it may be lost with its process.
_TRY_SECONDS = 5.0
# What is halved where we set no limit: Meta's highest tier.
_UNLIMITED = 1000


def held_seconds(number: PhoneNumber) -> float:
    """For how long nothing may be sent on this number; the pause for its own try keeps nobody back."""
    is_own = number.trying_until is not None and number.trying_until == number.held_until
    return 0.0 if is_own else pace.held_seconds(number)


def why_held(number: PhoneNumber) -> str:
    """What keeps the number, and the cure, until Meta has taken a message; empty when nothing does."""
    if not number.held_for:
        return ""
    return f"phone_number_id={number.phone_number_id} is paused. {REASONS[number.held_for]}"


def probe(number: PhoneNumber, most: int) -> int:
    """How many of `most` may go out: after a pause one, until Meta has accepted one; 0 while another tries.

    Of several that ask at once, in whichever process, one gets the try. Call `end_try` when it is over.
    """
    if not number.held_for or most <= 0:
        return most
    own = None if number.trying_until is None else number.trying_until.isoformat()
    found = prepared.rows(_TRY, [str(_TRY_SECONDS), str(number.pk), own])
    if found:
        number.held_until = number.trying_until = found[0][0]
        return 1
    number.refresh_from_db(fields=FIELDS)
    return 0 if number.held_for else most


def end_try(number: PhoneNumber) -> None:
    """Let the next try begin at once, where Meta has not said of this number's own that the pause goes on."""
    if number.trying_until is not None:
        tries = PhoneNumber.objects.filter(pk=number.pk, held_until=number.trying_until)
        number.trying_until = None
        tries.update(held_until=Now())


def slowed(number: PhoneNumber, rate: int | None) -> int | None:
    """What is left of the number's rate per second, at least 1; None for no limit."""
    share = share_of(number)
    return rate if share >= 1 else max(1, int((rate or _UNLIMITED) * share))


def judged(answer: Accepted | GraphError) -> Accepted | GraphError:
    """The answer as it is to be recorded: with a dead token nothing was sent, and the message is to wait."""
    if isinstance(answer, GraphError) and _is_dead_token(answer):
        # The number's pause keeps it back, and may be over any moment, when the token is replaced.
        answer.outcome, answer.retry_after = Outcome.NOT_SENT, 0.0
    return answer


def _is_dead_token(answer: GraphError) -> bool:
    """Whether Meta refuses the token. With HTTP 5xx it may have acted all the same, as of any call."""
    return answer.code in _DEAD_TOKEN and answer.outcome is not Outcome.UNKNOWN


def heed(number: PhoneNumber, answer: Accepted | GraphError) -> None:
    """Slow down or pause as Meta's answer asks; call it when the answer is recorded.

    Trouble with it never raises: the outcomes of other messages must still be kept.
    """
    if isinstance(answer, Accepted) and not number.held_for and answer.usage is errors.NO_USAGE:
        return  # nearly all of them
    try:
        with transaction.atomic():
            _heed(number, answer)
    except Exception:
        log.exception("Meta's answer could not be heeded on number %s", number.pk)


def _heed(number: PhoneNumber, answer: Accepted | GraphError) -> None:
    if isinstance(answer, GraphError):
        if answer.code == _TOO_FAST:
            _slow(number)
        else:
            _stop(number, answer)
        return
    if answer.usage.regain_seconds:
        _hold_account(number, "account_calls", answer.usage.regain_seconds)
        return
    if number.held_for and not held_seconds(number):
        # During a pause it is the answer to a call that was in the air before.
        _release(number)
    if answer.usage.percent > _MUCH_USED:
        _spare_account(number, answer.usage.percent)


def _stop(number: PhoneNumber, answer: GraphError) -> None:
    if answer.code in _ACCOUNT_CALLS:
        _hold_account(number, "account_calls", answer.retry_after or _PROBE_SECONDS)
    elif _is_dead_token(answer):
        if _hold_account(number, "token", _PROBE_SECONDS):
            _alert(number, "token_not_accepted", answer)
    elif answer.code == _SPAM and _hold(number, "spam", _PROBE_SECONDS):
        _alert(number, "held_back_as_spam", answer)


def _slow(number: PhoneNumber) -> None:
    number.refresh_from_db(fields=FIELDS)
    if number.slowed_at is None or timezone.now() - number.slowed_at >= _ONCE_IN:
        rows = PhoneNumber.objects.filter(pk=number.pk, slowed_at=number.slowed_at)
        share = max(_LEAST_SHARE, share_of(number) / 2)
        rows.update(slowed_at=timezone.now(), slowed_to=share)
        number.refresh_from_db(fields=FIELDS)
        metrics.LIMITS.add("meta", "number", "slowed")


def _spare_account(number: PhoneNumber, percent: float) -> None:
    """Slow the account's numbers the more, the less is left of its calls; none of them goes faster by it."""
    share = max(_LEAST_SHARE, (100 - percent) / (100 - _MUCH_USED))
    now = timezone.now()
    is_fresh = number.slowed_at is not None and now - number.slowed_at < _ONCE_IN
    if is_fresh or share_of(number) <= share:
        return
    slower = Q(slowed_at__gt=now - timedelta(seconds=RECOVERY_SECONDS), slowed_to__lt=share)
    rows = PhoneNumber.objects.filter(business_account_id=number.business_account_id).exclude(slower)
    found = list(rows.select_for_update(no_key=True).order_by("pk").values_list("pk", flat=True))
    PhoneNumber.objects.filter(pk__in=found).update(slowed_at=now, slowed_to=share)
    number.refresh_from_db(fields=FIELDS)
    metrics.LIMITS.add("meta", "account", "slowed")


def _hold_account(number: PhoneNumber, why: str, seconds: float) -> bool:
    """Pause every number that speaks with the same token; True when that is news."""
    rows = PhoneNumber.objects.filter(business_account_id=number.business_account_id)
    return _pause(number, rows, why, seconds)


def _hold(number: PhoneNumber, why: str, seconds: float) -> bool:
    return _pause(number, PhoneNumber.objects.filter(pk=number.pk), why, seconds)


def _pause(number: PhoneNumber, rows: QuerySet[PhoneNumber], why: str, seconds: float) -> bool:
    until = Now() + timedelta(seconds=seconds)
    found = list(rows.select_for_update(no_key=True).order_by("pk").values_list("held_for", flat=True))
    # The moment up to which this number's own try kept the others back is no pause of Meta's.
    own_try = Q(pk=number.pk, held_until=number.trying_until) if number.trying_until else Q(pk__in=[])
    number.trying_until = None
    rows.update(
        held_until=Case(When(own_try, then=until), default=Greatest(Coalesce("held_until", Now()), until)),
        # What needs somebody's care is not forgotten for what passes by itself.
        held_for=Case(When(held_for="token", then=Value("token")), default=Value(why)),
    )
    number.refresh_from_db(fields=FIELDS)
    metrics.LIMITS.add("meta", why, "held")
    return why not in found


def _release(number: PhoneNumber) -> None:
    """Meta has taken a message. A token that one number may use again serves its account's others."""
    held_with(number).update(held_until=None, held_for="")
    number.trying_until = None
    number.refresh_from_db(fields=FIELDS)


def _alert(number: PhoneNumber, type: str, error: GraphError) -> None:
    account = number.business_account
    alert = {
        "type": type,
        "severity": "critical",
        "description": error.cure,
        "waba_id": account.waba_id,
        "account_status": account.status,
        "meta": None,
    }
    events.publish(
        tenant_id=number.tenant_id,
        number=None,
        is_test=number.is_sandbox,
        type="account.alert",
        occurred_at=timezone.now(),
        data={"alert": alert},
    )


# The pause is looked at and begun anew in one statement, so that only one of many gets the try.
_TRY = """
UPDATE accounts_phonenumber
   SET held_until = statement_timestamp() + make_interval(secs => $1::float8)
 WHERE id = $2::bigint AND held_for <> ''
   AND (held_until IS NULL OR held_until <= statement_timestamp() OR held_until = $3::timestamptz)
RETURNING held_until
"""
