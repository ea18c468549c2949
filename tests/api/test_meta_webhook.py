"""Meta's door: the challenge, the signature, the raw row."""

from collections.abc import Iterator
from typing import Any

import orjson
import pytest
from django.conf import settings
from django.http import HttpResponse
from django.test import Client

from accounts.models import MetaApp
from gosend.api import meta_webhook
from gosend.lib import signing
from messaging.models import MetaEvent

BODY = b'{"object":"whatsapp_business_account","entry":[]}'


@pytest.fixture(autouse=True)
def _fresh_secrets() -> Iterator[None]:
    meta_webhook.forget_secrets()
    yield
    meta_webhook.forget_secrets()


@pytest.fixture
def app(db: None) -> MetaApp:
    made = MetaApp(app_id="1001", name="Platform")
    made.secret = "app-secret"
    made.verify_token = "verify-me"
    made.save()
    return made


def _post(body: bytes, signature: str | None) -> HttpResponse:
    headers = {} if signature is None else {"X-Hub-Signature-256": signature}
    response = Client(headers=headers).post("/meta/webhook", body, content_type="application/json")
    assert isinstance(response, HttpResponse)
    return response


def test_the_challenge_is_given_back(app: MetaApp) -> None:
    query = {"hub.mode": "subscribe", "hub.verify_token": "verify-me", "hub.challenge": "1158201444"}

    response = Client().get("/meta/webhook", query)

    assert (response.status_code, response.content) == (200, b"1158201444")
    assert response["Content-Type"].startswith("text/plain")


@pytest.mark.parametrize(
    "query",
    [
        {},
        {"hub.mode": "subscribe", "hub.challenge": "1"},
        {"hub.mode": "subscribe", "hub.verify_token": "", "hub.challenge": "1"},
        {"hub.mode": "subscribe", "hub.verify_token": "other", "hub.challenge": "1"},
        {"hub.mode": "subscribe", "hub.verify_token": "é", "hub.challenge": "1"},
        {"hub.mode": "unsubscribe", "hub.verify_token": "verify-me", "hub.challenge": "1"},
    ],
)
def test_a_challenge_without_our_token_is_refused(app: MetaApp, query: dict[str, str]) -> None:
    response = Client().get("/meta/webhook", query)

    assert (response.status_code, response.json()["code"]) == (403, "INVALID_VERIFY_TOKEN")


def test_a_signed_callback_is_kept_as_it_came(app: MetaApp) -> None:
    response = _post(BODY, signing.hub_signature("app-secret", BODY))

    event = MetaEvent.objects.get()
    assert response.status_code == 200
    assert (bytes(event.body), event.app, event.is_sandbox) == (BODY, app, False)


def test_a_callback_of_the_sandbox_is_marked(app: MetaApp) -> None:
    response = _post(BODY, signing.hub_signature(settings.SANDBOX_APP_SECRET, BODY))

    event = MetaEvent.objects.get()
    assert (response.status_code, event.app, event.is_sandbox) == (200, None, True)


@pytest.mark.parametrize("raw", [b"", b"not json", b"\xff\x00", b"[" * 5000])
def test_whatever_is_signed_is_kept(app: MetaApp, raw: bytes) -> None:
    response = _post(raw, signing.hub_signature("app-secret", raw))

    assert (response.status_code, bytes(MetaEvent.objects.get().body)) == (200, raw)


@pytest.mark.parametrize(
    "signature", [None, "", "sha256=", "sha256=" + "0" * 64, "nonsense", "sha1=abc", "sha256=é"]
)
def test_a_bad_or_missing_signature_leaves_no_row(app: MetaApp, signature: Any) -> None:
    response = _post(BODY, signature if signature is None else signature.encode().decode("latin-1"))

    assert (response.status_code, orjson.loads(response.content)["code"]) == (401, "INVALID_SIGNATURE")
    assert not MetaEvent.objects.exists()


def test_one_changed_byte_is_refused(app: MetaApp) -> None:
    response = _post(BODY + b" ", signing.hub_signature("app-secret", BODY))

    assert response.status_code == 401
    assert not MetaEvent.objects.exists()


def test_three_megabytes_are_taken_and_more_is_413(app: MetaApp) -> None:
    allowed = b" " * 3_000_000
    too_large = b" " * (settings.META_MAX_BODY_BYTES + 1)

    assert _post(allowed, signing.hub_signature("app-secret", allowed)).status_code == 200
    assert _post(too_large, signing.hub_signature("app-secret", too_large)).status_code == 413
    assert MetaEvent.objects.count() == 1


def test_an_app_whose_secret_cannot_be_read_stops_no_other(app: MetaApp) -> None:
    MetaApp.objects.create(app_id="1002", name="Broken", sealed_secret="x", sealed_verify_token="x")

    assert _post(BODY, signing.hub_signature("app-secret", BODY)).status_code == 200


@pytest.mark.django_db(transaction=True)
def test_an_app_removed_a_moment_ago_is_refused(app: MetaApp) -> None:
    raw = b'{"entry": []}'
    assert _post(raw, signing.hub_signature("app-secret", raw)).status_code == 200
    MetaApp.objects.all().delete()

    refused = b'{"entry": [1]}'
    assert _post(refused, signing.hub_signature("app-secret", refused)).status_code == 401
    assert MetaEvent.objects.count() == 1


def test_other_methods_are_405() -> None:
    assert Client().put("/meta/webhook").status_code == 405
