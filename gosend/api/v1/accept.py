"""The short way of `POST /v1/messages?async=true`: the same checks in the same order, without DRF between.

It answers what it can accept. Everything else (a replay, a refusal, an unusual header) it leaves to the view
behind it, which begins anew and finds the words; the request is counted against the key's limits once.
"""

from django.http import HttpRequest, HttpResponse

from accounts import numbers
from accounts.models import ApiKey
from gosend.api import auth, body, errors, headers, json, limits
from gosend.api.v1 import content, envelope
from gosend.api.view import TenantView, once_of
from gosend.lib import logs
from gosend.lib.errors import DomainError
from messaging import send

_ANY_FORMAT = frozenset({"", "*/*", "application/json"})


def try_accept(view: TenantView, request: HttpRequest) -> HttpResponse | None:
    """Accept one message, or return None with nothing stored."""
    if not _is_usual(request):
        return None
    try:
        key = auth.held_key_of(request, dialect=view.dialect)
        auth.require_active(key.tenant)
        auth.require_scope(key, view.scopes["POST"])
    except DomainError:
        return None
    verdict = view.count(key)
    try:
        limits.require(verdict)
        answer = _accept(view, request, key)
    except DomainError:
        return None
    except Exception as error:  # the message may be kept by now: trying again could keep it twice
        response = errors.to_plain_response(error)
    else:
        response = HttpResponse(answer, status=202, content_type="application/json")
    headers.write(response, limits.headers(verdict))
    return response


def _is_usual(request: HttpRequest) -> bool:
    meta = request.META
    return (
        meta.get("QUERY_STRING") == "async=true"
        and meta.get("CONTENT_TYPE") == "application/json"
        and meta.get("HTTP_ACCEPT", "") in _ANY_FORMAT
        and "HTTP_PREFER" not in meta
    )


def _accept(view: TenantView, request: HttpRequest, key: ApiKey) -> bytes:
    raw = body.read(request, limit=view.max_body_bytes())
    data = json.loads(raw)
    once = once_of(
        request.META.get("HTTP_IDEMPOTENCY_KEY"),
        key=key,
        path=request.path,
        spelling=lambda: json.canonical(data),
    )
    asked = content.read(data)
    message = send.accept(
        tenant=key.tenant,
        number=numbers.find_held(tenant=key.tenant, phone_number_id=asked.phone_number_id),
        to=asked.to,
        content=asked.content,
        environment=key.environment,
        context_wamid=asked.context_wamid,
        tracking=asked.tracking,
        is_async=True,
        request_id=logs.request_id.get(),
        api_key=key,
        once=once,
        answered=202,
    )
    return json.dumps(envelope.sent(message))
