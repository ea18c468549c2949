"""The drain: many at a time, few statements, and what is in hand when a process or the database ends."""

import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from datetime import timedelta

import pytest
from django.db import DatabaseError, connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django import Settings

from accounts import numbers, tenants
from accounts.models import PhoneNumber, Tenant
from gosend.lib import stop
from gosend.whatsapp.client import Accepted
from messaging import claims, deliver, flight, intents, line, outcomes, pairs, recover, throughput
from messaging.models import Dispatch, Message
from tests.lib.raw_server import RawServer

SendText = Callable[..., Message]


@pytest.fixture
def queue(send_text: SendText) -> Callable[[int], list[Message]]:
    """So many texts that wait, each to another person."""

    def _queue(count: int) -> list[Message]:
        return [send_text(to=f"54911405{n:05d}", is_async=True) for n in range(count)]

    return _queue


@pytest.fixture
def twenty_a_second(number: PhoneNumber) -> PhoneNumber:
    """After twenty at once."""
    PhoneNumber.objects.filter(pk=number.pk).update(connection_type="coexistence")
    return number


@pytest.fixture
def stopped() -> Iterator[None]:
    stop.asked.set()
    yield
    stop.asked.clear()


def _end_leases() -> None:
    Dispatch.objects.update(lease_expires_at=timezone.now() - timedelta(seconds=1))


def _intend(taken: list[claims.Claim]) -> list[intents.Intent]:
    return intents.commit(intents.read(taken))


def _accepted(intent: intents.Intent) -> outcomes.Landed:
    return outcomes.Landed(intent, Accepted(wamid=f"wamid.{intent.claim.message_id}"))


def test_sixty_messages_cost_as_many_statements_as_one(
    queue: Callable[[int], list[Message]], number: PhoneNumber
) -> None:
    queue(60)
    figures = []
    for limit in (1, 59):
        with CaptureQueriesContext(connection) as seen:
            intended = _intend(claims.take_due(number_id=number.pk, limit=limit).claims)
            outcomes.record([_accepted(intent) for intent in intended])
        assert len(intended) == limit
        # Without the savepoints that stand for transactions in a test.
        figures.append(sum("SAVEPOINT" not in query["sql"] for query in seen.captured_queries))

    assert figures[0] == figures[1] <= 8
    assert Message.objects.filter(status="sent", attempt_count=1).count() == 60
    assert not Dispatch.objects.exists()


def test_a_claim_goes_on_where_the_last_one_ended(
    queue: Callable[[int], list[Message]], number: PhoneNumber
) -> None:
    messages = queue(5)
    first = claims.take_due(number_id=number.pk, limit=2)
    assert claims.hand_back(first.claims) == 2

    second = claims.take_due(number_id=number.pk, limit=9, after=first.place)

    assert [claim.message_id for claim in second.claims] == [message.pk for message in messages[2:]]
    assert claims.count_due(number_id=number.pk, most=9, after=second.place) == 0
    assert claims.count_due(number_id=number.pk, most=9) == 2


def test_what_is_handed_back_was_never_tried(send_text: SendText, number: PhoneNumber) -> None:
    message = send_text(is_async=True)
    [intent] = _intend(claims.take_due(number_id=number.pk, limit=1).claims)

    assert claims.hand_back([intent.claim]) == 1

    message.refresh_from_db()
    dispatch = Dispatch.objects.get()
    assert (message.status, dispatch.state, dispatch.claim_count) == ("queued", "queued", 0)
    assert message.attempt_count == 0
    outcomes.record([_accepted(intent)])
    message.refresh_from_db()
    assert message.status == "queued"  # the claim is gone, and its answer with it


def test_a_call_that_comes_too_late_is_not_made(
    send_text: SendText, number: PhoneNumber, settings: Settings
) -> None:
    """As in a process that was stopped after its intent, and goes on when the lease is over."""
    message = send_text(is_async=True)
    [intent] = _intend(claims.take_due(number_id=number.pk, limit=1).claims)
    latest = time.monotonic() + settings.CLAIM_LEASE_SECONDS - settings.META_TIMEOUT_SECONDS
    assert intent.begin_before < latest
    intent = replace(intent, begin_before=time.monotonic() - 1)
    _end_leases()
    recover.leases_ended()
    message.refresh_from_db()
    assert message.status == "unknown"

    outcomes.record([flight.call(_NeverAsked(), intent)])  # type: ignore[arg-type]

    message.refresh_from_db()
    assert message.status == "queued"  # it is known now that nothing went out
    assert message.attempt_count == 0
    assert Dispatch.objects.get().state == "queued"


class _NeverAsked:
    """A client whose every use fails the test."""

    def send_message(self, **_: object) -> Accepted:
        pytest.fail("the call was made")


def test_a_poison_message_takes_none_of_its_siblings_with_it(
    queue: Callable[[int], list[Message]], number: PhoneNumber
) -> None:
    messages = queue(6)
    poison = messages[2]
    for _ in range(30):
        batch = claims.take_due(number_id=number.pk, limit=10).claims
        if poison.pk in {claim.message_id for claim in batch}:
            _end_leases()  # the process that prepares it dies, with all that it has claimed
            recover.leases_ended()
        else:
            outcomes.record([_accepted(intent) for intent in _intend(batch)] if batch else [])
        suspect = claims.take_suspect(number_id=number.pk)
        if suspect is None:
            continue
        if suspect.message_id == poison.pk:
            _end_leases()
            recover.leases_ended()
        else:
            outcomes.record([_accepted(intent) for intent in _intend([suspect])])

    poison.refresh_from_db()
    assert poison.status == "failed"
    assert poison.error is not None
    assert poison.error["title"] == "The message could not be processed"
    assert Message.objects.filter(status="sent").count() == 5


@pytest.mark.django_db(transaction=True)
def test_an_answer_in_hand_outlasts_its_connection(send_text: SendText, number: PhoneNumber) -> None:
    """The server ends the session between the call and the commit, as one that restarts does."""
    message = send_text(is_async=True)
    [intent] = _intend(claims.take_due(number_id=number.pk, limit=1).claims)
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        ours = cursor.fetchone()[0]
    with ThreadPoolExecutor(1) as pool:
        pool.submit(_terminate, ours).result()

    outcomes.keep([_accepted(intent)])

    message.refresh_from_db()
    assert message.status == "sent"


def _terminate(session: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s)", [session])
    connection.close()


def test_one_answer_that_cannot_be_kept_leaves_the_others(
    queue: Callable[[int], list[Message]], number: PhoneNumber
) -> None:
    queue(3)
    intended = _intend(claims.take_due(number_id=number.pk, limit=3).claims)
    too_long = Accepted(wamid="wamid." + "x" * 300)
    landed = [_accepted(intended[0]), outcomes.Landed(intended[1], too_long), _accepted(intended[2])]

    outcomes.keep(landed)

    kept = list(Message.objects.order_by("pk").values_list("status", "wamid"))
    assert [status for status, _ in kept] == ["sent"] * 3
    assert [wamid is None for _, wamid in kept] == [False, True, False]


def test_a_process_that_is_to_stop_claims_nothing(
    send_text: SendText, number: PhoneNumber, stopped: None
) -> None:
    send_text(is_async=True)

    assert deliver.drain(number_id=number.pk) == 0
    assert Dispatch.objects.get().epoch == 0


def test_a_line_that_ends_hands_back_what_it_has_not_begun(
    queue: Callable[[int], list[Message]], twenty_a_second: PhoneNumber
) -> None:
    queue(15)
    number = PhoneNumber.objects.select_related("business_account").get(pk=twenty_a_second.pk)
    granted = throughput.take(number=number, most=15).count
    with line.Line(client=numbers.client_for(number), number=number) as held:
        held.add(claims.take_due(number_id=number.pk, limit=granted).claims)

    assert held.handed_back == granted == 15
    assert set(Dispatch.objects.values_list("state", "claim_count")) == {("queued", 0)}
    assert throughput.take(number=number, most=20).count == 20  # with their places in the budget


_BEFORE_LONG = "CHECK (due_at < now() + interval '2 seconds') NOT VALID"


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("spoil", "mend"),
    [
        ("messagecontent RENAME body TO spoilt", "messagecontent RENAME spoilt TO body"),
        (f"dispatch ADD CONSTRAINT refuses {_BEFORE_LONG}", "dispatch DROP CONSTRAINT refuses"),
    ],
    ids=["they-cannot-be-read", "one-cannot-be-put-off"],
)
def test_a_batch_that_cannot_be_taken_on_goes_back_and_none_of_it_counts_as_lost(
    queue: Callable[[int], list[Message]], twenty_a_second: PhoneNumber, spoil: str, mend: str
) -> None:
    """A failure of the database, as a real one would be."""
    messages = queue(3)
    number = PhoneNumber.objects.select_related("business_account").get(pk=twenty_a_second.pk)
    pairs.exhaust(number=number, peer=messages[1].peer)
    _alter(spoil)
    try:
        with pytest.raises(DatabaseError):
            deliver.drain(number_id=number.pk)
    finally:
        _alter(mend)

    held = Dispatch.objects.values_list("state", "claim_count", "lost_count")
    assert set(held) == {("queued", 0, 0)}
    assert throughput.take(number=number, most=20).count == 20  # with their places in the budget


def _alter(change: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"ALTER TABLE messaging_{change}")


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("is_held", [True, False], ids=["number-is-held", "process-is-to-stop"])
def test_what_is_intended_and_not_begun_goes_back(
    queue: Callable[[int], list[Message]],
    number: PhoneNumber,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    is_held: bool,
) -> None:
    monkeypatch.setattr(flight, "CALLS_AT_ONCE", 2)
    monkeypatch.setattr(flight, "_AHEAD", 3)
    queue(5)
    with RawServer(_answer_late) as meta, ExitStack() as after:
        settings.SANDBOX_URL = meta.url("")
        with line.Line(client=numbers.client_for(number), number=number) as sent:
            sent.add(claims.take_due(number_id=number.pk, limit=5).claims)
            sent.turn()
            assert set(Dispatch.objects.values_list("state", flat=True)) == {"sending"}
            if is_held:
                number.held_for, number.held_until = "spam", timezone.now() + timedelta(minutes=1)
            else:
                stop.asked.set()
                after.callback(stop.asked.clear)

    assert (len(meta.requests), sent.handed_back) == (2, 3)
    back = Message.objects.filter(status="queued", attempt_count=0)
    assert Message.objects.filter(status="sent", attempt_count=1).count() == 2
    assert set(Dispatch.objects.values_list("message_id", "state", "claim_count")) == {
        (message.pk, "queued", 0) for message in back
    }
    assert len(back) == 3


def _answer_late(connection: socket.socket, server: RawServer) -> None:
    server.read_request(connection)
    time.sleep(1)
    _answer(connection)


def _answer(connection: socket.socket) -> None:
    body = b'{"messages": [{"id": "wamid.%s"}]}' % uuid.uuid4().hex.encode()
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))


@pytest.mark.django_db(transaction=True)
def test_the_budget_is_used_as_it_refills_while_calls_are_in_the_air(
    queue: Callable[[int], list[Message]], twenty_a_second: PhoneNumber, settings: Settings
) -> None:
    queue(32)
    all_have_come = threading.Event()

    def answer_once_all_have_come(connection: socket.socket, server: RawServer) -> None:
        server.read_request(connection)
        if len(server.requests) >= 32:
            all_have_come.set()
        all_have_come.wait(4)
        _answer(connection)

    with RawServer(answer_once_all_have_come) as meta:
        settings.SANDBOX_URL = meta.url("")
        assert deliver.drain(number_id=twenty_a_second.pk) == 32
        assert all_have_come.is_set()

    assert Message.objects.filter(status="sent").count() == 32


@pytest.mark.django_db(transaction=True)
def test_a_drain_that_waits_for_its_budget_yields_to_a_number_without_a_place(
    queue: Callable[[int], list[Message]],
    twenty_a_second: PhoneNumber,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(deliver, "DRAINS", 1)
    other = _another(twenty_a_second, 1)
    queue(60)
    with RawServer(_answer_late) as meta, ThreadPoolExecutor(1) as pool:
        settings.SANDBOX_URL = meta.url("")
        draining = pool.submit(_drain_alone, twenty_a_second.pk)
        while len(meta.requests) < 20:
            assert not draining.done()
            time.sleep(0.01)
        assert deliver.drain(number_id=other.pk) == 0

        assert 20 <= draining.result() < 60


def _drain_alone(number_id: int) -> int:
    try:
        return deliver.drain(number_id=number_id)
    finally:
        connection.close()


def test_who_waits_for_another_to_the_same_person_is_no_sign_of_a_spent_budget(
    send_text: SendText, twenty_a_second: PhoneNumber, settings: Settings
) -> None:
    """Thirty are due, twenty may go, and one of each of the three persons can."""
    for n in range(30):
        send_text(to=f"5491140500{n % 3}00", is_async=True)

    assert deliver.drain(number_id=twenty_a_second.pk) >= 20


def test_each_tenants_first_number_comes_before_any_tenants_second(
    tenant: Tenant, send_text: SendText, number: PhoneNumber, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tenants.open_tenant(name="Other")
    mine = [number, *(_another(number, n) for n in range(2))]
    theirs = tenants.add_sandbox(tenant=other)
    for n, one in enumerate([*mine, theirs]):
        message = send_text(to=f"54911406{n:05d}", is_async=True)
        Message.objects.filter(pk=message.pk).update(phone_number=one)
        Dispatch.objects.filter(pk=message.pk).update(
            phone_number=one, due_at=timezone.now() - timedelta(seconds=60 - n)
        )

    assert deliver.numbers_due() == [mine[0].pk, theirs.pk, mine[1].pk, mine[2].pk]
    monkeypatch.setattr(deliver, "_MOST_NUMBERS", 2)
    assert deliver.numbers_due() == [mine[0].pk, theirs.pk]


def _another(number: PhoneNumber, n: int) -> PhoneNumber:
    copy = PhoneNumber.objects.get(pk=number.pk)
    copy.pk = None
    copy.phone_number_id = f"{number.phone_number_id}{n}"
    copy.save()
    return copy
