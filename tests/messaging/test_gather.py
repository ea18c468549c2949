"""Requests that wait in one process at the same moment are stored together, and none for another's sake."""

import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
from django.db import DataError, OperationalError, connection, transaction

from accounts.models import PhoneNumber, Tenant
from messaging import contacts, gather, idempotency, keep
from messaging.models import Contact, Conversation, Dispatch, IdempotentAnswer, Message
from tests.messaging.waiting import until_somebody_waits
from webhooks_app import endpoints
from webhooks_app.models import Event

pytestmark = pytest.mark.django_db(transaction=True)

_FIRST, _OTHER = "5491140120000", "5491140129999"


def _batch(number: PhoneNumber, to: str, *, key: str | None = None, **more: Any) -> keep.Batch:
    row = {
        "peer": to,
        "type": "text",
        "body": {"type": "text", "text": {"body": f"To {to}"}},
        "tracking": "",
        "due_at": None,
        "is_free": True,
    }
    once = idempotency.Once(number.tenant_id, "test", key, b"x" * 32) if key else None
    return replace(keep.Batch(number, [row], None, f"request_{to}", once, 202 if once else None), **more)


def _in_thread(batch: keep.Batch) -> list[keep.Kept]:
    try:
        return gather.store(batch)
    finally:
        connection.close()


@contextmanager
def _locked(number: PhoneNumber, to: str) -> Iterator[None]:
    """Hold the conversation with a person, so that whoever writes to it waits."""
    gather.store(_batch(number, to))
    with transaction.atomic():
        list(Conversation.objects.filter(contact__phone=to).select_for_update())
        yield


def _together(number: PhoneNumber, batches: Sequence[keep.Batch]) -> list[Future[list[keep.Kept]]]:
    """Store these while the first statement of the process waits, so that they come to share the next."""
    with ThreadPoolExecutor(len(batches) + 1) as pool:
        with _locked(number, _FIRST):
            first = pool.submit(_in_thread, _batch(number, _FIRST))
            until_somebody_waits()
            futures = [pool.submit(_in_thread, batch) for batch in batches]
            while gather.line.length < len(batches):
                time.sleep(0.01)
        first.result()
    return futures


def _ids(futures: Sequence[Future[list[keep.Kept]]]) -> list[int]:
    """What each was stored as, 0 where it was not."""
    return [future.result()[0].id or 0 for future in futures]


def _transactions(ids: Sequence[int]) -> int:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(DISTINCT xmin::text) FROM messaging_message WHERE id = ANY(%s)", [list(ids)]
        )
        return int(cursor.fetchone()[0])


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gosend.lib.gather._PATIENCE_SECONDS", 20.0)


@pytest.fixture
def known(number: PhoneNumber) -> list[str]:
    """People with whom the number already has a conversation."""
    people = [f"549114012{n:04d}" for n in range(1, 7)]
    for to in people:
        gather.store(_batch(number, to))
    return people


def test_those_who_wait_share_a_transaction_and_each_gets_its_own(
    patient: None, number: PhoneNumber, known: list[str]
) -> None:
    futures = _together(number, [_batch(number, to, key=f"key-{to}") for to in known])

    ids = _ids(futures)
    messages = Message.objects.in_bulk(ids)
    assert [messages[pk].peer for pk in ids] == known
    assert [messages[pk].request_id for pk in ids] == [f"request_{to}" for to in known]
    assert [IdempotentAnswer.objects.get(message_id=pk).key for pk in ids] == [f"key-{to}" for to in known]
    assert _transactions(ids) == 1
    assert Dispatch.objects.filter(message_id__in=ids).count() == len(known)
    counts = Conversation.objects.filter(contact__phone__in=known).values_list("messages_count", flat=True)
    assert list(counts) == [2] * len(known)


def test_one_that_cannot_be_stored_spoils_only_its_own_request(
    patient: None, number: PhoneNumber, known: list[str]
) -> None:
    bad = _batch(number, known[0], request_id="r" * 65)

    spoiled, *others = _together(number, [bad, *(_batch(number, to) for to in known[1:])])

    with pytest.raises(DataError):
        spoiled.result()
    assert all(future.result()[0].id for future in others)
    assert Conversation.objects.get(contact__phone=known[0]).messages_count == 1


def test_one_that_waits_for_a_lock_too_long_takes_nobody_along(
    patient: None, number: PhoneNumber, known: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The common statement is cancelled, which undoes it, so each is stored by itself."""
    taken: list[int] = []
    keep_all = keep.keep_all

    def slow_once(batches: Sequence[keep.Batch]) -> list[list[keep.Kept]]:
        taken.append(len(batches))
        if len(batches) > 1:
            with transaction.atomic(), connection.cursor() as cursor:
                cursor.execute("SET LOCAL statement_timeout = 20")
                cursor.execute("SELECT pg_sleep(5)")
        return keep_all(batches)

    monkeypatch.setattr(keep, "keep_all", slow_once)
    futures = _together(number, [_batch(number, to) for to in known])

    assert all(_ids(futures))
    assert len(known) in taken


def test_of_those_with_one_key_one_is_stored(patient: None, number: PhoneNumber, known: list[str]) -> None:
    futures = _together(number, [_batch(number, known[0], key="order-1") for _ in range(4)])

    assert sum(pk > 0 for pk in _ids(futures)) == 1
    assert Conversation.objects.get(contact__phone=known[0]).messages_count == 2


def test_new_people_are_made_once_and_told_of_once(
    patient: None, tenant: Tenant, number: PhoneNumber
) -> None:
    endpoints.add(tenant=tenant, number=number, url="https://customer.example/", events=["*"])
    peers = [_OTHER, _OTHER, "5491140128888", "AR.12345abc"]

    futures = _together(number, [_batch(number, to) for to in peers])

    ids = _ids(futures)
    assert 0 not in ids
    assert _transactions(ids) == 1
    people = contacts.find_many(account=number.business_account, peers=peers)
    assert people.keys() == set(peers)
    assert Conversation.objects.get(contact=people[_OTHER]).messages_count == 2
    assert Contact.objects.count() == Conversation.objects.count() == 4
    assert Event.objects.filter(type="conversation.created").count() == 4


def test_nobody_is_begun_for_a_message_whose_key_is_taken(
    patient: None, number: PhoneNumber, known: list[str]
) -> None:
    gather.store(_batch(number, known[0], key="order-1"))

    futures = _together(number, [_batch(number, _OTHER, key="order-1"), _batch(number, known[1])])

    refused, stored = (future.result()[0] for future in futures)
    assert (refused.id, stored.id is not None) == (None, True)
    assert not Contact.objects.filter(phone=_OTHER).exists()


def test_who_waits_behind_a_lock_of_anothers_conversation_is_stored_before_it_is_free(
    number: PhoneNumber, known: list[str]
) -> None:
    with ThreadPoolExecutor(2) as pool:
        with _locked(number, _FIRST):
            first = pool.submit(_in_thread, _batch(number, _FIRST))
            until_somebody_waits()
            other = pool.submit(_in_thread, _batch(number, known[0])).result(timeout=10)
            assert not first.done()
        assert other[0].id is not None
        assert first.result()[0].id is not None


@pytest.mark.parametrize(("key", "is_stored"), [("order-1", True), (None, False)])
def test_when_a_connection_breaks_what_has_a_key_is_stored_again_and_nothing_twice(
    number: PhoneNumber, key: str | None, is_stored: bool
) -> None:
    with ThreadPoolExecutor(1) as pool:
        with _locked(number, _FIRST):
            future = pool.submit(_in_thread, _batch(number, _FIRST, key=key))
            until_somebody_waits()
            with connection.cursor() as cursor:
                cursor.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE datname = current_database() AND wait_event_type = 'Lock'"
                )
        if is_stored:
            assert future.result()[0].id is not None
        else:
            with pytest.raises(OperationalError):
                future.result()
    assert Message.objects.count() == 1 + is_stored
