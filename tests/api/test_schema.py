"""The OpenAPI document: true, complete, and served."""

import re
from typing import Any

import orjson
import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import URLResolver, get_resolver
from pytest_django import Settings

from gosend.api import schema
from gosend.whatsapp import content


def test_the_committed_document_is_true() -> None:
    call_command("openapi", "--check")


def test_the_check_notices_a_difference(tmp_path: Any, settings: Settings) -> None:
    settings.BASE_DIR = tmp_path

    with pytest.raises(CommandError):
        call_command("openapi", "--check")
    call_command("openapi", verbosity=0)
    call_command("openapi", "--check")


def test_the_document_is_served_as_json() -> None:
    response = Client().get("/openapi/v1.json")

    assert orjson.loads(response.content) == schema.document("v1")
    assert response.json()["openapi"] == "3.1.0"


def test_every_operation_has_a_name_a_summary_and_the_error_shape() -> None:
    operations = [
        operation for path in schema.document("v1")["paths"].values() for operation in path.values()
    ]

    names = [operation["operationId"] for operation in operations]
    assert len(names) == len(set(names))
    assert {"v1.messages.send", "v1.messages.list", "v1.messages.get", "v1.me.get"} <= set(names)
    for operation in operations:
        assert operation["summary"]
        assert operation["security"] == [{"ApiKey": []}]
        refused = operation["responses"]["401"]["content"]["application/json"]["schema"]
        assert refused == {"$ref": "#/components/schemas/Problem"}


@pytest.mark.parametrize("dialect", schema.DIALECTS)
def test_the_reference_opens_with_sending_and_every_group_has_its_place(dialect: str) -> None:
    document = schema.document(dialect)
    operations = [operation for path in document["paths"].values() for operation in path.values()]
    order = [tag["name"] for tag in document["tags"]]

    assert order[0] == "Messages"
    assert sorted(order) == sorted({tag for operation in operations for tag in operation["tags"]})
    first = next(one for one in operations if one["tags"] == ["Messages"])
    assert (
        first["operationId"]
        == {
            "v1": "v1.messages.send",
            "whatomate": "whatomate.messages.send",
            "sessions": "sessions.messages.send",
        }[dialect]
    )


def test_a_send_is_a_union_told_apart_by_its_type() -> None:
    document = schema.document("v1")
    send = document["paths"]["/v1/messages"]["post"]["requestBody"]["content"]["application/json"]["schema"]

    assert set(send["discriminator"]["mapping"]) == set(content.TYPES)
    text = document["components"]["schemas"]["TextMessage"]
    assert text["required"] == ["phone_number_id", "to", "type", "text"]
    assert text["properties"]["type"]["const"] == "text"


def test_every_reference_leads_somewhere() -> None:
    document = schema.document("v1")
    known = document["components"]["schemas"]

    assert [name for name in _references(document) if name not in known] == []


def test_every_route_of_the_dialect_is_described() -> None:
    routes = {pattern for pattern in _routes("v1/") if "(" not in pattern}
    described = {path.lstrip("/") for path in schema.document("v1")["paths"]}

    assert routes == described


def _references(value: Any) -> list[str]:
    if isinstance(value, dict):
        own = [value["$ref"].rsplit("/", 1)[-1]] if isinstance(value.get("$ref"), str) else []
        return own + [name for child in value.values() for name in _references(child)]
    if isinstance(value, list):
        return [name for child in value for name in _references(child)]
    return []


def _routes(prefix: str) -> list[str]:
    resolvers = [one for one in get_resolver().url_patterns if isinstance(one, URLResolver)]
    inside = [one for one in resolvers if str(one.pattern) == prefix]
    routes = [f"{prefix}{pattern.pattern}" for one in inside for pattern in one.url_patterns]
    return [re.sub(r"<\w+:(\w+)>", r"{\1}", route) for route in routes]
