"""Whatomate's success and error envelopes, and what every view of it has in common."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, ClassVar

from django.conf import settings
from pydantic import BaseModel, ConfigDict, Field, create_model
from rest_framework.response import Response

from accounts.models import ApiKey
from gosend.api import errors, schema
from gosend.api.view import TenantView
from gosend.lib import logs


class Refusal(BaseModel):
    """Every error has this shape; what stands below `data` is ours in addition."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "status": "error",
                    "message": "Contact not found",
                    "data": None,
                    "code": "contact_not_found",
                    "request_id": "req_4f0a9c1be27d5538a6c2d914",
                    "doc_url": "https://gosend.example.com/docs/errors#contact_not_found",
                }
            ]
        }
    )

    status: str = Field(json_schema_extra={"const": "error"})
    message: str
    data: None
    code: str = Field(description="Stable, for programs; the list of errors has its cause and its cure.")
    details: dict[str, Any] | None = None
    retry_after_seconds: int | None = None
    request_id: str
    doc_url: str


class WhatomateView(TenantView):
    """A door of this dialect: its own keys, its own errors, and 200 for every success."""

    dialect: ClassVar[str] = ApiKey.Dialect.WHATOMATE

    def get_exception_handler(self) -> Callable[..., Response]:
        return refuse


def success(data: Any) -> Response:
    return Response({"status": "success", "data": data})


def refuse(error: Exception, context: Mapping[str, Any]) -> Response:
    return errors.to_response(error, context, shape=problem)


def problem(found: errors.Problem) -> dict[str, Any]:
    """Write an error: the documented keys, then ours."""
    entry = found.entry
    written: dict[str, Any] = {
        "status": "error",
        "message": found.message,
        "data": None,
        "code": entry.code,
    }
    if found.details is not None:
        written["details"] = found.details
    if entry.status == 429:
        written["retry_after_seconds"] = found.retry_after or 1
    written["request_id"] = logs.request_id.get()
    written["doc_url"] = f"{settings.PUBLIC_URL}/docs/errors#{entry.code}"
    return written


def answers(data: type[BaseModel] | None, *problems: int) -> Any:
    """Describe what an operation answers: 200 around its data, and its errors."""
    return schema.answers({200: around(data)}, 400, *problems, shape=Refusal)


def around(data: type[BaseModel] | None) -> type[BaseModel]:
    """The model of a success; one for each kind of data."""
    name = "Done" if data is None else f"{data.__name__}Answer"
    if name not in _around:
        fields: Any = {"status": (str, ...), "data": (data, ...)}
        _around[name] = create_model(name, __doc__="The documented envelope.", **fields)
    return _around[name]


_around: dict[str, type[BaseModel]] = {}


def moment(value: datetime | None) -> str | None:
    """ISO 8601 in UTC to the second, as the page prints it."""
    if value is None:
        return None
    return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
