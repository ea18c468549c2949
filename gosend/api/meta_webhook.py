"""The door Meta knocks on: verify, store, answer."""

import hmac
import logging
import time
from dataclasses import dataclass

from django.conf import settings
from django.db import IntegrityError
from django.http import HttpRequest, HttpResponse
from django.views import View

from accounts.models import MetaApp
from gosend.api import body, errors
from gosend.lib import encryption, signing
from gosend.lib.errors import DomainError
from messaging import ingest

log = logging.getLogger(__name__)

# A secret changed in the console counts from here at the latest after this many seconds.
_SECRETS_LIVE_SECONDS = 5.0


class BadSignature(DomainError):
    code = "invalid_signature"


class BadVerifyToken(DomainError):
    code = "invalid_verify_token"


@dataclass(frozen=True, slots=True)
class _Secrets:
    read_at: float
    apps: tuple[MetaApp, ...]
    secrets: tuple[str, ...]
    verify_tokens: tuple[str, ...]


_held: _Secrets | None = None


class MetaWebhook(View):
    http_method_names = ["get", "post"]

    def dispatch(self, request: HttpRequest, *args: object, **kwargs: object) -> HttpResponse:
        try:
            response = super().dispatch(request, *args, **kwargs)
        except Exception as error:
            return errors.to_plain_response(error)
        assert isinstance(response, HttpResponse)  # noqa: S101 -- both methods below are synchronous
        return response

    def get(self, request: HttpRequest) -> HttpResponse:
        """Prove to Meta that this address is ours."""
        if request.GET.get("hub.mode") != "subscribe" or not _is_ours(
            request.GET.get("hub.verify_token", "")
        ):
            raise BadVerifyToken("hub.mode is not subscribe, or hub.verify_token is not ours")
        return HttpResponse(request.GET.get("hub.challenge", ""), content_type="text/plain; charset=utf-8")

    def post(self, request: HttpRequest) -> HttpResponse:
        """Keep what is signed; what it says is read later, so nothing in it can fail here."""
        raw = body.read(request, limit=settings.META_MAX_BODY_BYTES)
        try:
            _keep(raw, request)
        except IntegrityError:
            forget_secrets()  # the app was removed within the last seconds: look again, once
            _keep(raw, request)
        return HttpResponse(status=200, content_type="text/plain; charset=utf-8")


def _keep(raw: bytes, request: HttpRequest) -> None:
    app, is_sandbox = _sender(raw, request.META.get("HTTP_X_HUB_SIGNATURE_256"))
    ingest.store(body=raw, app=app, is_sandbox=is_sandbox)


def _sender(raw: bytes, header: str | None) -> tuple[MetaApp | None, bool]:
    """Tell by the signature who posted: the sandbox, or one of the apps at Meta."""
    if not header:
        raise BadSignature("X-Hub-Signature-256 is missing")
    held = _secrets()
    index = signing.hub_matches((*held.secrets, settings.SANDBOX_APP_SECRET), raw, header)
    if index is None:
        raise BadSignature("X-Hub-Signature-256 does not fit the body and any app secret")
    return (None, True) if index == len(held.apps) else (held.apps[index], False)


def _is_ours(token: str) -> bool:
    given = token.encode()
    matches = [hmac.compare_digest(given, known.encode()) for known in _secrets().verify_tokens if known]
    return any(matches)


def forget_secrets() -> None:
    """Read the apps anew for the next callback."""
    global _held
    _held = None


def _secrets() -> _Secrets:
    """Decrypted once in a few seconds, not once per callback."""
    global _held
    if _held is None or time.monotonic() - _held.read_at > _SECRETS_LIVE_SECONDS:
        known = [(app, *opened) for app in MetaApp.objects.order_by("pk") if (opened := _open(app))]
        _held = _Secrets(
            read_at=time.monotonic(),
            apps=tuple(app for app, _, _ in known),
            secrets=tuple(secret for _, secret, _ in known),
            verify_tokens=tuple(token for _, _, token in known),
        )
    return _held


def _open(app: MetaApp) -> tuple[str, str] | None:
    """An app whose secret cannot be read, or is empty, must not close the door for the others."""
    try:
        secret, token = app.secret, app.verify_token
    except encryption.CannotOpen:
        log.error("the secrets of Meta app %s cannot be opened", app.app_id)
        return None
    return (secret, token) if secret else None
