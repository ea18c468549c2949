"""A Python client generated from the OpenAPI document sends a text and a template."""

import importlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from tests import factories
from tests.journeys.conftest import Client

pytestmark = [pytest.mark.journey, pytest.mark.django_db(transaction=True)]

PACKAGE = "generated_gosend"
TO = "5491140123456"


@pytest.fixture
def generated(client_of: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The package's name; it can be imported while the test runs."""
    document = tmp_path / "v1.json"
    document.write_bytes(requests.get(f"{client_of.base_url}/openapi/v1.json", timeout=10).content)
    (tmp_path / "config.yml").write_text("post_hooks: []\n")
    done = subprocess.run(  # noqa: S603
        [
            str(Path(sys.executable).parent / "openapi-python-client"),
            "generate",
            f"--path={document}",
            f"--output-path={tmp_path / PACKAGE}",
            f"--config={tmp_path / 'config.yml'}",
            "--meta=none",
            "--fail-on-warning",
        ],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    monkeypatch.syspath_prepend(tmp_path)
    yield PACKAGE
    for name in [name for name in sys.modules if name.split(".")[0] == PACKAGE]:
        del sys.modules[name]


def _load(name: str) -> Any:
    return importlib.import_module(f"{PACKAGE}.{name}")


def test_a_generated_client_sends_and_reads(client_of: Client, generated: str) -> None:
    models, number = _load("models"), client_of.number
    factories.TemplateFactory.create(
        tenant=number.tenant,
        business_account=number.business_account,
        name="appointment_reminder",
        language="es_AR",
        components=[{"type": "BODY", "text": "Hola {{1}}, hasta luego."}],
    )
    sender = {"phone_number_id": number.phone_number_id, "to": TO}
    text = models.TextMessage.from_dict(sender | {"type": "text", "text": {"body": "Hola Juan"}})
    content = {
        "name": "appointment_reminder",
        "language": {"code": "es_AR"},
        "components": [{"type": "body", "parameters": [{"type": "text", "text": "Juan"}]}],
    }
    template = models.TemplateMessage.from_dict(sender | {"type": "template", "template": content})
    send, read = _load("api.messages.v1_messages_send"), _load("api.messages.v1_messages_get")

    with _client(client_of) as client:
        sent = [send.sync(client=client, body=body) for body in (text, template)]
        seen = [read.sync(client=client, message_id=one.id) for one in sent]
        refused = send.sync(client=client, body=models.TextMessage.from_dict(text.to_dict() | {"to": "1"}))

    assert [one.message_type for one in sent] == ["text", "template"]
    assert [one.wa_message_id for one in seen] == [one.wa_message_id for one in sent]
    assert (type(refused).__name__, refused.code) == ("Problem", "INVALID_PHONE_NUMBER")


def _client(client_of: Client) -> Any:
    return _load("client").AuthenticatedClient(
        base_url=client_of.base_url, token=client_of.key, prefix="", auth_header_name="X-API-Key"
    )
