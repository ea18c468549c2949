"""The view every dialect builds on. It knows the tenant."""

import hashlib
import re
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from django.conf import settings
from django.db import transaction
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.models import ApiKey, Tenant
from gosend.api import auth, body, errors, json, limits
from gosend.lib.errors import DomainError
from messaging import idempotency

_KEY = re.compile(r"[ -~]{1,255}\Z")
_WITH_BODY = frozenset({"POST", "PUT", "PATCH"})


class InvalidIdempotencyKey(DomainError):
    code = "invalid_idempotency_key"


class TenantRequest(Request):
    """A request whose key has been found."""

    tenant: Tenant
    api_key: ApiKey
    # What a repeat of this POST is recognised by; None without an Idempotency-Key.
    once: idempotency.Once | None = None


class TenantView(APIView):
    """Key, limit, scope and body are checked before a method runs; a repeated POST never runs twice.

    With an Idempotency-Key a POST runs in one transaction together with its answer. A view that must
    commit before it answers sets `is_transactional = False` and passes `request.once` on itself.
    """

    # Only keys of this dialect are let in.
    dialect: ClassVar[str] = ApiKey.Dialect.NATIVE
    # Method → "read", "send" or "manage".
    scopes: ClassVar[Mapping[str, str]] = {}
    is_transactional: ClassVar[bool] = True
    parser_classes = (json.JsonParser, json.CurlParser)
    renderer_classes = (json.JsonRenderer,)
    content_negotiation_class = json.AnyFormat
    http_method_names = ["get", "head", "post", "put", "patch", "delete"]
    request: TenantRequest
    verdict: limits.Verdict | None = None

    def initialize_request(self, request: HttpRequest, *args: Any, **kwargs: Any) -> TenantRequest:
        return TenantRequest(
            request,
            parsers=self.get_parsers(),
            negotiator=self.get_content_negotiator(),
            parser_context=self.get_parser_context(request),
        )

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        request = self.request
        request.api_key = auth.key_of(request._request, dialect=self.dialect)
        request.tenant = request.api_key.tenant
        limits.require(self.count(request.api_key))
        auth.require_active(request.tenant)
        method = "GET" if request.method == "HEAD" else request.method
        auth.require_scope(request.api_key, self.scopes.get(method or ""))
        _refuse_nul(request)
        if request.method in _WITH_BODY:
            self.read_body(request)
            request.once = _once(request, self.once_path(request), self.spelling)

    def count(self, key: ApiKey) -> limits.Verdict:
        """Count the request against the key's limits, once however often it is asked."""
        if self.verdict is None:
            self.verdict = limits.take(key)
        return self.verdict

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Do what DRF does, with one step more: an answer that is already known is given again."""
        self.args = args
        self.kwargs = kwargs
        self.request = self.initialize_request(request, *args, **kwargs)
        self.headers = self.default_response_headers
        try:
            self.initial(self.request, *args, **kwargs)
            response = self._answer(*args, **kwargs)
        except Exception as error:
            response = self.handle_exception(error)
        self.response = self.finalize_response(self.request, response, *args, **kwargs)
        return self.response

    def finalize_response(self, request: Request, response: Response, *args: Any, **kwargs: Any) -> Response:
        final = super().finalize_response(request, response, *args, **kwargs)
        if self.verdict is not None:
            for name, value in limits.headers(self.verdict).items():
                final[name] = value
        return final

    def max_body_bytes(self) -> int:
        return settings.API_MAX_BODY_BYTES

    def _answer(self, *args: Any, **kwargs: Any) -> Response:
        method = (self.request.method or "").lower()
        known = method in self.http_method_names
        act = getattr(self, method, self.http_method_not_allowed) if known else self.http_method_not_allowed
        once = self.request.once
        if once is None:
            answer: Response = act(self.request, *args, **kwargs)
            return answer
        match idempotency.recall(once):
            case idempotency.Stored() as stored:
                return _replay(stored)
            case idempotency.Accepted(message_id=message_id, status_code=status_code):
                return _replay(idempotency.Stored(status_code, self.accepted_body(message_id)))
            case idempotency.Unanswered(message_id=message_id):
                return _remember(once, self.answer_late(message_id))
        if not self.is_transactional:
            return _remember(once, act(self.request, *args, **kwargs))
        with transaction.atomic():
            idempotency.claim(once)
            return _remember(once, act(self.request, *args, **kwargs))

    def read_body(self, request: TenantRequest) -> None:
        """Take the body in, or refuse it by its size."""
        body.read(request._request, limit=self.max_body_bytes())

    def once_path(self, request: TenantRequest) -> str:
        """The address as far as a repeat must come to the same one."""
        return request.path

    def spelling(self, request: TenantRequest) -> bytes:
        """What a repeat of the request must have in common with the first one."""
        return json.canonical(request.data)

    def accepted_body(self, message_id: int) -> bytes:
        """Write again what a send was answered with when it was accepted; only sends can."""
        raise idempotency.in_progress()

    def answer_late(self, message_id: int) -> Response:
        """Answer for a first request that was accepted and ended before it could; only sends can."""
        raise idempotency.in_progress()


def _remember(once: idempotency.Once, response: Response) -> Response:
    stored = idempotency.remember(once, status_code=response.status_code, body=json.dumps(response.data))
    return Response(stored.body, status=stored.status_code, headers=dict(response.items()))


def _replay(stored: idempotency.Stored) -> Response:
    return Response(stored.body, status=stored.status_code, headers={"Idempotent-Replayed": "true"})


def _once(
    request: TenantRequest, path: str, spelling: Callable[[TenantRequest], bytes]
) -> idempotency.Once | None:
    """Recognise a request by its key, method, path and content."""
    _ = request.data  # a body that cannot be read is refused here, key or not
    if request.method != "POST":
        return None
    header = request.META.get("HTTP_IDEMPOTENCY_KEY")
    return once_of(header, key=request.api_key, path=path, spelling=lambda: spelling(request))


def once_of(
    header: str | None, *, key: ApiKey, path: str, spelling: Callable[[], bytes]
) -> idempotency.Once | None:
    """What a repeat of a POST with this Idempotency-Key is recognised by."""
    if header is None:
        return None
    name = header.strip()
    if len(name) > 1 and name[0] == name[-1] == '"':
        name = name[1:-1]
    if not _KEY.match(name):
        raise InvalidIdempotencyKey("Idempotency-Key takes 1 to 255 printable ASCII characters")
    spelled = b"\n".join((b"POST", path.encode(), spelling()))
    return idempotency.Once(
        tenant_id=key.tenant_id,
        environment=key.environment,
        key=name,
        fingerprint=hashlib.sha256(spelled).digest(),
    )


def _refuse_nul(request: Request) -> None:
    """PostgreSQL stores no U+0000, so no row can match it."""
    if "\0" in request.path:
        raise errors.NotFound("There is no such address")
    for name, values in request.query_params.lists():
        if any("\0" in value for value in values):
            raise errors.InvalidField(f"{name} holds the character U+0000", details={"field": name})
