"""webhooks_app/hand.py and claims.py: what hangs, and who has much, leave some to the others."""

import threading
from datetime import timedelta

import pytest
from django.db.models.functions import Now

from accounts import tenants
from accounts.models import PhoneNumber, Tenant
from tests.webhooks_app import receiver as receivers
from tests.webhooks_app.conftest import Publish
from webhooks_app import claims, deliver, endpoints
from webhooks_app.claims import Bounds
from webhooks_app.hand import Hand, slow
from webhooks_app.models import Delivery, WebhookEndpoint

URL = "https://customer.example/hook"


@pytest.fixture
def globex(db: None) -> PhoneNumber:
    """The number of another tenant."""
    return tenants.add_sandbox(tenant=tenants.open_tenant(name="Globex"))


def _add(number: PhoneNumber, count: int, url: str = URL) -> list[WebhookEndpoint]:
    return [
        endpoints.add(tenant=number.tenant, number=number, url=url, events=["*"])[0] for _ in range(count)
    ]


def test_a_fresh_event_has_its_turn_before_a_second_of_another_tenants_backlog(
    number: PhoneNumber, globex: PhoneNumber, publish: Publish
) -> None:
    _add(number, 8)
    publish(number)
    [fresh] = _add(globex, 1)
    publish(globex)

    taken = claims.take_due(limit=2)

    assert fresh.pk in {claim.delivery.endpoint_id for claim in taken}


def test_of_a_tenants_endpoints_the_quick_and_the_failing_have_their_turns_side_by_side(
    number: PhoneNumber, publish: Publish
) -> None:
    failing = _add(number, 8)
    WebhookEndpoint.objects.update(failing_since=Now())
    publish(number)
    [quick] = _add(number, 1)
    publish(number)

    taken = {claim.delivery.endpoint_id for claim in claims.take_due(limit=2)}

    assert quick.pk in taken
    assert taken & {one.pk for one in failing}


def test_a_claim_keeps_within_what_is_left_to_each_tenant_and_to_what_is_slow(
    number: PhoneNumber, globex: PhoneNumber, publish: Publish
) -> None:
    known = _add(number, 3)
    _add(globex, 3)
    publish(number)
    publish(globex)
    bounds = Bounds(
        of_tenant=3, of_tenants={globex.tenant_id: 1}, slow=[one.pk for one in known[:2]], of_slow=1
    )

    taken = [claim.delivery.endpoint for claim in claims.take_due(limit=16, bounds=bounds)]

    assert [one.tenant_id for one in taken].count(globex.tenant_id) == 1
    assert len({one.pk for one in taken} & {one.pk for one in known[:2]}) == 1
    assert known[2].pk in {one.pk for one in taken}


def _until_well(receiver: receivers.Receiver) -> list[bool]:
    """Have every post wait until one to /well has come, for three seconds; whether each saw it come."""
    served, waits = threading.Event(), list[bool]()

    def answer(handler: receivers.Handler) -> None:
        if handler.path == "/well":
            served.set()
        else:
            waits.append(served.wait(3))
        receivers.reply(200)(handler)

    receiver.answer = answer
    return waits


def test_a_tenant_whose_endpoints_all_hang_leaves_threads_to_the_others(
    number: PhoneNumber, globex: PhoneNumber, receiver: receivers.Receiver, publish: Publish
) -> None:
    _add(number, 20, receiver.url("/hangs"))
    publish(number)
    _add(globex, 1, receiver.url("/well"))
    publish(globex)
    waits = _until_well(receiver)

    assert deliver.run() == 21

    assert all(waits)


def test_what_was_slow_leaves_threads_to_the_same_tenants_quick_endpoints(
    number: PhoneNumber, receiver: receivers.Receiver, publish: Publish
) -> None:
    for one in _add(number, 20, receiver.url("/slow")):
        slow.note(one.pk)
    publish(number)
    _add(number, 1, receiver.url("/well"))
    Delivery.objects.update(next_attempt_at=Now() - timedelta(seconds=9))
    publish(number)
    waits = _until_well(receiver)

    assert deliver.run() == 41

    assert all(waits)


def test_another_run_is_wanted_where_a_tenant_has_all_that_it_may_and_a_post_of_its_is_slow(
    number: PhoneNumber, publish: Publish
) -> None:
    endpoints = _add(number, 12)
    publish(number)
    hand = Hand(16)
    for claim in claims.take_due(limit=12):
        hand.begin(claim, at=100.0)

    assert hand.busy == 12
    assert hand.has_room, "quick posts give their threads back within a moment"
    slow.note(endpoints[0].pk)
    assert not hand.has_room


def test_a_post_that_hangs_makes_its_endpoint_slow_and_hands_back_what_waits_behind_it(
    number: PhoneNumber, publish: Publish
) -> None:
    [endpoint] = _add(number, 1)
    for _ in range(3):
        publish(number)
    hand = Hand(16)
    first, *others = claims.take_due(limit=3)
    hand.begin(first, at=100.0)
    for claim in others:
        hand.keep(claim, at=100.0)

    assert hand.note_slow(now=100.5) == []
    assert not hand.is_held_up(now=100.5)
    assert hand.note_slow(now=101.5) == others
    assert hand.is_held_up(now=101.5)
    assert (hand.held, slow.has(endpoint)) == (1, True)
    assert hand.bounds(lot=128).of_tenants == {number.tenant_id: 123}
    assert hand.bounds(lot=128).of_slow == 7


def test_what_finds_no_thread_in_time_is_given_up_before_its_lease_ends(
    number: PhoneNumber, publish: Publish
) -> None:
    _add(number, 1)
    publish(number)
    hand = Hand(16)
    [claim] = claims.take_due(limit=1)
    hand.keep(claim, at=100.0)

    assert hand.let_go_late(before=100.0) == []
    assert hand.let_go_late(before=100.1) == [claim]
    assert hand.held == 0


def test_a_run_past_its_time_goes_on_while_its_last_posts_hang(
    acme: Tenant, number: PhoneNumber, receiver: receivers.Receiver, publish: Publish
) -> None:
    _add(number, 1, receiver.url("/hangs"))
    publish(number)
    [well] = _add(number, 1, receiver.url("/well"))
    Delivery.objects.create(
        tenant=acme,
        endpoint=well,
        event=Delivery.objects.get().event,
        next_attempt_at=Now() + timedelta(seconds=1.6),
    )
    served, waits = threading.Event(), []

    def answer(handler: receivers.Handler) -> None:
        if handler.path == "/well":
            served.set()
        else:
            waits.append(served.wait(5))
        receivers.reply(200)(handler)

    receiver.answer = answer
    assert deliver.run(seconds=0.5) == 2

    assert waits == [True]
