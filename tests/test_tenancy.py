"""A stranger finds nothing: every route, with every id, as another tenant.

The walk goes over the URL configuration itself. An id in a route that OWNED cannot make, a route without ids
that LISTS and OPEN do not name, and an id in a request body that BODIES does not cover fail here.
"""

import re
from collections.abc import Callable, Iterator
from typing import Any

import orjson
import pytest
from django.http import FileResponse, HttpResponse
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver
from pytest_django import Settings

from accounts import keys
from accounts.models import ApiKey
from gosend.api import schema
from gosend.api.whatomate import uuids
from tests.conftest import Party
from tests.tenancy_objects import MAKERS

# Not of the API: other doors, with their own locks or for everybody.
OPEN = {"", "docs", "docs/", "docs/errors", "favicon.ico", "healthz", "readyz", "metrics", "meta/webhook"}
OPEN |= {f"openapi/{dialect}.json" for dialect in schema.DIALECTS}
EXCLUDED_PREFIXES = ("console/", "^v1(?:", "^api/v1(?:", "^api(?:")
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
UNKNOWN = "99999999999999"
# Where an id has a form of its own.
UNKNOWN_OF = {"chat_id": "5491199999999"}
# Address → the dialect whose keys it takes; the longest counts.
DIALECTS = {
    "/v1/": ApiKey.Dialect.NATIVE,
    "/api/": ApiKey.Dialect.WHATOMATE,
    "/api/v1/": ApiKey.Dialect.SESSIONS,
}


# Routes without ids: each shows only what is the caller's own.
LISTS = {"v1/conversations", "v1/me", "v1/messages", "v1/wabas", "v1/webhooks"}
LISTS |= {"api/v1/sessions", "api/v1/webhooks"}
LISTS |= {"api/accounts", "api/contacts", "api/me", "api/templates"}
# Routes without ids that only do something; BATCH tries the ids in their bodies.
ACTIONS = {"v1/messages/batch", "v1/media"}
# The ids in their bodies are tried by tests/api/whatomate/test_strangers.py.
ACTIONS |= {"api/messages/template", "api/messages/media"}
# Refused, whoever asks.
ACTIONS |= {"api/v1/realtime/ticket"}
BATCH = "post /v1/messages/batch"
# Bodies for methods that look at the body before they look for the object.
_SESSION_MESSAGE = "api/v1/sessions/<str:session_id>/messages/<path:message_id>"
NEEDED: dict[tuple[str, str], dict[str, Any]] = {
    ("POST", f"{_SESSION_MESSAGE}/reaction"): {"emoji": "👍"},
    ("POST", "api/contacts/<str:contact_id>/messages/<path:message_id>/reaction"): {"emoji": "👍"},
    ("PUT", "api/v1/sessions/<str:session_id>/chats/<str:chat_id>/presence"): {"state": "composing"},
}


def _text(to_number: str) -> dict[str, Any]:
    return {
        "phone_number_id": to_number,
        "to": "5491140123456",
        "type": "text",
        "text": {"body": "Hola"},
    }


# Operation → its body with the id of a number in it.
BODIES: dict[str, Callable[[str], Any]] = {
    "post /v1/messages": _text,
    "post /v1/webhooks": lambda number: {
        "url": "https://hooks.example.com/a",
        "events": ["whatsapp.message.received"],
        "phone_number_id": number,
    },
}
# A webhook stays on its number, and an upload is no JSON; their own tests say so.
UNCHANGEABLE = {"patch /v1/webhooks/{webhook_id}", "post /v1/media"}


def _patterns(inside: list[Any], prefix: str = "") -> Iterator[tuple[str, URLPattern]]:
    for one in inside:
        route = f"{prefix}{one.pattern}"
        if route.startswith(EXCLUDED_PREFIXES):
            continue
        if isinstance(one, URLResolver):
            yield from _patterns(one.url_patterns, route)
        else:
            yield route, one


def _methods(pattern: URLPattern) -> list[str]:
    view = getattr(pattern.callback, "view_class", None) or getattr(pattern.callback, "cls", None)
    return [method for method in METHODS if hasattr(view, method.lower())]


ROUTES = dict(_patterns(get_resolver().url_patterns))
WITH_IDS = [
    pytest.param(route, pattern, method, id=f"{method} {route}")
    for route, pattern in ROUTES.items()
    if pattern.pattern.converters
    for method in _methods(pattern)
]


@pytest.fixture(autouse=True)
def _unhurried(settings: Settings) -> None:
    settings.API_RATE_LIMITS = dict.fromkeys(settings.API_RATE_LIMITS, 100_000)


def _call(party: Party, method: str, path: str, body: Any = None) -> HttpResponse:
    raw = b"" if method == "GET" else orjson.dumps({} if body is None else body)
    headers = {"X-API-Key": _key(party, path)}
    response = Client(raise_request_exception=False).generic(
        method, path, raw, content_type="application/json", headers=headers
    )
    # A file is streamed; here it is read, and closed.
    read = HttpResponse(response.getvalue(), status=response.status_code)
    if isinstance(response, FileResponse) and response.file_to_stream:
        response.file_to_stream.close()
    return read


def _key(party: Party, path: str) -> str:
    """The party's key of the dialect that the address belongs to."""
    prefix = max((one for one in DIALECTS if path.startswith(one)), key=len, default="/v1/")
    if DIALECTS[prefix] == ApiKey.Dialect.NATIVE:
        return party.api_key
    return keys.mint(tenant=party.tenant, label="walk", environment="test", dialect=DIALECTS[prefix])[1]


def _made(route: str, name: str, party: Party) -> list[str]:
    return _makers(route)[name](party)


def _makers(route: str) -> dict[str, Callable[[Party], list[str]]]:
    return MAKERS[max((one for one in MAKERS if route.startswith(one)), key=len)]


def _seen(response: HttpResponse) -> tuple[int, dict[str, Any]]:
    """What an answer tells, apart from its own id and the value that was asked for."""
    body = orjson.loads(response.content)
    told = body["error"] if isinstance(body.get("error"), dict) else body
    told.pop("request_id", None)
    told.pop("requestId", None)
    told.get("details", {}).pop("value", None)
    return response.status_code, body


def _fill(route: str, ids: dict[str, str]) -> str:
    for name, value in ids.items():
        route = re.sub(rf"<\w+:{name}>", value, route)
    assert "<" not in route, route
    return f"/{route}"


def test_every_route_is_walked_or_named_here() -> None:
    without_ids = {route for route, pattern in ROUTES.items() if not pattern.pattern.converters}
    unmade = {
        (route, name)
        for route, pattern in ROUTES.items()
        for name in pattern.pattern.converters
        if name not in _makers(route)
    }

    assert unmade == set(), "write in OWNED how to make one"
    assert without_ids == OPEN | LISTS | ACTIONS
    assert all(_methods(ROUTES[route]) for route in ROUTES if route.startswith(tuple(MAKERS)))


@pytest.mark.parametrize(("route", "pattern", "method"), WITH_IDS)
def test_a_stranger_gets_the_404_of_an_unknown_id(
    route: str, pattern: URLPattern, method: str, acme: Party, globex: Party
) -> None:
    names = list(pattern.pattern.converters)
    body = NEEDED.get((method, route))
    hers = {name: _made(route, name, acme) for name in names}
    own = {name: _made(route, name, globex)[0] for name in names}
    no_ids = {name: UNKNOWN_OF.get(name, UNKNOWN) for name in names}

    nothing = _seen(_call(globex, method, _fill(route, no_ids), body))
    for name in names:
        unknown = _seen(_call(globex, method, _fill(route, own | {name: no_ids[name]}), body))
        assert unknown[0] == 404, unknown
        for foreign in hers[name]:
            all_hers = {**{key: ids[0] for key, ids in hers.items()}, name: foreign}
            assert _seen(_call(globex, method, _fill(route, own | {name: foreign}), body)) == unknown
            assert _seen(_call(globex, method, _fill(route, all_hers), body)) == nothing

    for alternative in range(max(map(len, hers.values()))):
        ids = {name: found[min(alternative, len(found) - 1)] for name, found in hers.items()}
        answer = _call(acme, method, _fill(route, ids), body)
        assert answer.status_code not in (404, 500) or method == "DELETE", answer.content
        assert alternative or answer.status_code != 404


@pytest.mark.parametrize("route", sorted(LISTS - {"v1/me", "api/me"}))
def test_a_list_shows_a_stranger_nothing(route: str, acme: Party, globex: Party) -> None:
    made = [ids[0] for ids in (make(acme) for make in _makers(route).values())]
    filters = {
        "": "",
        "number": f"?phone_number_id={acme.number.phone_number_id}",
        "account": f"?waba_id={acme.number.business_account.pk}",
    }

    hers = {row["id"] for row in _rows(_call(acme, "GET", f"/{route}"))}
    assert hers & set(made)
    for query in filters.values():
        shown = _rows(_call(globex, "GET", f"/{route}{query}"))
        assert {row["id"] for row in shown} & hers == set()


def _rows(response: HttpResponse) -> list[dict[str, Any]]:
    body = orjson.loads(response.content)
    rows: Any = body["data"] if isinstance(body, dict) else body
    shown: list[dict[str, Any]] = rows["items"] if isinstance(rows, dict) else rows
    return shown


def test_me_is_the_callers_own_project(acme: Party, globex: Party) -> None:
    assert orjson.loads(_call(globex, "GET", "/v1/me").content)["id"] == str(globex.tenant.pk)
    own = orjson.loads(_call(globex, "GET", "/api/me").content)["data"]
    assert own["organization_id"] == uuids.write(uuids.PROJECT, globex.tenant.pk)


@pytest.mark.parametrize("operation", sorted(BODIES))
def test_a_strangers_id_in_a_body_is_as_good_as_an_unknown_one(
    operation: str, acme: Party, globex: Party
) -> None:
    method, _, path = operation.partition(" ")
    make = BODIES[operation]

    unknown = _seen(_call(globex, method.upper(), path, make(UNKNOWN)))
    foreign = _seen(_call(globex, method.upper(), path, make(acme.number.phone_number_id)))
    foreign_by_our_id = _seen(_call(globex, method.upper(), path, make(str(acme.number.pk))))
    own = _call(globex, method.upper(), path, make(globex.number.phone_number_id))

    assert unknown[0] == 404
    assert foreign == foreign_by_our_id == unknown
    assert own.status_code in (200, 201, 202), own.content


def test_a_strangers_id_in_a_batch_is_as_good_as_an_unknown_one(acme: Party, globex: Party) -> None:
    asked = [UNKNOWN, acme.number.phone_number_id, globex.number.phone_number_id]
    answer = _call(globex, "POST", "/v1/messages/batch", {"messages": [_text(number) for number in asked]})

    unknown, foreign, own = (verdict.get("error") for verdict in orjson.loads(answer.content)["messages"])
    for error in (unknown, foreign):
        error.pop("request_id")
        error["details"].pop("value")
    assert foreign == unknown
    assert (unknown["statusCode"], own) == (404, None)


def test_every_id_that_a_body_may_carry_is_tried() -> None:
    document = schema.document("v1")
    carrying = {
        f"{method} {path}"
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
        if "phone_number_id" in _properties(operation.get("requestBody", {}), document)
    }

    assert carrying == set(BODIES) | UNCHANGEABLE | {BATCH}


def _properties(part: Any, document: dict[str, Any]) -> set[str]:
    """Every name of a property that a described body can have, at any depth."""
    found: set[str] = set()
    followed: set[str] = set()
    waiting = [part]
    while waiting:
        one = waiting.pop()
        if isinstance(one, list):
            waiting += one
        elif isinstance(one, dict):
            found |= set(one.get("properties", {}))
            reference = str(one.get("$ref", "")).rsplit("/", 1)[-1]
            if reference and reference not in followed:
                followed.add(reference)
                waiting.append(document["components"]["schemas"][reference])
            waiting += one.values()
    return found
