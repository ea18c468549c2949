"""A key, the request it stands for, and the answer that was given first."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest
from django.db import connections, transaction
from django.utils import timezone

from accounts import tenants
from accounts.models import Tenant
from messaging import idempotency
from messaging.idempotency import InProgress, KeyConflict, Once, Stored, Unanswered
from messaging.models import Dispatch, IdempotentAnswer, Message

SendText = Callable[..., Message]


@pytest.fixture
def once(tenant: Tenant) -> Once:
    return Once(tenant.pk, "test", "order-1234", b"f" * 32)


def test_a_new_key_recalls_nothing(once: Once) -> None:
    assert idempotency.recall(once) is None


def test_the_first_answer_is_recalled_byte_for_byte(once: Once) -> None:
    idempotency.claim(once)
    idempotency.remember(once, status_code=201, body=b'{"id": "1"}')

    assert idempotency.recall(once) == Stored(201, b'{"id": "1"}')


def test_the_answer_given_first_stands(once: Once) -> None:
    idempotency.claim(once)
    idempotency.remember(once, status_code=201, body=b"first")

    assert idempotency.remember(once, status_code=200, body=b"second") == Stored(201, b"first")
    assert idempotency.recall(once) == Stored(201, b"first")


def test_another_request_is_a_conflict(once: Once) -> None:
    idempotency.claim(once)

    with pytest.raises(KeyConflict):
        idempotency.recall(replace(once, fingerprint=b"g" * 32))


def test_a_request_without_an_answer_is_in_progress(once: Once) -> None:
    idempotency.claim(once)

    with pytest.raises(InProgress) as refused:
        idempotency.recall(once)

    assert refused.value.retry_after == 1


def test_a_key_whose_request_died_before_it_did_anything_that_counts_is_free_again(once: Once) -> None:
    idempotency.claim(once)
    IdempotentAnswer.objects.update(created_at=timezone.now() - timedelta(minutes=4))

    with pytest.raises(KeyConflict):
        idempotency.recall(replace(once, fingerprint=b"g" * 32))
    with pytest.raises(InProgress):
        idempotency.claim(replace(once, fingerprint=b"g" * 32))
    assert idempotency.recall(once) is None
    idempotency.claim(once)
    with pytest.raises(InProgress):
        idempotency.claim(once)
    idempotency.remember(once, status_code=200, body=b"done")
    assert idempotency.recall(once) == Stored(200, b"done")


def test_the_key_counts_by_tenant_and_environment(once: Once) -> None:
    idempotency.claim(once)
    globex = tenants.open_tenant(name="Globex")

    assert idempotency.recall(replace(once, tenant_id=globex.pk)) is None
    assert idempotency.recall(replace(once, environment="live")) is None


def test_a_message_whose_request_died_after_the_send_is_unanswered(once: Once, send_text: SendText) -> None:
    message = send_text(once=once)

    assert idempotency.recall(once) == Unanswered(message.pk)


def test_a_message_just_accepted_is_in_progress_and_later_unanswered(once: Once, send_text: SendText) -> None:
    message = send_text(once=once, is_async=True)

    with pytest.raises(InProgress):
        idempotency.recall(once)
    Dispatch.objects.update(created_at=timezone.now() - timedelta(seconds=11))
    assert idempotency.recall(once) == Unanswered(message.pk)


def test_a_taken_key_undoes_the_second_acceptance(once: Once, send_text: SendText) -> None:
    send_text(once=once)

    with pytest.raises(InProgress):
        send_text(once=once)

    assert Message.objects.count() == 1


def test_a_key_is_forgotten_after_24_hours(once: Once) -> None:
    idempotency.claim(once)
    idempotency.remember(once, status_code=201, body=b"old")
    nearly = timezone.now() - timedelta(hours=24) + timedelta(seconds=5)
    IdempotentAnswer.objects.update(created_at=nearly)
    assert idempotency.recall(once) == Stored(201, b"old")
    IdempotentAnswer.objects.update(created_at=nearly - timedelta(seconds=6))

    assert idempotency.recall(once) is None
    idempotency.claim(replace(once, fingerprint=b"n" * 32))

    row = IdempotentAnswer.objects.get()
    assert (bytes(row.fingerprint), row.status_code, row.body) == (b"n" * 32, None, None)


def test_rows_past_their_lifetime_are_deleted(once: Once) -> None:
    idempotency.claim(once)
    idempotency.claim(replace(once, key="young"))
    IdempotentAnswer.objects.filter(key=once.key).update(created_at=timezone.now() - timedelta(hours=25))

    assert idempotency.forget_expired() == 1
    assert IdempotentAnswer.objects.get().key == "young"


@pytest.mark.django_db(transaction=True)
def test_of_many_requests_at_once_one_sends(once: Once, send_text: SendText) -> None:
    def attempt(_: int) -> str:
        try:
            with transaction.atomic():
                idempotency.claim(once)
            return "claimed"
        except InProgress:
            return "refused"
        finally:
            connections.close_all()

    with ThreadPoolExecutor(max_workers=8) as pool:
        outcomes = list(pool.map(attempt, range(64)))

    assert outcomes.count("claimed") == 1
    assert outcomes.count("refused") == 63
