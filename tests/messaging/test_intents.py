"""The intent: one statement that waits for whoever holds the message, judges anew, and reads little."""

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from gosend.lib import metrics, prepared
from messaging import claims, intents, outcomes, pairs, recover, statuses
from messaging.models import Dispatch, Message
from messaging.outcomes import Landed, record
from tests import plans
from tests.messaging.test_deliver import LATE
from tests.messaging.waiting import until_somebody_waits

SendText = Callable[..., Message]


def _claim(message: Message) -> claims.Claim:
    claim = claims.take_one(message_id=message.pk)
    assert claim is not None
    return claim


def _commit(claim: claims.Claim) -> list[intents.Intent]:
    return intents.commit(intents.read([claim]))


def _while_locked(message: Message, claim: claims.Claim, act: Callable[[], None]) -> list[intents.Intent]:
    """Intend in another thread while this one holds the message, acts and commits; what was intended."""
    found: list[intents.Intent] = []
    drafts = intents.read([claim])

    def intend() -> None:
        try:
            found.extend(intents.commit(drafts))
        finally:
            connection.close()

    other = threading.Thread(target=intend)
    with transaction.atomic():
        Message.objects.select_for_update(no_key=True).get(pk=message.pk)
        other.start()
        until_somebody_waits()
        act()
    other.join(10)
    assert not other.is_alive()
    return found


def test_an_intent_is_one_statement_that_counts_the_try(
    send_text: SendText, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    message = send_text(is_async=True)
    Message.objects.filter(pk=message.pk).update(error={"code": 130429})
    drafts = intents.read([_claim(message)])

    with django_assert_num_queries(1):
        intended = intents.commit(drafts)

    message.refresh_from_db()
    dispatch = Dispatch.objects.get()
    assert [intent.attempt for intent in intended] == [1]
    assert (message.status, message.attempt_count, message.error) == ("sending", 1, None)
    assert dispatch.state == "sending"
    assert dispatch.lease_expires_at is not None
    assert dispatch.lease_expires_at > timezone.now()


def test_a_message_that_comes_to_sending_is_counted_once(send_text: SendText) -> None:
    message = send_text(is_async=True)
    before = _counted()
    claim = _claim(message)

    assert len(_commit(claim)) == 1
    assert _commit(claim) == []

    assert _counted() == before + 1


def _counted() -> float:
    metrics.flush()
    return metrics.totals().get((metrics.MESSAGES.name, ("sending",)), 0)


@pytest.mark.parametrize("status", ["sent", "delivered", "read", "failed"])
def test_what_meta_has_said_stays_as_it_is_though_the_try_counts(send_text: SendText, status: str) -> None:
    message = send_text(is_async=True)
    claim = _claim(message)
    Message.objects.filter(pk=message.pk).update(status=status, error={"code": 1})

    assert len(_commit(claim)) == 1

    message.refresh_from_db()
    assert (message.status, message.attempt_count, message.error) == (status, 1, {"code": 1})
    assert status not in statuses.UNSETTLED


def test_a_lease_that_ended_is_not_intended(send_text: SendText) -> None:
    claim = _claim(send_text(is_async=True))
    Dispatch.objects.update(lease_expires_at=timezone.now() - timedelta(milliseconds=1))

    assert _commit(claim) == []
    assert Dispatch.objects.get().state == "claimed"


@pytest.mark.django_db(transaction=True)
def test_metas_word_that_comes_first_ends_the_claim(send_text: SendText) -> None:
    message = send_text(is_async=True)

    def settle() -> None:
        Message.objects.filter(pk=message.pk).update(status="delivered")
        Dispatch.objects.all().delete()

    assert _while_locked(message, _claim(message), settle) == []
    message.refresh_from_db()
    assert (message.status, message.attempt_count) == ("delivered", 0)


@pytest.mark.django_db(transaction=True)
def test_a_claim_that_is_taken_over_meanwhile_is_not_intended(send_text: SendText) -> None:
    message = send_text(is_async=True)
    stale = _claim(message)

    def take_over() -> None:
        Dispatch.objects.update(lease_expires_at=timezone.now() - timedelta(seconds=1))
        assert recover.leases_ended() == 1
        _claim(message)

    assert _while_locked(message, stale, take_over) == []
    assert (Dispatch.objects.get().state, Dispatch.objects.get().epoch) == ("claimed", 2)


@pytest.mark.django_db(transaction=True)
def test_what_another_transaction_changed_meanwhile_is_kept(send_text: SendText) -> None:
    message = send_text(is_async=True)

    def note() -> None:
        Message.objects.filter(pk=message.pk).update(attempt_count=3, wamid="wamid.early")

    intended = _while_locked(message, _claim(message), note)

    message.refresh_from_db()
    assert (message.status, message.attempt_count, message.wamid) == ("sending", 4, "wamid.early")
    record([Landed(intended[0], LATE)])
    message.refresh_from_db()
    assert (message.status, message.wamid) == ("sent", "wamid.early")


@pytest.mark.parametrize("what", ["intent", "put off", "hand back", "put back", "settle", "doubt"])
def test_no_statement_reads_the_claims_of_others(what: str, send_text: SendText) -> None:
    message = send_text(is_async=True)
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO messaging_dispatch SELECT more.* FROM messaging_dispatch seed,"
            " generate_series(1, 5000) n,"
            " jsonb_populate_record(seed, jsonb_build_object("
            "'message_id', seed.message_id + n, 'peer', seed.peer || n)) more"
        )
        plans.write_anew("messaging_dispatch")  # the planner learns that nothing is claimed
        later = timezone.now() + timedelta(minutes=1)
        Dispatch.objects.exclude(pk=message.pk).update(state="sending", lease_expires_at=later)
        claim = _claim(message)
        if what not in ("intent", "put off"):
            Dispatch.objects.filter(pk=message.pk).update(state="sending")
        plan = _put_off(claim) if what == "put off" else _prepared(*_about(claim)[what])

    read = plan["Plan"]["Shared Hit Blocks"] + plan["Plan"]["Shared Read Blocks"]
    after = Dispatch.objects.filter(pk=message.pk).values_list("state", flat=True)
    expected = {"intent": ["sending"], "settle": [], "doubt": ["unknown"]}
    assert list(after) == expected.get(what, ["queued"])
    assert read <= 80


def _prepared(statement: str, given: list[str]) -> Any:
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL plan_cache_mode = force_generic_plan")
        cursor.execute(f"PREPARE about ({', '.join(['text'] * len(given))}) AS {statement}")
        told = ", ".join(f"'{text}'" for text in given)
        cursor.execute(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) EXECUTE about ({told})")
        [[plan]] = cursor.fetchone()
        cursor.execute("DEALLOCATE about")
    return plan


def _put_off(claim: claims.Claim) -> Any:
    """Explained where it is executed: it is not prepared."""
    found = []

    def explain(execute: Callable[..., Any], sql: str, given: Any, many: bool, context: Any) -> None:
        execute(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {sql}", given, many, context)
        found.extend(context["cursor"].fetchone()[0])

    [draft] = intents.read([claim])
    number_id = Dispatch.objects.values_list("phone_number_id", flat=True).get(pk=claim.message_id)
    with connection.execute_wrapper(explain):
        pairs._put_off(number_id, [(draft, 1_000_000)])
    return found[0]


def _about(claim: claims.Claim) -> dict[str, tuple[str, list[str]]]:
    """The statements as they are prepared, with what each is given."""
    intent = intents._given([claim])
    ids = prepared.array([claim.message_id])
    held = [ids, prepared.array([claim.token]), prepared.array([claim.epoch]), ids]
    return {
        "intent": (
            intents._INTEND % {name: f"${place}" for place, name in enumerate(intent, 1)},
            list(intent.values()),
        ),
        "hand back": (_numbered(claims._HAND_BACK), held),
        "put back": (_numbered(outcomes._PUT_BACK), ["1.5", *held]),
        "settle": (_numbered(outcomes._SETTLE), held),
        "doubt": (_numbered(outcomes._DOUBT), ["900", *held]),
    }


def _numbered(statement: str) -> str:
    parts = statement.format(held=claims._HELD).split("%s")
    return "".join(f"{part}${place}" for place, part in enumerate(parts[:-1], 1)) + parts[-1]
