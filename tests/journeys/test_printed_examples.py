"""What the documented pages print works as printed: host, key and ids apart."""

import json
import re
from typing import Any

import pytest
import requests

from templates_app.models import Template
from tests.journeys import printed
from tests.journeys.conftest import Client
from tests.material import needs_material, page

pytestmark = [needs_material, pytest.mark.journey, pytest.mark.django_db(transaction=True)]

DOCUMENTED_KEYS = {
    "id",
    "phone_number_id",
    "direction",
    "message_type",
    "wa_message_id",
    "status",
    "to_phone",
    "created_at",
}


def _json_after(text: str, heading: str) -> Any:
    start = text.index("{", text.index(heading))
    return json.JSONDecoder().raw_decode(text, start)[0]


def _require_documented(answer: requests.Response, client: Client, *, kind: str) -> None:
    assert answer.status_code == 201, answer.text
    body = answer.json()
    assert set(body) == DOCUMENTED_KEYS
    assert re.fullmatch(r"\d+", body.pop("id"))
    assert body.pop("wa_message_id").startswith("wamid.")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", body.pop("created_at"))
    assert body == {
        "phone_number_id": client.number.phone_number_id,
        "direction": "outbound",
        "message_type": kind,
        "status": "sent",
        "to_phone": "5491140123456",
    }


def test_the_printed_curl_line_for_a_text(client_of: Client) -> None:
    line = re.search(r"curl https://\S+/messages \\\n.*?\n  }'", page("gosendapi-messages"), re.DOTALL)
    assert line is not None

    _require_documented(printed.curl(line[0], client_of), client_of, kind="text")


def test_the_printed_template(client_of: Client) -> None:
    Template.objects.create(
        tenant=client_of.number.tenant,
        business_account=client_of.number.business_account,
        name="appointment_reminder",
        language="es_AR",
        category="UTILITY",
        status="APPROVED",
        components=[{"type": "BODY", "text": "Hola {{1}}, tu turno es el {{2}}"}],
    )
    body = _json_after(page("gosendapi-messages"), "\ntemplate\n\n")
    body["phone_number_id"] = client_of.number.phone_number_id

    answer = client_of.session.post(f"{client_of.base_url}/v1/messages", json=body, timeout=10)

    _require_documented(answer, client_of, kind="template")


def test_the_printed_curl_line_for_a_status(client_of: Client) -> None:
    text = page("gosendapi-messages")
    line = re.search(r"curl https://\S+/messages/1234567890 \\\n[^\n]*", text)
    assert line is not None
    body = _json_after(text, "\ntext\n\n")
    body["phone_number_id"] = client_of.number.phone_number_id
    sent = client_of.session.post(f"{client_of.base_url}/v1/messages", json=body, timeout=10).json()

    answer = printed.curl(line[0].replace("1234567890", sent["id"]), client_of)

    assert answer.status_code == 200
    assert answer.json()["wa_message_id"] == sent["wa_message_id"]
