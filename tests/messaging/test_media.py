"""Linked files: brought to Meta once, or the message says why not."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import timedelta
from typing import Any

import pytest
from django.db import connections
from django.utils import timezone
from pytest_django import Settings

from accounts.models import PhoneNumber, Tenant
from gosend.sandbox.server import SandboxServer
from gosend.whatsapp import content, files
from messaging import deliver, media, send
from messaging.models import Dispatch, MediaUpload, Message
from tests.messaging.media_host import PNG, MediaHost, Page, serving

Send = Callable[..., Message]


@pytest.fixture
def host() -> Iterator[MediaHost]:
    server = MediaHost()
    stop = serving(server)
    yield server
    stop()


@pytest.fixture
def meta(settings: Settings) -> Iterator[SandboxServer]:
    """Meta as a server of its own, so that a test sees what reached it."""
    server = SandboxServer(("127.0.0.1", 0), secret="secret")
    stop = serving(server)
    settings.SANDBOX_URL = f"http://127.0.0.1:{server.port}"
    yield server
    stop()


@pytest.fixture
def send_image(tenant: Tenant, number: PhoneNumber, meta: SandboxServer) -> Send:
    def _send(link: str, *, to: str = "5491140123456", **options: Any) -> Message:
        return send.accept(
            tenant=tenant,
            number=number,
            to=to,
            content=content.parse(type="image", value={"link": link, "caption": "Look"}),
            environment="test",
            **options,
        )

    return _send


def _all_due() -> None:
    Dispatch.objects.update(due_at=timezone.now() - timedelta(seconds=1))


def test_a_link_reaches_meta_as_the_id_of_an_upload(
    send_image: Send, host: MediaHost, meta: SandboxServer
) -> None:
    link = host.put("/a.png", Page(PNG, headers={"Content-Type": "text/html"}))

    message = send_image(link)

    assert message.status == "sent"
    (upload,) = meta.received()["uploads"]
    assert (upload["mime_type"], upload["size"]) == ("image/png", len(PNG))
    (sent,) = meta.received()["messages"]
    assert sent["content"] == {"id": upload["media_id"], "caption": "Look"}
    assert message.content.body["image"]["link"] == link
    assert host.authorizations == [None]


def test_the_same_link_is_brought_once_in_ten_minutes(
    send_image: Send, host: MediaHost, meta: SandboxServer
) -> None:
    link = host.put("/a.png")

    for _ in range(2):
        send_image(link)
    assert (host.asked["/a.png"], len(meta.received()["uploads"])) == (1, 1)

    MediaUpload.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    send_image(link)
    assert (host.asked["/a.png"], len(meta.received()["uploads"])) == (2, 2)


@pytest.mark.parametrize(
    ("page", "code", "said"),
    [
        (Page(b"gone", 404), "media_download_failed", "answered 404"),
        (Page(b"<html><body>Log in</body></html>"), "unsupported_media", "text/html"),
        (Page(b""), "unsupported_media", "empty"),
        (Page(PNG + bytes(5 * files.MB)), "media_too_large", str(5 * files.MB)),
        (Page(b"", 302, {"Location": "http://10.0.0.1/a.png"}), "media_download_failed", "blocked_address"),
        (Page(b"", 302, {"Location": "/a.png"}), "media_download_failed", "more than 3 times"),
        (Page(b"", 302, {"Location": "ftp://127.0.0.1/a"}), "media_download_failed", "bad_url"),
    ],
)
def test_a_file_that_can_never_go_fails_the_message_at_once(
    send_image: Send, host: MediaHost, meta: SandboxServer, page: Page, code: str, said: str
) -> None:
    message = send_image(host.put("/a.png", page))

    assert message.status == "failed"
    assert message.error is not None
    assert message.error["gosend_code"] == code
    assert said in message.error["message"]
    assert message.attempt_count == 0
    assert Dispatch.objects.count() == 0
    assert MediaUpload.objects.count() == 0
    assert meta.received()["messages"] == []


def test_a_link_into_a_private_network_is_never_called(
    send_image: Send, host: MediaHost, settings: Settings
) -> None:
    settings.TRUSTED_NETWORKS = []

    message = send_image(host.put("/a.png"))

    assert message.status == "failed"
    assert host.asked["/a.png"] == 0


@pytest.mark.django_db(transaction=True)
def test_a_host_in_trouble_is_tried_five_times_with_growing_waits(
    send_image: Send, number: PhoneNumber, host: MediaHost, meta: SandboxServer
) -> None:
    message = send_image(host.put("/a.png", Page(b"", 503)))
    waits = []
    for tries in range(1, 5):
        message.refresh_from_db()
        assert (message.status, host.asked["/a.png"]) == ("queued", tries)
        waits.append((Dispatch.objects.get().due_at - timezone.now()).total_seconds())
        assert deliver.drain(number_id=number.pk) == 0
        _all_due()
        assert deliver.drain(number_id=number.pk) == 1

    message.refresh_from_db()
    assert (message.status, message.attempt_count, host.asked["/a.png"]) == ("failed", 0, 5)
    assert [round(wait, -1) for wait in waits] == [0, 10, 30, 130]
    assert meta.received()["messages"] == []


@pytest.mark.django_db(transaction=True)
def test_a_file_that_comes_back_goes_out(send_image: Send, number: PhoneNumber, host: MediaHost) -> None:
    message = send_image(host.put("/a.png", Page(b"", 500)))
    host.put("/a.png")
    _all_due()

    deliver.drain(number_id=number.pk)

    message.refresh_from_db()
    assert (message.status, message.error) == ("sent", None)


def test_metas_refusal_of_the_upload_is_the_messages_error(send_image: Send, host: MediaHost) -> None:
    message = send_image(host.put("/a.png", Page(PNG + b"gosend-sandbox:131053")))

    assert message.status == "failed"
    assert message.error is not None
    assert (message.error["code"], media.refusal_in(message.error)) == (131053, None)


@pytest.mark.parametrize("code", [131016, 130429])
def test_an_upload_that_meta_puts_off_is_tried_again(send_image: Send, host: MediaHost, code: int) -> None:
    message = send_image(host.put("/a.png", Page(PNG + b"gosend-sandbox:%d" % code)))

    assert message.status == "queued"
    assert message.error is not None
    assert message.error["code"] == code
    assert Dispatch.objects.get().state == "queued"


@pytest.mark.django_db(transaction=True)
def test_a_linked_file_waits_for_meta_as_long_as_any_message_and_its_link_keeps_its_own_tries(
    send_image: Send, number: PhoneNumber, host: MediaHost, meta: SandboxServer, settings: Settings
) -> None:
    there = settings.SANDBOX_URL
    settings.SANDBOX_URL = "http://127.0.0.1:9"
    message = send_image(host.put("/a.png"))
    for _ in range(media.MAX_TRIES + 1):
        _all_due()
        assert deliver.drain(number_id=number.pk) == 1
    message.refresh_from_db()
    assert (message.status, message.attempt_count) == ("queued", 0)
    wait = (Dispatch.objects.get().due_at - timezone.now()).total_seconds()
    assert 290 < wait <= 300

    settings.SANDBOX_URL = there
    host.put("/a.png", Page(b"", 503))
    _all_due()
    deliver.drain(number_id=number.pk)
    message.refresh_from_db()
    assert message.status == "queued"

    host.put("/a.png")
    _all_due()
    deliver.drain(number_id=number.pk)
    message.refresh_from_db()
    assert message.status == "sent"


@pytest.mark.django_db(transaction=True)
def test_a_slow_host_keeps_nobody_else_waiting(
    send_image: Send, send_text: Send, number: PhoneNumber, host: MediaHost, meta: SandboxServer
) -> None:
    slow = send_image(host.put("/slow.png", Page(delay_seconds=1.5)), to="5491140000001", is_async=True)
    quick = send_image(host.put("/quick.png"), to="5491140000002", is_async=True)
    text = send_text(to="5491140000003", is_async=True)

    draining = threading.Thread(target=_drain, args=[number.pk])
    draining.start()
    stop_at = time.monotonic() + 1.2
    while len(meta.received()["messages"]) < 2:
        assert time.monotonic() < stop_at
        time.sleep(0.02)
    draining.join()

    assert [m["to"] for m in meta.received()["messages"]] == [text.peer, quick.peer, slow.peer]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("status", "waits"), [(503, True), (200, False)])
def test_a_host_that_takes_longer_than_a_drain_is_one_try(
    send_image: Send, number: PhoneNumber, host: MediaHost, status: int, waits: bool
) -> None:
    message = send_image(host.put("/a.png", Page(status=status, delay_seconds=1.0)), is_async=True)

    deliver.drain(number_id=number.pk, seconds=0.3)
    held = Dispatch.objects.get()
    stop_at = time.monotonic() + 3
    while Dispatch.objects.get().state != "queued" and time.monotonic() < stop_at:
        time.sleep(0.05)

    kept = Dispatch.objects.get()
    assert (held.state, kept.state, kept.claim_count) == ("claimed", "queued", int(waits))
    assert (kept.due_at > timezone.now()) is waits
    deliver.drain(number_id=number.pk)
    message.refresh_from_db()
    assert (message.status, host.asked["/a.png"]) == ("queued" if waits else "sent", 1)


@pytest.mark.django_db(transaction=True)
def test_sends_of_one_link_at_once_share_one_download(
    send_image: Send, host: MediaHost, meta: SandboxServer
) -> None:
    link = host.put("/a.png", Page(delay_seconds=0.3))

    def one(peer: int) -> str:
        try:
            return send_image(link, to=f"549114000000{peer}").status
        finally:
            connections.close_all()

    with ThreadPoolExecutor(max_workers=2) as pool:
        assert list(pool.map(one, range(2))) == ["sent"] * 2

    assert (host.asked["/a.png"], len(meta.received()["uploads"])) == (1, 1)


def test_a_claim_that_ended_during_the_download_sends_nothing(
    send_image: Send, number: PhoneNumber, host: MediaHost, meta: SandboxServer, settings: Settings
) -> None:
    settings.CLAIM_LEASE_SECONDS = 0

    message = send_image(host.put("/a.png"))

    assert message.status == "queued"
    assert meta.received()["messages"] == []
    assert Dispatch.objects.get().state == "claimed"


def test_old_links_are_forgotten(send_image: Send, host: MediaHost) -> None:
    send_image(host.put("/a.png"))

    assert media.forget_expired() == 0
    MediaUpload.objects.update(expires_at=timezone.now() - timedelta(hours=1))
    assert media.forget_expired() == 1


def _drain(number_id: int) -> None:
    try:
        deliver.drain(number_id=number_id)
    finally:
        connections.close_all()


@pytest.mark.django_db(transaction=True)
def test_a_tenant_waits_for_two_links_at_once_and_leaves_more_to_a_worker(
    send_image: Send, host: MediaHost
) -> None:
    slow = Page(PNG, delay_seconds=1.0)

    def send_one(n: int) -> str:
        try:
            return send_image(host.put(f"/slow{n}.png", slow), to=f"54911401234{n:02d}").status
        finally:
            connections.close_all()

    with ThreadPoolExecutor(6) as pool:
        statuses = sorted(pool.map(send_one, range(6)))

    assert statuses == ["queued"] * 4 + ["sent"] * 2
    for number_id in deliver.numbers_due():
        deliver.drain(number_id=number_id)
    assert set(Message.objects.values_list("status", flat=True)) == {"sent"}
    with media.seat(tenant_id=1) as is_free:
        assert is_free
    assert not media._seats


@pytest.mark.parametrize(("sends", "links"), [(10, 5), (3, 1), (1, 1)])
def test_links_of_all_tenants_together_take_at_most_half_of_the_seats(
    sends: int, links: int, settings: Settings
) -> None:
    settings.SYNCHRONOUS_SENDS = sends
    with ExitStack() as seats:
        seated = [seats.enter_context(media.seat(tenant_id=tenant)) for tenant in (1, 1, 2, 2, 3, 3, 4)]

    assert seated == [True] * links + [False] * (7 - links)
    assert not media._seats
