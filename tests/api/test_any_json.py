"""Whatever JSON a client posts to the other two APIs' doors, it is told what is wrong: never a 500."""

from typing import Any

import orjson
import pytest
from django.test import Client
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pytest_django import Settings

from accounts import keys
from accounts.models import ApiKey
from gosend.api.sessions import content as sessions
from gosend.api.whatomate import uuids
from gosend.whatsapp import content as contents
from tests import factories
from tests.conftest import Party

_PHONE = "919876543210"
_ANY_TEXT = st.text(max_size=20) | st.sampled_from(
    ["", "\x00", "1", "-1", "wamid.x", "data:,", "BEGIN:VCARD", "a@g.us"]
)
_ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | _ANY_TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_ANY_TEXT, inner, max_size=3),
    max_leaves=6,
)


def _near(known: dict[str, st.SearchStrategy[Any]], *names: str) -> st.SearchStrategy[Any]:
    """Bodies that nearly fit: fields that are read, with anything in them, and now and then no object."""
    inner = st.dictionaries(st.sampled_from(names), _ANY, max_size=4)
    fields = {name: _ANY | inner | st.lists(inner, max_size=2) for name in names if name not in known}
    return st.fixed_dictionaries(known, optional=fields) | _ANY


_INNER = ("body", "text", "type", "buttons", "action", "sections", "rows", "header", "url", "id", "title")
_MESSAGE = _near(
    {"type": st.sampled_from([*contents.TYPES, "flow"]) | _ANY},
    *("text", "content", "interactive", "media_url", "caption", "image", "location", "contacts", "template"),
    *("reply_to_message_id", "whatsapp_account", "reaction", *_INNER),
)
_TEMPLATE = _near(
    {"phone_number": st.just(_PHONE) | _ANY, "template_name": st.just("offer") | _ANY},
    *("contact_id", "template_id", "template_params", "button_params", "header_params", "language"),
    *("account_name", "header_media_id", "header_media_url", "0", "1", "name"),
)
_SESSION = _near(
    {"type": st.sampled_from(sessions.TYPES) | _ANY, "to": st.just(_PHONE) | _ANY},
    *("text", "name", "options", "selectableCount", "latitude", "longitude", "contact", "vcard", "media"),
    *("replyTo", "mentions", "strict", "template", "data", "mimetype", "caption", "filename", "phone"),
)


@pytest.fixture
def doors(acme: Party, settings: Settings) -> dict[str, tuple[str, str]]:
    """Path and key of each door; sends wait for a worker, so that the bodies alone are tried."""
    settings.API_RATE_LIMITS = dict.fromkeys(settings.API_RATE_LIMITS, 10**6)
    settings.API_DAILY_LIMITS = dict.fromkeys(settings.API_DAILY_LIMITS, 10**6)
    settings.DEFAULT_RATE_PER_MIN = settings.DEFAULT_RATE_PER_HOUR = 0
    account = acme.number.business_account
    contact = factories.ContactFactory.create(tenant=acme.tenant, business_account=account, phone=_PHONE)
    components = [
        {"type": "BODY", "text": "Hello {{name}}"},
        {"type": "BUTTONS", "buttons": [{"type": "URL", "text": "Go", "url": "https://example.com/{{1}}"}]},
    ]
    factories.TemplateFactory.create(
        tenant=acme.tenant,
        business_account=account,
        name="offer",
        status="APPROVED",
        components=components,
    )

    def key(dialect: ApiKey.Dialect) -> str:
        return keys.mint(tenant=acme.tenant, label="any", environment="test", dialect=dialect)[1]

    whatomate = key(ApiKey.Dialect.WHATOMATE)
    return {
        "message": (f"/api/contacts/{uuids.write(uuids.CONTACT, contact.pk)}/messages", whatomate),
        "template": ("/api/messages/template", whatomate),
        "session": (
            f"/api/v1/sessions/{acme.number.phone_number_id}/messages",
            key(ApiKey.Dialect.SESSIONS),
        ),
    }


_often = settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@_often
@given(message=_MESSAGE, template=_TEMPLATE)
def test_no_json_breaks_whatomates_doors(
    doors: dict[str, tuple[str, str]], message: Any, template: Any
) -> None:
    for name, body in (("message", message), ("template", template)):
        _is_answered(doors[name], body)


@_often
@given(body=_SESSION)
def test_no_json_breaks_the_session_gateways_door(doors: dict[str, tuple[str, str]], body: Any) -> None:
    _is_answered(doors["session"], body)


def _is_answered(door: tuple[str, str], body: Any) -> None:
    path, key = door
    try:
        sent = orjson.dumps(body)
    except (TypeError, orjson.JSONEncodeError):
        return  # integers beyond 64 bits are not JSON to this writer
    answer = Client(raise_request_exception=False).post(
        f"{path}?async=true", sent, "application/json", headers={"X-API-Key": key}
    )
    assert answer.status_code < 500, (body, answer.content)
    if answer.status_code >= 400:
        said = orjson.loads(answer.content)
        assert said.get("status") == "error" or said["error"]["message"], said
