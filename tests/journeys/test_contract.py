"""The OpenAPI document against a running server: what it promises is so, whatever is sent.

GOSEND_FUZZ_SECONDS=600 looks longer, and each time elsewhere.
"""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import requests
from pytest_django import Settings

from tests import factories
from tests.journeys.conftest import Client

pytestmark = [pytest.mark.journey, pytest.mark.django_db(transaction=True)]

SECONDS = int(os.environ.get("GOSEND_FUZZ_SECONDS", "0"))
BOUND = [f"--max-time={SECONDS}"] if SECONDS else ["--max-time=40", "--seed=1"]


# What no schema says: which events fit which webhook, that a picture has an id or a link, which cursor was
# given; that a filter left empty is no filter; and that the ids above stay when another object is made.
NOT_IN_A_SCHEMA = """
"query.cursor" = "djE6MQ"
[generation]
allow-x00 = false
[checks]
ensure_resource_availability.enabled = false
positive_data_acceptance.expected-statuses = ["2xx", "401", "403", "404", "409", "422"]
[[operations]]
include-method = "GET"
checks.negative_data_rejection.enabled = false
[[operations]]
include-method = "POST"
checks.positive_data_acceptance.expected-statuses = ["2xx", "400", "403", "404", "409", "422"]
"""


@pytest.fixture
def config(client_of: Client, tmp_path: Path) -> Path:
    """Ids that exist, so that not every path ends at the 404."""
    number = client_of.number
    message = factories.MessageFactory.create(
        phone_number=number,
        contact__tenant=number.tenant,
        contact__business_account=number.business_account,
    )
    endpoint = factories.WebhookEndpointFactory.create(tenant=number.tenant, phone_number=number)
    lines = [
        f'"path.message_id" = "{message.pk}"',
        f'"path.webhook_id" = "{endpoint.pk}"',
    ]
    file = tmp_path / "schemathesis.toml"
    file.write_text("\n".join(["[parameters]", *lines, NOT_IN_A_SCHEMA]))
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
