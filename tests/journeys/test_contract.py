"""The OpenAPI document against a running server: what it promises is so, whatever is sent.

GOSEND_FUZZ_SECONDS=600 looks longer, and each time elsewhere.
"""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import requests
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.utils import timezone
from pytest_django import Settings

from gosend.demo.receiver import Receiver
from messaging.models import Conversation, MediaFile
from tests import factories
from tests.journeys.conftest import Client

pytestmark = [pytest.mark.journey, pytest.mark.django_db(transaction=True)]

SECONDS = int(os.environ.get("GOSEND_FUZZ_SECONDS", "0"))
BOUND = [f"--max-time={SECONDS}"] if SECONDS else ["--max-time=40", "--seed=1"]


# What no schema says: which cursor was given, which events fit which webhook, that a picture has an id or a
# link, that a template's name is taken. A file has whatever type it has, for which the document would have to
# say */*: client generators refuse that. All else is checked as it comes.
NOT_IN_A_SCHEMA = """
[checks]
positive_data_acceptance.expected-statuses = ["2xx", "404", "409", "422"]
[[operations]]
include-name = "GET /v1/media/{media_id}"
checks.content_type_conformance.enabled = false
[[operations]]
include-method = ["POST", "PATCH"]
checks.positive_data_acceptance.expected-statuses = ["2xx", "400", "403", "404", "409", "422"]
"""
# Operations after which an object is gone, or another: they have objects of their own to do it to.
DESTRUCTIVE = {
    "webhook_id": ["DELETE /v1/webhooks/{webhook_id}", "PATCH /v1/webhooks/{webhook_id}"],
    "template_id": ["DELETE /v1/wabas/{waba_id}/templates/{template_id}"],
}


@pytest.fixture
def standing(client_of: Client, receiver: Receiver) -> dict[str, list[str]]:
    """Objects of every kind, made as a client makes them: for each id of a path two, the second to spoil."""
    number = client_of.number
    account = number.business_account
    hook = {"url": f"http://127.0.0.1:{receiver.server_port}/hook", "events": ["*"]}
    hook["phone_number_id"] = number.phone_number_id
    template = {
        "language": "en_US",
        "category": "UTILITY",
        "components": [{"type": "BODY", "text": "Hello."}],
    }
    text = {"phone_number_id": number.phone_number_id, "to": "5491140123456", "type": "text"}

    def made(path: str, body: dict[str, Any]) -> dict[str, Any]:
        answer = client_of.session.post(f"{client_of.base_url}/v1/{path}", json=body, timeout=10)
        assert answer.ok, answer.text
        said: dict[str, Any] = answer.json()
        return said

    messages = [made("messages", {**text, "text": {"body": body}})["id"] for body in ("one", "two")]
    hooks = [made("webhooks", hook)["id"] for _ in range(2)]
    templates = [
        made(f"wabas/{account.pk}/templates", {**template, "name": f"hello_{n}"})["id"] for n in "ab"
    ]
    delivery = made(f"webhooks/{hooks[0]}/test", {})
    replay = made(f"webhooks/{hooks[0]}/replay", {"since": "2026-01-01T00:00:00Z"})
    path = default_storage.save("contract", ContentFile(b"%PDF-"))
    file = factories.MediaFileFactory.create(
        phone_number=number,
        state=MediaFile.State.KEPT,
        path=path,
        size=5,
        fetched_at=timezone.now(),
        due_at=None,
    )
    return {
        "message_id": messages,
        "conversation_id": [str(Conversation.objects.get().pk)],
        "waba_id": [str(account.pk)],
        "phone_number_id": [number.phone_number_id],
        "template_id": templates,
        "webhook_id": hooks,
        "delivery_id": [delivery["id"]],
        "replay_id": [replay["id"]],
        "media_id": [str(file.pk)],
    }


@pytest.fixture
def config(standing: dict[str, list[str]], tmp_path: Path) -> Path:
    """Ids that exist, most of the time: then a path does not end at the 404."""
    sure = ['"query.cursor" = "djE6MQ"']  # a cursor before the first row
    sure += [f'"path.{name}" = {{ dictionary = "{name}", probability = 0.8 }}' for name in standing]
    known = [f'[dictionaries.{name}]\nvalues = ["{ids[0]}"]' for name, ids in standing.items()]
    for name in DESTRUCTIVE:
        known += [f'[dictionaries.{name}_to_spoil]\nvalues = ["{standing[name][1]}"]']
    spoiling = [
        f'[[operations]]\ninclude-name = "{operation}"\n'
        f'parameters = {{ "path.{name}" = {{ dictionary = "{name}_to_spoil", probability = 0.8 }} }}'
        for name, operations in DESTRUCTIVE.items()
        for operation in operations
    ]
    file = tmp_path / "schemathesis.toml"
    file.write_text("\n".join(["[parameters]", *sure, *known, NOT_IN_A_SCHEMA, *spoiling]))
    return file


@pytest.fixture
def document(client_of: Client, tmp_path: Path) -> Path:
    """The served document, with sends that can succeed: from the number that is there, to somebody."""
    served = requests.get(f"{client_of.base_url}/openapi/v1.json", timeout=10).json()
    for shape in served["components"]["schemas"].values():
        fields = shape.get("properties", {})
        if {"phone_number_id", "to", "type"} <= set(fields):
            fields["phone_number_id"] = {"type": "string", "enum": [client_of.number.phone_number_id]}
            fields["to"] = {"type": "string", "enum": ["5491140123456", "5491140123457"]}
    file = tmp_path / "v1.json"
    file.write_text(json.dumps(served))
    return file


def test_nothing_that_is_sent_breaks_what_the_document_says(
    client_of: Client, document: Path, config: Path, settings: Settings, tmp_path: Path
) -> None:
    settings.API_RATE_LIMITS = dict.fromkeys(settings.API_RATE_LIMITS, 100_000)
    settings.API_DAILY_LIMITS = dict.fromkeys(settings.API_DAILY_LIMITS, 100_000_000)

    done = subprocess.run(  # noqa: S603
        [
            str(Path(sys.executable).parent / "schemathesis"),
            f"--config-file={config}",
            "run",
            str(document),
            f"--url={client_of.base_url}",
            f"--header=X-API-Key: {client_of.key}",
            "--continue-on-failure",
            "--generation-database=none",
            "--request-timeout=10",
            *BOUND,
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=SECONDS + 300,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    operations = re.search(r"Operations:.*\n(?:.*\n)*?.*Tested: +(\d+)", done.stdout)
    assert operations is None or int(operations[1]) >= 8
