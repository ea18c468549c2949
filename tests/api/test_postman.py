"""The Postman collection: made from the document, complete, and each of its bodies is taken."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client
from pytest_django import Settings

from gosend.api import postman, schema
from gosend.api.v1 import examples
from gosend.whatsapp import content
from tests.conftest import Party

Item = dict[str, Any]


@pytest.fixture(scope="module")
def made() -> Item:
    return postman.collection(schema.document("v1"))


def _requests(items: list[Item]) -> Iterator[Item]:
    for item in items:
        if "item" in item:
            yield from _requests(item["item"])
        else:
            yield item["request"]


def _address(request: Item) -> str:
    return "/" + "/".join(request["url"]["path"])


def test_every_operation_is_in_the_collection(made: Item) -> None:
    described = {
        (method.upper(), path)
        for path, operations in schema.document("v1")["paths"].items()
        for method in operations
    }

    held = set()
    for request in _requests(made["item"]):
        path = _address(request)
        for variable in request["url"]["variable"]:
            path = path.replace(f":{variable['key']}", f"{{{variable['key']}}}")
        held.add((request["method"], path))
        assert request["url"]["raw"] == "{{base_url}}" + _address(request)
        assert request["description"]
    assert held == described


def test_the_key_is_sent_as_the_api_wants_it(made: Item) -> None:
    assert made["auth"] == {
        "type": "apikey",
        "apikey": [
            {"key": "key", "value": "X-API-Key", "type": "string"},
            {"key": "value", "value": "{{api_key}}", "type": "string"},
            {"key": "in", "value": "header", "type": "string"},
        ],
    }
    assert {one["key"] for one in made["variable"]} == {"base_url", "api_key"}


def test_a_bearer_token_is_sent_as_one() -> None:
    document = {
        "info": {"title": "T", "version": "1"},
        "paths": {"/x": {"get": {"summary": "X", "security": [{"Key": []}]}}},
        "components": {"securitySchemes": {"Key": {"type": "http", "scheme": "bearer"}}},
    }

    made = postman.collection(document)

    assert made["auth"]["type"] == "bearer"
    assert made["item"] == [
        {
            "name": "Other",
            "item": [
                {
                    "name": "X",
                    "request": {
                        "method": "GET",
                        "header": [],
                        "url": {
                            "raw": "{{base_url}}/x",
                            "host": ["{{base_url}}"],
                            "path": ["x"],
                            "query": [],
                            "variable": [],
                        },
                        "description": "X",
                    },
                    "response": [],
                }
            ],
        }
    ]


def test_nothing_optional_is_sent_unasked(made: Item) -> None:
    for request in _requests(made["item"]):
        for one in [*request["header"], *request["url"]["query"]]:
            assert one.get("disabled") or one == {"key": "Content-Type", "value": "application/json"}


def test_every_type_of_message_has_an_example() -> None:
    assert {body["type"] for body in examples.MESSAGES.values()} == set(content.TYPES)


@pytest.mark.django_db
def test_every_example_of_a_send_is_taken(made: Item, acme: Party, settings: Settings) -> None:
    """Asynchronously, so that no link is followed; what is refused later is Meta's to refuse."""
    settings.API_RATE_LIMITS = dict.fromkeys(settings.API_RATE_LIMITS, 1000)
    sends = [one for one in _requests(made["item"]) if one["url"]["raw"] == "{{base_url}}/v1/messages"]
    bodies = [json.loads(one["body"]["raw"]) for one in sends if one["method"] == "POST"]

    for body in bodies:
        answer = Client().post(
            "/v1/messages?async=true",
            data=json.dumps({**body, "phone_number_id": acme.number.phone_number_id}),
            content_type="application/json",
            headers={"X-API-Key": acme.api_key},
        )
        said = answer.json()
        # The template of the example is one that this project does not have.
        assert answer.status_code == (404 if body["type"] == "template" else 202), said
        assert said.get("code") in (None, "TEMPLATE_NOT_FOUND")

    assert len(bodies) == len(examples.MESSAGES)
