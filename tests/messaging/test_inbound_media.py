"""Customers' files: fetched, checked, kept, told, purged."""

import hashlib
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest
from django.utils import timezone
from pytest_django import Settings

from accounts import numbers
from accounts.models import PhoneNumber, Tenant
from gosend.sandbox import samples
from gosend.sandbox.server import SandboxServer
from gosend.whatsapp.errors import GraphError
from messaging import inbound_media
from messaging.models import MediaFile, Message, MetaEvent
from tests import factories
from tests.messaging.conftest import envelope, text_message
from tests.messaging.media_host import MediaHost, serving
from webhooks_app.models import Event

Tell = Callable[..., MetaEvent]


@pytest.fixture(autouse=True)
def storage(settings: Settings, tmp_path: Path) -> Path:
    settings.MEDIA_ROOT = tmp_path
    return tmp_path


@pytest.fixture
def meta(settings: Settings) -> Iterator[SandboxServer]:
    server = SandboxServer(("127.0.0.1", 0), secret="secret")
    stop = serving(server)
    settings.SANDBOX_URL = f"http://127.0.0.1:{server.port}"
    yield server
    stop()


def arrives(
    tell: Tell, number: PhoneNumber, kind: str = "image", **media: Any
) -> tuple[MediaFile, dict[str, Any]]:
    content = {**samples.inbound(kind), **media}
    fields: dict[str, Any] = {"type": kind, kind: content}
    message = text_message("wamid.media", **fields)
    tell(envelope(number, messages=[message]))
    return MediaFile.objects.get(), content


def _all_due() -> None:
    MediaFile.objects.update(due_at=timezone.now() - timedelta(seconds=1))


@pytest.mark.parametrize("kind", samples.KINDS)
def test_a_customers_file_is_fetched_and_kept(
    tell: Tell, number: PhoneNumber, storage: Path, kind: str
) -> None:
    file, content = arrives(tell, number, kind)
    assert (file.state, file.media_id) == ("waiting", content["id"])

    assert inbound_media.fetch_due() == 1

    file.refresh_from_db()
    kept = (storage / file.path).read_bytes()
    assert (file.state, file.due_at, file.size) == ("kept", None, len(kept))
    assert kept == samples.served(content["id"])
    assert inbound_media.fetch_due() == 0


def test_a_file_is_fetched_over_http_too(
    tell: Tell, number: PhoneNumber, meta: SandboxServer, storage: Path
) -> None:
    file, content = arrives(tell, number)

    inbound_media.fetch_due()

    file.refresh_from_db()
    assert (storage / file.path).read_bytes() == samples.served(content["id"])


def test_the_tenant_is_told_where_the_file_is(
    tell: Tell, number: PhoneNumber, tenant: Tenant, settings: Settings
) -> None:
    factories.WebhookEndpointFactory.create(
        tenant=tenant, phone_number=number, events=["whatsapp.message.received"]
    )

    file, _ = arrives(tell, number)

    told = orjson.loads(bytes(Event.objects.get(type="message.received").body))
    ours = told["message"]["gosendapi"]
    assert ours["has_media"] is True
    assert ours["media_url"] == f"{settings.PUBLIC_URL}/v1/media/{file.pk}"


def test_a_text_has_no_file_and_no_address(tell: Tell, number: PhoneNumber, tenant: Tenant) -> None:
    factories.WebhookEndpointFactory.create(
        tenant=tenant, phone_number=number, events=["whatsapp.message.received"]
    )

    tell(envelope(number, messages=[text_message("wamid.text")]))

    told = orjson.loads(bytes(Event.objects.get(type="message.received").body))
    assert told["message"]["gosendapi"]["has_media"] is False
    assert "media_url" not in told["message"]["gosendapi"]
    assert MediaFile.objects.count() == 0


def test_metas_repetition_makes_no_second_file(tell: Tell, number: PhoneNumber) -> None:
    arrives(tell, number)
    arrives(tell, number)


@pytest.mark.parametrize("content", [{}, {"id": None}, {"id": {}}, {"id": ""}, [], "x", None])
def test_media_without_an_id_is_a_message_all_the_same(tell: Tell, number: PhoneNumber, content: Any) -> None:
    tell(envelope(number, messages=[text_message("wamid.odd", type="image", image=content)]))

    assert Message.objects.filter(wamid="wamid.odd").exists()
    assert MediaFile.objects.count() == 0


@pytest.mark.parametrize("tail", [samples.LOST, samples.ALTERED])
def test_a_file_that_cannot_be_had_is_tried_again_and_given_up_after_seven_days(
    tell: Tell, number: PhoneNumber, storage: Path, tail: str
) -> None:
    file, _ = arrives(tell, number, id=samples.new_id("image", tail=tail))

    assert inbound_media.fetch_due() == 1
    assert inbound_media.fetch_due() == 0
    file.refresh_from_db()
    assert (file.state, file.attempt_count) == ("waiting", 1)
    assert file.error != ""
    MediaFile.objects.update(created_at=timezone.now() - timedelta(days=7))
    _all_due()
    inbound_media.fetch_due()

    file.refresh_from_db()
    assert (file.state, file.due_at) == ("gone", None)
    assert list(storage.rglob("*")) == []


def test_a_digest_may_be_hexadecimal_and_must_fit(tell: Tell, number: PhoneNumber) -> None:
    data = samples.served(samples.new_id("image"))
    file, _ = arrives(tell, number, sha256="0" * 64)
    inbound_media.fetch_due()
    file.refresh_from_db()
    assert file.state == "waiting"

    MediaFile.objects.update(sha256=hashlib.sha256(data).hexdigest().upper())
    _all_due()
    inbound_media.fetch_due()
    file.refresh_from_db()
    assert file.state == "kept"


def test_a_file_under_a_lease_is_nobody_elses(tell: Tell, number: PhoneNumber) -> None:
    file, _ = arrives(tell, number)
    assert inbound_media._take() == file

    assert inbound_media.fetch_due() == 0


def _as_killed_while_stored(tell: Tell, number: PhoneNumber, storage: Path, *, days: int = 1) -> MediaFile:
    """The bytes are there, and the row says nothing of them."""
    file, _ = arrives(tell, number)
    MediaFile.objects.update(created_at=timezone.now() - timedelta(days=days))
    inbound_media.fetch_due()
    MediaFile.objects.update(state="waiting", path="", size=0, fetched_at=None)
    _all_due()
    assert len(_stored(storage)) == 1
    return file


def _stored(storage: Path) -> list[Path]:
    return [path for path in storage.rglob("*") if path.is_file()]


def test_a_try_that_was_killed_while_it_stored_the_file_leaves_no_copy_beside_it(
    tell: Tell, number: PhoneNumber, storage: Path, settings: Settings
) -> None:
    file = _as_killed_while_stored(tell, number, storage)
    late = inbound_media._take()
    assert late == file
    _all_due()

    inbound_media.fetch_due()

    file.refresh_from_db()
    assert _stored(storage) == [storage / file.path]
    inbound_media._fetch(late)  # its lease is over
    assert _stored(storage) == [storage / file.path]
    assert (storage / file.path).read_bytes() == samples.served(file.media_id)
    MediaFile.objects.update(fetched_at=timezone.now() - timedelta(days=31))
    settings.MEDIA_RETENTION_DAYS = 30
    assert inbound_media.purge() == 1
    assert _stored(storage) == []


@pytest.mark.parametrize(("days", "state"), [(1, "waiting"), (7, "gone")])
def test_a_file_that_cannot_be_had_again_leaves_nothing_that_a_killed_try_stored(
    tell: Tell, number: PhoneNumber, storage: Path, days: int, state: str
) -> None:
    file = _as_killed_while_stored(tell, number, storage, days=days)
    MediaFile.objects.update(media_id=samples.new_id("image", tail=samples.LOST))

    inbound_media.fetch_due()

    file.refresh_from_db()
    assert (file.state, file.due_at is None) == (state, state == "gone")
    assert _stored(storage) == []


def test_our_token_is_shown_to_no_other_host(
    tell: Tell, number: PhoneNumber, settings: Settings, meta: SandboxServer
) -> None:
    """Meta's answer names the host by which it was asked: here one that is not where Graph is."""
    stranger = MediaHost()
    stop = serving(stranger)
    client = numbers.client_for(number)

    with pytest.raises(GraphError, match="blocked_address"):
        client.download(url=stranger.put("/file"), max_bytes=1000)

    stop()
    assert stranger.authorizations == []


def test_files_past_their_retention_are_deleted_in_batches(
    tell: Tell, number: PhoneNumber, storage: Path, settings: Settings
) -> None:
    file, _ = arrives(tell, number)
    inbound_media.fetch_due()
    assert inbound_media.purge() == 0
    MediaFile.objects.update(fetched_at=timezone.now() - timedelta(days=31))

    settings.MEDIA_RETENTION_DAYS = 0
    assert inbound_media.purge() == 0
    settings.MEDIA_RETENTION_DAYS = 30
    assert (inbound_media.purge(), inbound_media.purge()) == (1, 0)

    file.refresh_from_db()
    assert (file.state, file.path) == ("gone", "")
    assert _stored(storage) == []
