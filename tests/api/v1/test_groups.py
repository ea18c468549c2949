"""Groups that the Cloud API made are recipients of the native API too."""

from typing import Any

import orjson
import pytest
from django.test import Client

from messaging.models import Message
from tests.conftest import Party

GROUP = "Y2FwaV9ncm91cDoxNjUwNTU1MTIzNDoxMjAzNjM0MDE2MTMwMjk4Mg@g.us"


def _post(party: Party, content: dict[str, Any], query: str = "", to: str = GROUP) -> Any:
    body = {"phone_number_id": party.number.phone_number_id, "to": to, **content}
    return Client().post(
        f"/v1/messages{query}",
        orjson.dumps(body),
        content_type="application/json",
        headers={"X-API-Key": party.api_key},
    )


@pytest.mark.parametrize(("query", "status"), [("", 201), ("?async=true", 202)])
def test_a_group_is_written_to(query: str, status: int, acme: Party) -> None:
    answer = _post(acme, {"type": "text", "text": {"body": "Hi all"}}, query)

    shown = Client().get(f"/v1/messages/{answer.json()['id']}", headers={"X-API-Key": acme.api_key}).json()
    assert answer.status_code == status, answer.content
    assert (shown["to_phone"], shown["to_user_id"]) == (None, GROUP)


@pytest.mark.parametrize("query", ["", "?async=true"])
def test_what_no_group_takes_and_no_group_is_are_refused(query: str, acme: Party) -> None:
    place = {"type": "location", "location": {"latitude": 1, "longitude": 2}}

    refused = _post(acme, place, query)
    of_people = _post(acme, {"type": "text", "text": {"body": "x"}}, query, to="120363025246125486@g.us")

    assert (refused.status_code, refused.json()["code"]) == (409, "UNSUPPORTED_BY_CHANNEL")
    assert (of_people.status_code, of_people.json()["code"]) == (400, "INVALID_PHONE_NUMBER")
    assert not Message.objects.exists()
