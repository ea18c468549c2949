"""The doctor against real ills: each is named, with its cure."""

import re
import shutil
import socket
import threading
import time
from collections.abc import Callable, Iterator
from io import StringIO
from pathlib import Path

import pytest
import time_machine
from django.core.management import CommandError, call_command
from django.db import connection
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer

from accounts import checkup
from accounts.models import MetaApp
from gosend.demo import running, seed
from gosend.demo.running import Address
from gosend.doctor import machine, meta, work
from gosend.doctor.findings import Finding, State
from gosend.lib import heartbeat
from gosend.sandbox import management
from gosend.sandbox.server import SandboxServer
from gosend.sandbox.world import Line
from gosend.whatsapp.client import GraphClient, HttpTransport
from tests import factories
from tests.conftest import Party
from tests.faults.servers import Redis
from tests.lib.raw_server import RawServer, keeps_alive

pytestmark = pytest.mark.django_db

GOOD = "EAAgood"
WABA, NUMBER = "112233445566778", "998877665544332"


@pytest.fixture
def graph() -> Iterator[SandboxServer]:
    server = SandboxServer(("127.0.0.1", 0), secret="-", lines=(Line(WABA, NUMBER, "15550100001"),))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


def free_port() -> int:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        return int(holder.getsockname()[1])


def client(graph: SandboxServer, token: str) -> GraphClient:
    base_url = f"http://127.0.0.1:{graph.port}"
    return GraphClient(transport=HttpTransport(base_url, "v25.0", timeout_seconds=5), token=token)


def looked(graph: SandboxServer, *, token: str = GOOD, waba_id: str = WABA, number: str = NUMBER) -> dict[
    str, checkup.Step
]:  # fmt: skip
    tenant = factories.TenantFactory.create()
    found = checkup.run(
        client=client(graph, token),
        waba_id=waba_id,
        phone_number_id=number,
        tenant_id=tenant.pk,
    )
    return {step.name: step for step in found.steps}


def states(steps: dict[str, checkup.Step]) -> dict[str, str]:
    return {name: step.state.value for name, step in steps.items()}


def test_what_is_not_subscribed_and_not_known_is_said_with_its_cure(graph: SandboxServer) -> None:
    steps = looked(graph)

    assert states(steps) == {
        "token": "ok", "account": "ok", "number": "ok", "webhooks": "failed", "app secret": "failed",
    }  # fmt: skip
    assert management.APP_ID in steps["app secret"].cure
    assert all(bool(step.cure) == (step.state is not State.OK) for step in steps.values())


def test_all_is_well_once_the_cures_were_taken(graph: SandboxServer) -> None:
    client(graph, GOOD).subscribe(waba_id=WABA)
    factories.MetaAppFactory.create(app_id=management.APP_ID, tenant=None)

    assert set(states(looked(graph)).values()) == {"ok"}


@pytest.mark.parametrize(
    ("token", "state", "says"),
    [
        ("expired-1", "failed", "190"),
        ("limited-1", "failed", "whatsapp_business_messaging"),
        ("ending-1", "warning", "ends on"),
    ],
)
def test_a_token_that_will_not_do_is_told(graph: SandboxServer, token: str, state: str, says: str) -> None:
    step = looked(graph, token=token)["token"]

    assert (step.state.value, says in step.says, "system user" in step.cure) == (state, True, True)


def test_a_number_of_another_account_is_told_with_those_that_are_there(graph: SandboxServer) -> None:
    step = looked(graph, number="123456789")["number"]

    assert (step.state, NUMBER in step.cure) == (State.FAILED, True)


def test_an_account_that_the_token_does_not_reach_ends_the_checkup(graph: SandboxServer) -> None:
    steps = looked(graph, waba_id="55555555")

    assert states(steps) == {"token": "ok", "account": "failed", "number": "skipped", "webhooks": "skipped"}


def test_a_sandbox_number_is_well(acme: Party) -> None:
    assert checkup.of_number(acme.number).state is State.OK


def one(look: Callable[[], Iterator[Finding]], about: str) -> Finding:
    return next(finding for finding in look() if finding.about == about)


def test_a_worker_that_died_and_a_beat_that_never_was_are_told() -> None:
    heartbeat.stamp(kind="worker", name="worker@here:1")
    with connection.cursor() as cursor:
        cursor.execute("UPDATE gosend_heartbeat SET at = at - interval '5 minutes'")

    assert one(work.processes, "worker").state is State.FAILED
    assert "messaging.sweep" in one(work.beat, "beat").says

    heartbeat.stamp(kind="worker", name="worker@here:2")

    assert one(work.processes, "worker").state is State.OK


def test_a_sweep_that_is_not_due_yet_is_no_ill_but_a_late_one_is() -> None:
    heartbeat.stamp(kind="sweep", name="messaging.sweep")

    assert one(work.beat, "beat").state is State.OK

    heartbeat.stamp(kind="sweep", name="messaging.ingest")
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE gosend_heartbeat SET at = at - interval '5 minutes' WHERE name = 'messaging.ingest'"
        )
    assert one(work.beat, "beat").says == "Not swept lately: messaging.ingest."


def test_clocks_that_agree_are_well() -> None:
    for kind in ("web", "worker", "beat"):
        heartbeat.stamp(kind=kind, name=f"{kind}@here:1")

    assert [(found.about, found.state) for found in work.clocks()] == [("clocks", State.OK)]


@pytest.mark.parametrize(
    ("ahead", "says"),
    [
        (
            {"worker": 6},
            ["worker@there:1 is 6.0 s ahead of beat: it drops every sweep as expired (after 5 s)"],
        ),
        # Both are right by PostgreSQL, and still too far from each other.
        ({"worker": 3, "beat": -3}, ["worker@there:1 is 6.0 s ahead of beat"]),
        ({"worker": 9, "beat": 9}, ["beat@there:1 is +9.0 s off", "worker@there:1 is +9.0 s off"]),
        ({"web": -7}, ["web@there:1 is -7.0 s off PostgreSQL's clock."]),
        # What is early never expires.
        ({"worker": -4}, []),
    ],
)
def test_a_clock_that_makes_a_worker_drop_every_sweep_is_told(ahead: dict[str, int], says: list[str]) -> None:
    for kind in ("web", "worker", "beat"):
        with time_machine.travel(time.time() + ahead.get(kind, 0), tick=True):
            heartbeat.stamp(kind=kind, name=f"{kind}@there:1")

    found = [finding for finding in work.clocks() if finding.state is State.FAILED]

    # To the second: reading the clock took a moment, too.
    told = [re.sub(r"\d+\.\d", lambda seconds: f"{round(float(seconds[0]))}.0", one.says) for one in found]
    assert [one[: len(start)] for one, start in zip(told, says, strict=True)] == says
    assert {one.cure[:22] for one in found} <= {"Keep the time with NTP"}


def test_a_message_that_waits_is_told() -> None:
    factories.DispatchFactory.create(state="queued", due_at="2026-01-01T00:00:00Z")

    found = one(work.piles, "messages waiting")

    assert (found.state, found.says[:2]) == (State.WARNING, "1,")


def test_a_callback_that_was_given_up_is_told() -> None:
    assert not [found for found in work.piles() if found.about == "callbacks given up"]
    factories.MetaEventFactory.create(next_attempt_at=None)

    found = one(work.piles, "callbacks given up")

    assert (found.state, found.says[:2]) == (State.WARNING, "1 ")


@pytest.mark.parametrize("body", [b"<h1>Welcome</h1>", b'{"status": "ok"}'])
def test_a_stranger_who_says_that_all_is_well_is_not_us(body: bytes) -> None:
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
    with RawServer(keeps_alive(answer)) as other:
        address = Address(other.url("").rstrip("/"), "PUBLIC_URL")
        found = one(lambda: machine.public_address(address), "public address")

    assert found.state is State.FAILED
    assert found.says.endswith("answers 200 to /healthz, and not as GoSend does.")


def test_redis_and_an_address_that_do_not_answer_are_told(settings: Settings) -> None:
    port = free_port()
    settings.REDIS_URL = f"redis://127.0.0.1:{port}/0"
    address = Address(f"http://127.0.0.1:{port}", "PUBLIC_URL")

    assert one(machine.broker, "redis").state is State.FAILED
    found = one(lambda: machine.public_address(address), "public address")
    assert (found.state, found.says) == (
        State.FAILED, f"{address.url} (PUBLIC_URL) is silent: nobody listens there."
    )  # fmt: skip


@pytest.mark.parametrize("url", ["http://127.0.0.1:99999", "http://127.0.0.1:x"])
def test_a_public_url_with_a_bad_port_is_told(url: str) -> None:
    """PUBLIC_URL is not refused as --url is: the doctor goes on, and the settings' own check names it."""
    found = one(lambda: machine.public_address(Address(url, "PUBLIC_URL")), "public address")

    assert found.state is State.FAILED
    assert "check PUBLIC_URL" in found.cure


@pytest.mark.skipif(shutil.which("redis-server") is None, reason="needs redis-server")
def test_a_redis_that_is_full_is_told(settings: Settings, tmp_path: Path) -> None:
    redis = Redis(tmp_path)
    redis.start()
    settings.REDIS_URL = f"redis://127.0.0.1:{redis.port}/0"
    try:
        before = one(machine.broker, "redis").state
        with redis.client() as client:
            client.config_set("maxmemory", "1")
        found = one(machine.broker, "redis")
    finally:
        redis.kill()

    assert (before, found.state) == (State.OK, State.FAILED)
    assert (found.says[:13], "maxmemory" in found.cure) == ("Redis is full", True)


@pytest.mark.django_db(transaction=True)
def test_an_address_that_leads_here_is_well(live_server: LiveServer) -> None:
    address = Address(live_server.url, "--url")

    assert one(lambda: machine.public_address(address), "public address").state is State.OK


@pytest.mark.django_db(transaction=True)
def test_the_running_demo_is_found(settings: Settings, tmp_path: Path, live_server: LiveServer) -> None:
    settings.IS_EMBEDDED, settings.VAR_DIR = True, tmp_path
    settings.ALLOWED_HOSTS = ["127.0.0.1"]
    url = f"http://127.0.0.1:{live_server.thread.port}"
    seed.save(seed.Demo(base_url=url), tmp_path / "demo.json")

    assert running.find() == Address(url, "the demo's address")
    assert running.find("http://127.0.0.1:9/") == Address("http://127.0.0.1:9", "--url")
    settings.IS_EMBEDDED = False
    assert running.find().source == "PUBLIC_URL"


def test_a_demo_that_has_ended_is_not_found(settings: Settings, tmp_path: Path) -> None:
    settings.IS_EMBEDDED, settings.VAR_DIR = True, tmp_path
    seed.save(seed.Demo(base_url=f"http://127.0.0.1:{free_port()}"), tmp_path / "demo.json")

    assert running.find() == Address(settings.PUBLIC_URL, "PUBLIC_URL")


@pytest.mark.parametrize("body", [b'{"status": "ok"}', b"", b"[]", b"null"])
def test_another_server_on_the_port_of_a_past_demo_is_not_the_demo(
    body: bytes, settings: Settings, tmp_path: Path
) -> None:
    settings.IS_EMBEDDED, settings.VAR_DIR = True, tmp_path
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
    with RawServer(keeps_alive(answer)) as other:
        seed.save(seed.Demo(base_url=other.url("")), tmp_path / "demo.json")
        assert running.find() == Address(settings.PUBLIC_URL, "PUBLIC_URL")
        assert other.requests[0].startswith(b"GET /healthz ")


def test_only_this_machine_is_asked_whether_it_is_the_demo(settings: Settings, tmp_path: Path) -> None:
    settings.IS_EMBEDDED, settings.VAR_DIR = True, tmp_path
    with RawServer(keeps_alive(b"HTTP/1.1 204 No Content\r\n\r\n")) as other:
        for url in (other.url("", host="localhost"), "http://["):
            seed.save(seed.Demo(base_url=url), tmp_path / "demo.json")
            assert running.find() == Address(settings.PUBLIC_URL, "PUBLIC_URL")
        assert other.connections == 0


def test_without_a_live_number_nothing_is_asked_of_meta(graph: SandboxServer, settings: Settings) -> None:
    settings.META_GRAPH_URL = "http://127.0.0.1:9"
    factories.PhoneNumberFactory.create(is_sandbox=True)

    (found,) = meta.accounts(asks_meta=True)

    assert (found.about, found.state) == ("accounts", State.SKIPPED)


def test_a_meta_that_does_not_answer_is_given_up_soon_with_the_cure(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "META_SECONDS", 0.2)
    for _ in range(3):
        factories.PhoneNumberFactory.create(is_sandbox=False)
    began_at = time.monotonic()

    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        settings.META_GRAPH_URL = f"http://127.0.0.1:{silent.getsockname()[1]}"
        found = list(meta.accounts(asks_meta=True))

    assert time.monotonic() - began_at < 2
    assert [(one.about, one.state) for one in found[:1]] == [("meta", State.FAILED)]
    assert "make doctor ARGS=--offline" in found[0].cure
    assert [one.about.split()[-1] for one in found[1:]] == ["token"] * 3


def test_a_resolver_that_does_not_answer_is_left_behind(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = threading.Event()
    monkeypatch.setattr(machine, "META_SECONDS", 0.1)
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_: answers.wait(10))

    (found,) = machine.meta_reached()
    answers.set()

    assert (found.state, found.says) == (
        State.FAILED, f"{settings.META_GRAPH_URL} cannot be reached: dns."
    )  # fmt: skip


def test_a_folder_that_cannot_be_written_is_told(settings: Settings) -> None:
    settings.STORAGES = settings.STORAGES | {
        "default": {
            "BACKEND": "django.core.files.storage.FileSystemStorage",
            "OPTIONS": {"location": "/proc/nowhere"},
        }
    }

    assert one(machine.storage, "files").state is State.FAILED


def test_the_command_counts_and_ends_with_an_error(settings: Settings, tmp_path: Path) -> None:
    settings.VAR_DIR = tmp_path  # no demo that may be running beside the tests
    settings.PUBLIC_URL = f"http://127.0.0.1:{free_port()}"
    MetaApp.objects.all().delete()
    said = StringIO()

    with pytest.raises(CommandError, match=r"^1 thing is wrong; |^\d+ things are wrong; "):
        call_command("doctor", "--offline", stdout=said)

    assert "FAIL public address" in said.getvalue()
    assert "ok   database" in said.getvalue()
    assert said.getvalue().splitlines()[-1].startswith("doctor: looked=")


@pytest.mark.parametrize("url", ["localhost:8000", "http://x:99999", "http://x:0", "https://", "ftp://x"])
def test_what_is_no_address_of_a_web_server_is_refused(url: str) -> None:
    with pytest.raises(CommandError, match="give one such as"):
        running.find(url)
