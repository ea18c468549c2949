"""GET /v1/me."""

import re

import orjson

from accounts.models import Tenant
from tests.api.conftest import Call
from tests.conftest import Party


def test_me_is_the_project_of_the_key(get: Call, acme: Party) -> None:
    response = get("/v1/me")

    answer = orjson.loads(response.content)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", answer.pop("createdAt"))
    assert answer == {"id": str(acme.tenant.pk), "name": "Acme", "webhookUrl": None}


def test_the_projects_webhook_url_is_shown(get: Call, acme: Party) -> None:
    Tenant.objects.update(webhook_url="https://api.acme.com/webhooks")

    assert orjson.loads(get("/v1/me").content)["webhookUrl"] == "https://api.acme.com/webhooks"
