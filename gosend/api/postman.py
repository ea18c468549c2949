"""A Postman collection (format 2.1) made from an OpenAPI document of ours."""

import json
import re
from collections.abc import Mapping
from typing import Any

_FORMAT = "https://schema.getpostman.com/json/collection/v2.1.0/collection.json"
_PLACE = re.compile(r"\{(\w+)\}")
_JSON = "application/json"


def collection(document: Mapping[str, Any]) -> dict[str, Any]:
    """One folder for each tag, one request for each operation and for each example of its body.

    Address and key are the collection's variables, so that it is the same for every installation.
    """
    folders: dict[str, list[dict[str, Any]]] = {}
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            tag = operation.get("tags", ["Other"])[0]
            folders.setdefault(tag, []).append(_item(path, method.upper(), operation))
    info = document["info"]
    return {
        "info": {
            "name": f"{info['title']} {info['version']}",
            "description": info.get("description", ""),
            "schema": _FORMAT,
        },
        "auth": _auth(document),
        "variable": [
            {"key": "base_url", "value": "http://127.0.0.1:8000", "type": "string"},
            {"key": "api_key", "value": "", "type": "string"},
        ],
        "item": [{"name": tag, "item": items} for tag, items in folders.items()],
    }


def as_json(document: Mapping[str, Any]) -> str:
    return json.dumps(collection(document), indent=2, ensure_ascii=False) + "\n"


def _auth(document: Mapping[str, Any]) -> dict[str, Any]:
    """How the key is sent, by the first way that there is: in a header of its own, or as a bearer token."""
    operations = (one for path in document["paths"].values() for one in path.values())
    name = next(iter(next(operations)["security"][0]))
    scheme = document["components"]["securitySchemes"][name]
    if scheme["type"] == "http":
        return {"type": "bearer", "bearer": [{"key": "token", "value": "{{api_key}}", "type": "string"}]}
    fields = {"key": scheme["name"], "value": "{{api_key}}", "in": scheme["in"]}
    written = [{"key": name, "value": value, "type": "string"} for name, value in fields.items()]
    return {"type": "apikey", "apikey": written}


def _item(path: str, method: str, operation: Mapping[str, Any]) -> dict[str, Any]:
    """A request; where the body has several examples, a folder with a request for each."""
    bodies = _bodies(operation)
    requests = {name: _request(path, method, operation, body) for name, body in bodies.items()}
    if len(requests) == 1:
        return {"name": operation["summary"], "request": next(iter(requests.values())), "response": []}
    items = [{"name": name, "request": request, "response": []} for name, request in requests.items()]
    return {"name": operation["summary"], "item": items}


def _request(
    path: str, method: str, operation: Mapping[str, Any], body: dict[str, Any] | None
) -> dict[str, Any]:
    parameters = operation.get("parameters", [])
    request: dict[str, Any] = {
        "method": method,
        "header": [_optional(one) for one in parameters if one["in"] == "header"],
        "url": _url(path, parameters),
        "description": operation.get("description", operation["summary"]),
    }
    if body is not None:
        request["body"] = body
        if body["mode"] == "raw":
            request["header"].insert(0, {"key": "Content-Type", "value": _JSON})
    return request


def _url(path: str, parameters: list[dict[str, Any]]) -> dict[str, Any]:
    spelled = _PLACE.sub(r":\1", path)
    return {
        "raw": "{{base_url}}" + spelled,
        "host": ["{{base_url}}"],
        "path": spelled.strip("/").split("/"),
        "query": [_optional(one) for one in parameters if one["in"] == "query"],
        "variable": [_field(one) for one in parameters if one["in"] == "path"],
    }


def _field(parameter: Mapping[str, Any]) -> dict[str, Any]:
    return {"key": parameter["name"], "value": "", "description": parameter.get("description", "")}


def _optional(parameter: Mapping[str, Any]) -> dict[str, Any]:
    """Shown, but not sent until its box is ticked."""
    return {**_field(parameter), "disabled": not parameter.get("required", False)}


def _bodies(operation: Mapping[str, Any]) -> dict[str, dict[str, Any] | None]:
    content = operation.get("requestBody", {}).get("content", {})
    if form := content.get("multipart/form-data"):
        return {"": {"mode": "formdata", "formdata": _form(form["schema"])}}
    if _JSON not in content:
        return {"": None}
    examples = content[_JSON].get("examples") or {"": {"value": {}}}
    return {name: _raw(example["value"]) for name, example in examples.items()}


def _raw(value: Any) -> dict[str, Any]:
    text = json.dumps(value, indent=2, ensure_ascii=False)
    return {"mode": "raw", "raw": text, "options": {"raw": {"language": "json"}}}


def _form(schema: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [
        {
            "key": name,
            "type": "file" if field.get("format") == "binary" else "text",
            "description": field.get("description", ""),
        }
        for name, field in schema["properties"].items()
    ]
