"""OpenAPI, one document per dialect."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import yaml
from django.http import HttpRequest, HttpResponse
from django.urls import include, path
from django.views.decorators.http import require_safe
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.plumbing import get_lib_doc_excludes
from drf_spectacular.settings import patched_settings
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse
from pydantic import BaseModel, ConfigDict

from gosend.api import json, samples, view


@dataclass(frozen=True, slots=True)
class Dialect:
    """One of the APIs: what it is called, where its map lies, and how a key is sent."""

    title: str
    prefix: str
    urls: str
    description: str
    security: Mapping[str, Mapping[str, str]]
    # What the operations are grouped by, in the order of the reference: what a newcomer needs comes first.
    tags: tuple[str, ...]


_IN_HEADER = {"ApiKey": {"type": "apiKey", "in": "header", "name": "X-API-Key"}}
DIALECTS = {
    "v1": Dialect(
        "GoSend",
        "v1/",
        "gosend.api.v1.urls",
        "Send WhatsApp messages, and learn what became of them.",
        _IN_HEADER,
        ("Messages", "Webhooks", "Templates", "Media", "Conversations", "Phone numbers", "WABAs", "Account"),
    ),
    "whatomate": Dialect(
        "Whatomate",
        "api/",
        "gosend.api.whatomate.urls",
        "Whatomate's Messages API, and what a client of it needs around it.",
        _IN_HEADER,
        ("Messages", "Contacts", "Templates", "Accounts"),
    ),
    "sessions": Dialect(
        "Session gateway",
        "api/v1/",
        "gosend.api.sessions.urls",
        "The session gateway's API, on WhatsApp's Cloud API: a session is a phone number.",
        # Either of the two.
        {"Bearer": {"type": "http", "scheme": "bearer", "description": "A key that begins with wa_."}}
        | _IN_HEADER,
        ("Messages", "Actions", "Polls", "Webhooks", "Chats", "Contacts", "Media", "Sessions"),
    ),
}
_components: dict[str, dict[str, Any]] = {}

_ERROR_WORDS = {
    400: "The request is malformed.",
    401: "The key is missing, unknown, revoked or expired.",
    403: "The key, the number or the 24-hour window does not allow it.",
    404: "There is no such object in this project.",
    409: "The Idempotency-Key belongs to another request, or to one that still runs.",
    410: "It was here once, and is not kept any more.",
    413: "The body is over the limit.",
    415: "The body is of a type that is not read here.",
    422: "Well formed, but it cannot be done.",
    429: "Too many requests; see Retry-After.",
    503: "Nothing was accepted; repeat later.",
}


class Problem(BaseModel):
    """Every error has this shape."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "statusCode": 400,
                    "message": "Validation failed: 'to' must be E164 format",
                    "error": "Bad Request",
                    "code": "INVALID_PHONE_NUMBER",
                    "details": {"field": "to", "value": "+5491140123456"},
                    "request_id": "req_4f0a9c1be27d5538a6c2d914",
                    "doc_url": "https://gosend.example.com/docs/errors#invalid_phone_number",
                }
            ]
        }
    )

    statusCode: int  # noqa: N815 -- the documented spelling
    message: str
    error: str
    code: str
    details: dict[str, Any] | None = None
    retry_after_seconds: int | None = None
    request_id: str
    doc_url: str


def register(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    """Keep a schema under a name in the document, and return a reference to it."""
    known = _components.setdefault(name, schema)
    if known != schema:
        raise ValueError(f"two schemas are named {name}")
    return {"$ref": f"#/components/schemas/{name}"}


def of(model: type[BaseModel]) -> dict[str, Any]:
    """Register what a pydantic model looks like on the wire."""
    schema = model.model_json_schema(ref_template="#/components/schemas/{model}", mode="serialization")
    for name, inner in schema.pop("$defs", {}).items():
        register(name, inner)
    return register(model.__name__, schema)


def answers(
    successes: Mapping[int, type[BaseModel] | list[type[BaseModel]] | None],
    *problems: int,
    shape: type[BaseModel] = Problem,
) -> dict[int, OpenApiResponse]:
    """Describe what an operation answers: each success, the errors of every door, and its own."""
    described = {status: _success(model) for status, model in successes.items()}
    for status in sorted({401, 403, 429, *problems}):
        described[status] = OpenApiResponse(of(shape), description=_ERROR_WORDS[status])
    return described


def query(
    name: str, description: str, *, allowed: list[str] | None = None, shape: dict[str, Any] | None = None
) -> OpenApiParameter:
    shape = shape or ({"type": "string", "enum": allowed} if allowed else {"type": "string", "minLength": 1})
    return OpenApiParameter(name, shape, OpenApiParameter.QUERY, description=description)


def optional(name: str, description: str) -> OpenApiParameter:
    """A parameter of the query that says nothing when it is empty."""
    return query(name, description, shape={"type": "string", "pattern": "^[^\\u0000]*$"})


def inside(name: str, description: str) -> OpenApiParameter:
    """A parameter inside the path."""
    return OpenApiParameter(name, str, OpenApiParameter.PATH, description=description)


_FROM_ONE = {"type": "integer", "minimum": 1}
OWN_ID = {"type": "string", "pattern": "^[0-9]{1,18}$"}
MOMENT = {"type": "string", "anyOf": [{"format": "date"}, {"format": "date-time"}]}
PAGING = [
    OpenApiParameter(
        "page", {**_FROM_ONE, "maximum": 100_000}, OpenApiParameter.QUERY, description="From 1."
    ),
    OpenApiParameter(
        "per_page",
        _FROM_ONE,
        OpenApiParameter.QUERY,
        description="20 by default; more than 100 counts as 100.",
    ),
    OpenApiParameter(
        "cursor",
        str,
        OpenApiParameter.QUERY,
        description="Instead of `page`: the X-Next-Cursor of the page before, or follow the Link header.",
    ),
]
IDEMPOTENCY_KEY = OpenApiParameter(
    "Idempotency-Key",
    {"type": "string", "pattern": "^[!-~]([ -~]{0,253}[!-~])?$"},
    OpenApiParameter.HEADER,
    description="1 to 255 printable ASCII characters. The same request with the same key is done once"
    " in 24 hours; repeats get the first answer and `Idempotent-Replayed: true`.",
)


def _success(model: type[BaseModel] | list[type[BaseModel]] | None) -> OpenApiResponse:
    if model is None:
        return OpenApiResponse(description="Done; there is nothing to say.")
    if isinstance(model, list):
        items: dict[str, Any] = {"type": "array", "items": of(model[0])}
        return OpenApiResponse(items, description="One page; totals and links stand in the headers.")
    return OpenApiResponse(of(model), description=(model.__doc__ or "").strip())


def _finish(result: dict[str, Any]) -> dict[str, Any]:
    """Say what the generator cannot know: samples, what bodies are, and that doing comes before listing.

    JSON is asked for: what curl says by itself is tolerated, but no form is read. And a union must come.
    """
    result["paths"] = {
        path: dict(sorted(operations.items(), key=lambda one: one[0] != "post"))
        for path, operations in result["paths"].items()
    }
    operations = [operation for path in result["paths"].values() for operation in path.values()]
    for operation in operations:
        if written := samples.of(operation["operationId"]):
            operation["x-codeSamples"] = written
        content = operation.get("requestBody", {}).get("content", {})
        content.pop(json.CurlParser.media_type, None)
        if any("oneOf" in media["schema"] for media in content.values()):
            operation["requestBody"]["required"] = True
    return result


def _internal_classes() -> list[type]:
    """Classes whose docstrings speak to us and not to the document's reader."""
    return [*get_lib_doc_excludes(), view.TenantView]  # type: ignore[no-untyped-call]


def _prune(result: dict[str, Any]) -> dict[str, Any]:
    """Leave out the schemas that only other dialects use."""
    known = result["components"]["schemas"]
    used: set[str] = set()
    waiting: list[Any] = [result["paths"]]
    while waiting:
        one = waiting.pop()
        if isinstance(one, list):
            waiting += one
        elif isinstance(one, dict):
            waiting += one.values()
            name = str(one.get("$ref", "")).rsplit("/", 1)[-1]
            if name and name not in used:
                used.add(name)
                waiting.append(known[name])
    result["components"]["schemas"] = {name: known[name] for name in known if name in used}
    return result


@lru_cache(maxsize=4)
def document(dialect: str) -> dict[str, Any]:
    """Make a dialect's whole document; the same on every installation."""
    this = DIALECTS[dialect]
    routes = [path(this.prefix, include(this.urls))]
    generator = SchemaGenerator(patterns=routes)  # type: ignore[no-untyped-call]
    # The components are complete only once the routes, and with them the views, are loaded.
    generator._initialise_endpoints()  # type: ignore[no-untyped-call]
    settings = {
        "TITLE": "GoSend",
        "DESCRIPTION": this.description,
        "VERSION": dialect,
        "OAS_VERSION": "3.1.0",
        "SERVERS": [{"url": "/"}],
        "SCHEMA_PATH_PREFIX": f"/{this.prefix.rstrip('/')}",
        "POSTPROCESSING_HOOKS": [],
        "TAGS": [{"name": name} for name in this.tags],
        "COMPONENT_SPLIT_REQUEST": True,
        "GET_LIB_DOC_EXCLUDES": _internal_classes,
        "SECURITY": [{name: []} for name in this.security],
        "APPEND_COMPONENTS": {
            "schemas": dict(_components),
            "securitySchemes": {name: dict(scheme) for name, scheme in this.security.items()},
        },
    }
    with patched_settings(settings):
        made: dict[str, Any] = generator.get_schema(public=True)  # type: ignore[no-untyped-call]
    return _prune(_finish(made))


def as_yaml(dialect: str) -> str:
    return yaml.safe_dump(document(dialect), sort_keys=False, allow_unicode=True, width=110)


@require_safe
def serve(request: HttpRequest, dialect: str) -> HttpResponse:
    return HttpResponse(json.dumps(document(dialect)), content_type="application/json")
