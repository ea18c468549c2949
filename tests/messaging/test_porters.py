"""Slow hosts of links: few connections to the database, places for other tenants, no claim lost."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from django.db import connection, connections
from pytest_django import Settings

from accounts import tenants
from accounts.models import PhoneNumber, Tenant
from gosend.sandbox.server import SandboxServer
from gosend.whatsapp import content
from messaging import deliver, porters, send
from messaging.models import Dispatch, Message
from messaging.porters import Porters
from tests.messaging.media_host import MediaHost, Page, serving

pytestmark = pytest.mark.django_db(transaction=True)
OF_ONE_TENANT = porters.PORTERS // 2
# The test's own connection, the drain's and those of the desks. In tests a desk closes its own after each
# question, and PostgreSQL may still count it when the next is open.
MOST_CONNECTIONS = 2 + 2 * porters.DESKS


@pytest.fixture
def host() -> Iterator[MediaHost]:
    server = MediaHost()
    stop = serving(server)
    yield server
    _wait_until(lambda: not porters._porters._busy)  # else they speak to the next test's database
    stop()


@pytest.fixture(params=["in process", "over HTTP"])
def meta(request: pytest.FixtureRequest, settings: Settings) -> Iterator[None]:
    if request.param == "in process":
        yield
        return
    server = SandboxServer(("127.0.0.1", 0), secret="secret")
    stop = serving(server)
    settings.SANDBOX_URL = f"http://127.0.0.1:{server.port}"
    yield
    stop()


def _accept(number: PhoneNumber, host: MediaHost, name: str, *, seconds: float, count: int) -> list[Message]:
    """Messages on a number, each with a link of its own to a host that takes so long."""
    return [
        send.accept(
            tenant=number.tenant,
            number=number,
            to=f"54911402{n:02d}1{name[0] == 'q':d}3",
            content=content.parse(
                type="image", value={"link": host.put(f"/{name}{n}.png", Page(delay_seconds=seconds))}
            ),
            environment="test",
            is_async=True,
        )
        for n in range(count)
    ]


@contextmanager
def _draining(number: PhoneNumber, *, seconds: float) -> Iterator[threading.Thread]:
    def drain() -> None:
        try:
            deliver.drain(number_id=number.pk, seconds=seconds)
        finally:
            connections.close_all()

    thread = threading.Thread(target=drain)
    thread.start()
    try:
        yield thread
    finally:
        thread.join()


def _count_connections() -> int:
    with connection.cursor() as cursor:
        cursor.execute(_COUNT)
        return int(cursor.fetchone()[0])


_COUNT = """
SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND backend_type = 'client backend'
"""


def _wait_until(is_so: Callable[[], bool], *, seconds: float = 15) -> None:
    stop_at = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < stop_at
        time.sleep(0.02)


def test_slow_links_take_a_few_connections_and_a_few_threads_however_many_they_are(
    number: PhoneNumber, host: MediaHost, meta: None
) -> None:
    _accept(number, host, "slow", seconds=1.0, count=40)
    threads_before = threading.active_count()
    connections_seen, porters_seen = [], []

    for _ in range(3):
        with _draining(number, seconds=0.5) as drain:
            while drain.is_alive():
                connections_seen.append(_count_connections())
                porters_seen.append(porters._porters._busy.total())
                time.sleep(0.01)
    busy = threading.active_count() - threads_before

    assert max(connections_seen) <= MOST_CONNECTIONS
    assert max(porters_seen) == OF_ONE_TENANT
    assert busy < 2 * OF_ONE_TENANT + 20  # the hosts' own threads among them


def test_hosts_that_hang_leave_places_for_another_tenants_links(
    number: PhoneNumber, host: MediaHost, meta: None
) -> None:
    other = tenants.add_sandbox(tenant=tenants.open_tenant(name="Globex"))
    _accept(number, host, "hangs", seconds=3.0, count=40)
    (quick,) = _accept(other, host, "quick", seconds=0.0, count=1)

    with _draining(number, seconds=1.5):
        _wait_until(lambda: host.asked.total() == OF_ONE_TENANT)
        began = time.monotonic()
        with _draining(other, seconds=5):
            pass
        took = time.monotonic() - began

    quick.refresh_from_db()
    assert quick.status == "sent"
    assert took < 1.5


def test_what_waits_for_a_porter_goes_back_uncounted_and_all_of_it_is_sent(
    number: PhoneNumber, host: MediaHost, meta: None
) -> None:
    count = 3 * OF_ONE_TENANT
    messages = _accept(number, host, "slow", seconds=0.6, count=count)

    deliver.drain(number_id=number.pk, seconds=0.3)

    waiting = Dispatch.objects.filter(state="queued", claim_count=0, lost_count=0)
    assert waiting.count() == count - OF_ONE_TENANT
    assert Dispatch.objects.filter(state="claimed").count() == OF_ONE_TENANT
    _wait_until(lambda: not Dispatch.objects.filter(state="claimed").exists())
    deliver.drain(number_id=number.pk)
    assert set(Message.objects.values_list("status", "attempt_count")) == {("sent", 1)}
    assert host.asked.total() == len(messages)


def test_where_hosts_of_several_tenants_hang_there_is_a_place_for_the_next() -> None:
    crew, may_go = Porters(8), threading.Event()

    def hang() -> None:
        may_go.wait(5)

    for tenant_id in (1, 2, 3):
        for _ in range(20):
            crew.submit(hang, tenant_id=tenant_id, owner=None)

    assert dict(crew._busy) == {1: 4, 2: 2, 3: 1}
    crew.submit(hang, tenant_id=4, owner=None)
    assert crew._busy[4] == 1
    may_go.set()
    _wait_until(lambda: not crew._busy)


def test_the_tenants_take_turns_and_who_withdraws_is_not_served(tenant: Tenant) -> None:
    crew, may_go, done = Porters(2), threading.Event(), list[str]()

    def job(name: str) -> Callable[[], None]:
        def _job() -> None:
            may_go.wait(5)
            done.append(name)

        return _job

    here, gone = object(), object()
    for name, tenant_id, owner in (
        ("a1", 1, here),
        ("a2", 1, here),
        ("a3", 1, gone),
        ("b1", 2, here),
        ("b2", 2, here),
        ("c1", 3, gone),
    ):
        crew.submit(job(name), tenant_id=tenant_id, owner=owner)
    assert dict(crew._busy) == {1: 1, 2: 1}
    crew.withdraw(gone)
    may_go.set()
    _wait_until(lambda: not crew._busy)

    assert sorted(done) == ["a1", "a2", "b1", "b2"]
    assert done.index("a1") < done.index("a2")
    assert not crew._waiting
