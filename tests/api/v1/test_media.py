"""POST of /v1/media, and GET of /v1/media/{id}."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest
import requests
from django.http import HttpResponse
from django.test import Client
from django.utils import timezone
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer

from accounts.models import PhoneNumber
from gosend.sandbox import samples
from gosend.sandbox.server import SandboxServer
from messaging import inbound_media
from messaging.models import IdempotentAnswer, MediaFile
from tests import factories
from tests.conftest import Party
from tests.messaging.media_host import PNG, serving

Upload = Callable[..., HttpResponse]


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


@pytest.fixture
def upload(key: str, number: PhoneNumber) -> Upload:
    client = Client(raise_request_exception=False)

    def _upload(data: bytes = PNG, type: str | None = "image/png", **options: Any) -> HttpResponse:
        headers = {"X-API-Key": key, **options.pop("headers", {})}
        fields = {"phone_number_id": number.phone_number_id, **options}
        body = b"".join(
            b'--b\r\nContent-Disposition: form-data; name="%b"\r\n\r\n%b\r\n'
            % (name.encode(), str(value).encode())
            for name, value in {**fields, **({"type": type} if type else {})}.items()
            if value is not None
        )
        head = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.bin"\r\n'
        body += head + b"Content-Type: image/jpeg\r\n\r\n" + data + b"\r\n--b--\r\n"
        response = client.generic(
            "POST", "/v1/media", body, content_type="multipart/form-data; boundary=b", headers=headers
        )
        assert isinstance(response, HttpResponse)
        return response

    return _upload


def code_of(response: HttpResponse) -> tuple[int, str]:
    return response.status_code, orjson.loads(response.content)["code"]


def test_an_upload_is_answered_with_metas_id(upload: Upload, meta: SandboxServer) -> None:
    response = upload()

    assert response.status_code == 201
    (uploaded,) = meta.received()["uploads"]
    assert orjson.loads(response.content) == {"id": uploaded["media_id"]}
    assert (uploaded["mime_type"], uploaded["size"]) == ("image/png", len(PNG))


def test_a_large_document_is_taken(upload: Upload, meta: SandboxServer) -> None:
    data = b"%PDF-1.7\n" + bytes(20_000_000)

    response = upload(data, "application/pdf")

    assert response.status_code == 201
    assert meta.received()["uploads"][0]["size"] == len(data)


@pytest.mark.parametrize(
    ("data", "type", "answer"),
    [
        (PNG, "image/jpeg", (422, "UNSUPPORTED_MEDIA")),
        (PNG, "application/x-shockwave-flash", (422, "UNSUPPORTED_MEDIA")),
        (PNG, None, (422, "UNSUPPORTED_MEDIA")),
        (b"", "image/png", (422, "UNSUPPORTED_MEDIA")),
        (b"MZ\x00\x01", "image/png", (422, "UNSUPPORTED_MEDIA")),
        (PNG + bytes(5 * 1024 * 1024), "image/png", (422, "MEDIA_TOO_LARGE")),
        (PNG + b"gosend-sandbox:131053", "image/png", (422, "META_ERROR")),
        (PNG + b"gosend-sandbox:131016", "image/png", (503, "META_UNAVAILABLE")),
    ],
)
def test_what_whatsapp_would_not_take_is_refused(
    upload: Upload, data: bytes, type: str | None, answer: tuple[int, str]
) -> None:
    assert code_of(upload(data, type)) == answer


@pytest.mark.parametrize(
    ("fields", "answer"),
    [
        ({"phone_number_id": None}, (400, "MISSING_REQUIRED_FIELD")),
        ({"phone_number_id": "1"}, (404, "INVALID_PHONE_NUMBER_ID")),
        ({"phone_number_id": "1\0"}, (400, "INVALID_FIELD")),
    ],
)
def test_a_form_that_is_wrong_is_refused(
    upload: Upload, fields: dict[str, Any], answer: tuple[int, str]
) -> None:
    assert code_of(upload(**fields)) == answer


def test_a_strangers_number_is_unknown(upload: Upload, globex: Party) -> None:
    response = upload(phone_number_id=globex.number.phone_number_id)

    assert code_of(response) == (404, "INVALID_PHONE_NUMBER_ID")


@pytest.mark.parametrize("content_type", ["application/json", "text/plain", "multipart/form-data"])
def test_what_is_no_form_is_refused(post: Callable[..., HttpResponse], content_type: str) -> None:
    response = post("/v1/media", b"{}", content_type=content_type)

    assert response.status_code in (400, 415)


def test_a_form_without_a_file_is_refused(post: Callable[..., HttpResponse]) -> None:
    body = b'--b\r\nContent-Disposition: form-data; name="file"\r\n\r\ntext\r\n--b--\r\n'

    response = post("/v1/media", body, content_type="multipart/form-data; boundary=b")

    assert code_of(response) == (400, "MISSING_REQUIRED_FIELD")


def test_an_upload_over_the_cap_is_refused_unread(upload: Upload, settings: Settings) -> None:
    settings.API_MAX_UPLOAD_BYTES = 1000

    assert code_of(upload(PNG + bytes(1000))) == (413, "PAYLOAD_TOO_LARGE")


def test_a_repeated_upload_is_done_once(upload: Upload, meta: SandboxServer) -> None:
    key = {"headers": {"Idempotency-Key": "logo"}}

    first, second = upload(**key), upload(**key)

    assert first.content == second.content
    assert second["Idempotent-Replayed"] == "true"
    assert len(meta.received()["uploads"]) == 1
    assert code_of(upload(PNG + b"!", **key)) == (409, "IDEMPOTENCY_KEY_CONFLICT")


def test_an_upload_that_failed_may_be_repeated_with_its_key(upload: Upload, settings: Settings) -> None:
    key = {"headers": {"Idempotency-Key": "logo"}}
    settings.SANDBOX_URL = "http://127.0.0.1:9"
    assert code_of(upload(**key)) == (503, "META_UNAVAILABLE")
    assert IdempotentAnswer.objects.count() == 0

    settings.SANDBOX_URL = ""
    assert upload(**key).status_code == 201


@pytest.mark.django_db(transaction=True)
def test_uploads_with_and_without_a_length_pass_over_real_http(live_server: LiveServer, acme: Party) -> None:
    """As curl and as a client that streams would send it."""
    with requests.Session() as session:
        session.headers["X-API-Key"] = acme.api_key
        response = session.post(
            f"{live_server.url}/v1/media",
            data={"phone_number_id": acme.number.phone_number_id, "type": "image/png"},
            files={"file": ("promo-banner.png", PNG, "image/png")},
            timeout=10,
        )
        assert response.status_code == 201, response.text
        assert list(response.json()) == ["id"]


# --- Download -------------------------------------------------------------------------------------


@pytest.fixture
def file(acme: Party) -> MediaFile:
    sample = samples.of(samples.new_id("image"))
    assert sample is not None
    made: MediaFile = factories.MediaFileFactory.create(
        phone_number=acme.number, media_id=samples.new_id("image"), mime_type="image/png"
    )
    inbound_media.fetch_due()
    made.refresh_from_db()
    return made


def body_of(response: Any) -> bytes:
    return b"".join(response.streaming_content)  # which closes it too


def fetch(key: str, media_id: object, **headers: str) -> Any:
    sent = {"X-API-Key": key, **headers}
    return Client(raise_request_exception=False).get(f"/v1/media/{media_id}", headers=sent)


def test_a_file_is_given_by_our_id_and_by_metas(file: MediaFile, key: str) -> None:
    for media_id in (file.pk, file.media_id):
        response = fetch(key, media_id, Accept="image/*")

        assert response.status_code == 200
        assert body_of(response) == samples.served(file.media_id)
        assert response["Content-Type"] == "image/png"
        assert response["Content-Length"] == str(file.size)
        assert response["Content-Disposition"].startswith("inline; ")
        assert response["X-Content-Type-Options"] == "nosniff"
        assert "X-RateLimit-Limit" in response


@pytest.mark.parametrize(
    ("mime_type", "filename", "told", "disposition"),
    [
        ("text/html", "a.html", "text/html", "attachment; filename*=UTF-8''a.html"),
        ("image/svg+xml", "", "image/svg+xml", "attachment; filename*=UTF-8''file.bin"),
        ("audio/ogg; codecs=opus", "", "audio/ogg", "inline; filename*=UTF-8''file.ogg"),
        ("x\r\nSet-Cookie: a/b", "", "application/octet-stream", "attachment; filename*=UTF-8''file.bin"),
        (
            "application/pdf",
            'a"b\r\nñ/../c.pdf',
            "application/pdf",
            "attachment; filename*=UTF-8''a%22b%0D%0A%C3%B1%2F..%2Fc.pdf",
        ),
    ],
)
def test_whatever_meta_calls_a_file_it_harms_no_browser(
    file: MediaFile, key: str, mime_type: str, filename: str, told: str, disposition: str
) -> None:
    MediaFile.objects.update(mime_type=mime_type, filename=filename)

    response = fetch(key, file.pk)

    assert response.status_code == 200
    assert (response["Content-Type"], response["Content-Disposition"]) == (told, disposition)
    assert body_of(response) == samples.served(file.media_id)


def test_a_file_is_its_own_projects_and_environments_only(
    file: MediaFile, stranger_key: str, live_key: str, key: str
) -> None:
    unknown = orjson.loads(fetch(key, "123").content)["message"]
    for other in (stranger_key, live_key):
        for media_id in (file.pk, file.media_id):
            response = fetch(other, media_id)
            assert code_of(response) == (404, "NOT_FOUND")
            assert orjson.loads(response.content)["message"] == unknown


def test_a_file_still_on_its_way_asks_for_patience(file: MediaFile, key: str) -> None:
    MediaFile.objects.update(state="waiting", path="")

    response = fetch(key, file.pk)

    assert code_of(response) == (409, "MEDIA_NOT_READY")
    assert response["Retry-After"] == "5"


def test_a_purged_file_is_gone(file: MediaFile, key: str) -> None:
    MediaFile.objects.update(fetched_at=timezone.now() - timedelta(days=31))
    inbound_media.purge()

    assert code_of(fetch(key, file.pk)) == (410, "MEDIA_GONE")


def test_a_file_that_vanished_from_the_storage_is_gone(file: MediaFile, key: str, storage: Path) -> None:
    (storage / file.path).unlink()

    assert code_of(fetch(key, file.pk)) == (410, "MEDIA_GONE")


@pytest.mark.parametrize("media_id", ["0", "9" * 30, "٣", "a b", "..%2F..%2Fetc"])
def test_an_odd_id_is_not_found(key: str, media_id: str) -> None:
    assert fetch(key, media_id).status_code == 404
