"""The uploaded bytes are not retained: not in the database, the storage, the broker or a temporary file."""

import base64
import os
import secrets
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings as django_settings
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import connection
from django.http import FileResponse
from pytest_django import Settings

from accounts.models import PhoneNumber
from messaging import deliver
from messaging.models import Message
from tests import factories
from tests.api.sessions.conftest import Call, said

# Found in nothing else.
MARK = secrets.token_hex(24).encode()
PNG = b"\x89PNG\r\n\x1a\n" + MARK * 40
FORMS = (MARK, base64.b64encode(PNG)[40:100], MARK.hex().encode(), base64.b64encode(MARK * 3)[4:60])


@pytest.fixture
def broker(db: None, settings: Settings, tmp_path: Path) -> Path:
    """Whatever this process writes below its temporary folder, its storage or its broker's."""
    settings.MEDIA_ROOT = tmp_path / "media"
    return tmp_path


def _tables() -> Iterator[str]:
    with connection.cursor() as cursor:
        yield from connection.introspection.table_names(cursor)


def _rows_with_the_bytes() -> list[str]:
    found = []
    with connection.cursor() as cursor:
        for table in _tables():
            cursor.execute(f'SELECT row_to_json(held)::text FROM "{table}" AS held')  # noqa: S608
            if any(form.decode() in row for (row,) in cursor.fetchall() for form in FORMS):
                found.append(table)
    return found


def _files_with_the_bytes(*folders: Path) -> list[Path]:
    found = []
    for folder in folders:
        for path in folder.rglob("*"):
            try:
                data = path.read_bytes() if path.is_file() else b""
            except OSError:
                continue
            if any(form in data for form in FORMS):
                found.append(path)
    return found


def _folders(own: Path) -> list[Path]:
    options = django_settings.CELERY_BROKER_TRANSPORT_OPTIONS
    queues = [Path(value) for key, value in options.items() if "folder" in key]
    mine = Path(tempfile.gettempdir()) / f"gosend-tests-{os.getuid()}"
    return [own, mine, Path(django_settings.VAR_DIR), *queues]


def test_the_search_finds_bytes_that_are_retained(broker: Path) -> None:
    (broker / "kept").write_bytes(PNG)
    factories.MetaEventFactory.create(body=PNG)
    factories.MessageContentFactory.create(body={"data": base64.b64encode(PNG).decode()})

    assert _files_with_the_bytes(broker) == [broker / "kept"]
    assert _rows_with_the_bytes() == ["messaging_messagecontent", "messaging_metaevent"]


@pytest.mark.parametrize("query", ["", "?async=true"])
def test_nothing_keeps_the_bytes_of_a_sent_file(
    send: Call, call: Call, number: PhoneNumber, broker: Path, query: str
) -> None:
    media = {"data": base64.b64encode(PNG).decode(), "caption": "Here you go!"}

    answer = send({"type": "image", "media": media}, query, Idempotency_Key="k1")
    rows, files = _rows_with_the_bytes(), _files_with_the_bytes(*_folders(broker))
    deliver.drain(number_id=number.pk)

    assert answer.status_code in (200, 202), answer.content
    assert (rows, files) == ([], [])
    assert Message.objects.get().status == "sent"
    assert (_rows_with_the_bytes(), _files_with_the_bytes(*_folders(broker))) == ([], [])
    chat = said(call("GET", f"/api/v1/sessions/{number.phone_number_id}/chats/5491140123456/messages"))
    assert chat["data"][0]["media"] == {"caption": "Here you go!"}


def test_a_customers_file_is_downloaded_with_this_dialects_key(call: Call, number: PhoneNumber) -> None:
    stored = default_storage.save("media/sessions", ContentFile(b"%PDF-1"))
    file = factories.MediaFileFactory.create(
        tenant=number.tenant,
        phone_number=number,
        state="kept",
        path=stored,
        size=6,
        mime_type="application/pdf",
        filename="bill.pdf",
    )
    response = call("GET", f"/api/v1/media/{file.pk}")

    assert isinstance(response, FileResponse)
    assert response.getvalue() == b"%PDF-1"
    assert response["Content-Type"] == "application/pdf"
    assert response["Content-Disposition"] == "attachment; filename*=UTF-8''bill.pdf"
    default_storage.delete(stored)
    assert call("GET", f"/api/v1/media/{file.pk}").status_code == 410
