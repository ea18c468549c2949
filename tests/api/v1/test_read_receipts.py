"""POST of /v1/messages/{id}/read."""

from typing import Any

import orjson
import pytest
from pytest_django import Settings

from accounts import keys
from accounts.models import PhoneNumber
from messaging.models import Message
from tests import factories
from tests.api.conftest import Call
from tests.conftest import Party
from tests.lib.raw_server import RawServer, answers

RECEIVED = Message.Status.RECEIVED
REFUSED = b'{"error":{"message":"(#130429) Rate limit hit","code":130429}}'
THROTTLED = b"HTTP/1.1 400 Bad Request\r\nContent-Length: %d\r\n\r\n%b" % (len(REFUSED), REFUSED)
SUCCESS = b'HTTP/1.1 200 OK\r\nContent-Length: 16\r\n\r\n{"success":true}'


@pytest.fixture
def inbound(number: PhoneNumber) -> Message:
    return inbound_on(number)


def inbound_on(number: PhoneNumber, **more: Any) -> Message:
    message: Message = factories.MessageFactory.create(
        phone_number=number, direction=Message.Direction.INBOUND, status=RECEIVED, **more
    )
    return message


def code_of(response: Any) -> str:
    return str(orjson.loads(response.content)["code"])


@pytest.mark.parametrize("name", ["pk", "wamid"])
@pytest.mark.parametrize("body", [None, {}, {"typing": True}, {"typing": False}, {"typing_indicator": True}])
def test_a_message_is_marked_as_read(post: Call, inbound: Message, name: str, body: Any) -> None:
    response = post(f"/v1/messages/{getattr(inbound, name)}/read", body)

    assert (response.status_code, orjson.loads(response.content)) == (200, {"success": True})
    inbound.refresh_from_db()
    assert inbound.read_at is not None
    assert inbound.status == RECEIVED


def test_a_wamid_may_hold_a_slash(post: Call, number: PhoneNumber) -> None:
    inbound_on(number, wamid="wamid.HBg/NTQ5==")

    assert post("/v1/messages/wamid.HBg/NTQ5==/read").status_code == 200


def test_a_second_time_keeps_the_first_moment(post: Call, inbound: Message) -> None:
    Message.objects.filter(pk=inbound.pk).update(read_at=factories.LONG_AGO)

    assert post(f"/v1/messages/{inbound.pk}/read").status_code == 200
    inbound.refresh_from_db()
    assert inbound.read_at == factories.LONG_AGO


@pytest.mark.parametrize(
    ("body", "indicator"),
    [
        (b"", None),
        (b'{"typing": false}', None),
        (b'{"typing": true}', {"type": "text"}),
        (b'{"typing_indicator": {"type": "text"}}', {"type": "text"}),
    ],
)
def test_meta_is_told_which_message_and_whether_somebody_types(
    post: Call, inbound: Message, settings: Settings, body: bytes, indicator: Any
) -> None:
    with RawServer(answers(SUCCESS)) as meta:
        settings.SANDBOX_URL = meta.url("")
        assert post(f"/v1/messages/{inbound.pk}/read", body).status_code == 200

    (request,) = meta.requests
    told = orjson.loads(request.partition(b"\r\n\r\n")[2])
    assert request.startswith(b"POST /v")
    assert f"/{inbound.phone_number.phone_number_id}/messages ".encode() in request.partition(b"\r\n")[0]
    assert told.pop("typing_indicator", None) == indicator
    assert told == {"messaging_product": "whatsapp", "status": "read", "message_id": inbound.wamid}


@pytest.mark.parametrize("value", ["yes", 1, {"type": "voice"}, []])
@pytest.mark.parametrize("field", ["typing", "typing_indicator"])
def test_typing_is_true_or_false(post: Call, inbound: Message, field: str, value: Any) -> None:
    response = post(f"/v1/messages/{inbound.pk}/read", {field: value})

    assert (response.status_code, code_of(response)) == (400, "INVALID_FIELD")
    assert orjson.loads(response.content)["details"] == {"field": field, "value": str(value)}
    inbound.refresh_from_db()
    assert inbound.read_at is None


def test_only_what_a_customer_sent_can_be_read(post: Call, number: PhoneNumber) -> None:
    sent = factories.MessageFactory.create(phone_number=number)

    response = post(f"/v1/messages/{sent.pk}/read")

    assert (response.status_code, code_of(response)) == (404, "NOT_FOUND")
    assert "customer" in orjson.loads(response.content)["message"]


@pytest.mark.parametrize("unknown", ["1", "wamid.none", "x", "0" * 30])
def test_an_unknown_message_is_not_found(post: Call, unknown: str) -> None:
    response = post(f"/v1/messages/{unknown}/read")

    assert (response.status_code, code_of(response)) == (404, "NOT_FOUND")


def test_a_strangers_message_is_as_unknown(post: Call, globex: Party) -> None:
    theirs = inbound_on(globex.number)

    for name in (theirs.pk, theirs.wamid):
        response = post(f"/v1/messages/{name}/read")
        assert (response.status_code, code_of(response)) == (404, "NOT_FOUND")
    theirs.refresh_from_db()
    assert theirs.read_at is None


def test_a_key_that_may_only_read_marks_nothing(acme: Party, post: Call, inbound: Message) -> None:
    reader = keys.mint(tenant=acme.tenant, label="r", environment="test", scopes=["read"])[1]

    response = post(f"/v1/messages/{inbound.pk}/read", X_API_Key=reader)

    assert (response.status_code, code_of(response)) == (403, "INSUFFICIENT_SCOPE")


def test_metas_refusal_is_told_with_its_cure(post: Call, number: PhoneNumber) -> None:
    inbound = inbound_on(number, wamid="not-one-of-metas")

    response = post(f"/v1/messages/{inbound.pk}/read")

    answer = orjson.loads(response.content)
    assert (response.status_code, answer["code"]) == (422, "META_ERROR")
    assert answer["details"]["meta"]["code"] == 131009
    inbound.refresh_from_db()
    assert inbound.read_at is None


def test_a_meta_that_cannot_be_reached_is_worth_another_try(
    post: Call, inbound: Message, settings: Settings
) -> None:
    settings.SANDBOX_URL = "http://127.0.0.1:1"

    response = post(f"/v1/messages/{inbound.pk}/read")

    assert (response.status_code, code_of(response)) == (503, "META_UNAVAILABLE")
    assert int(response["Retry-After"]) >= 1


def test_a_throttle_of_metas_says_how_long_to_wait(post: Call, inbound: Message, settings: Settings) -> None:
    with RawServer(answers(THROTTLED)) as meta:
        settings.SANDBOX_URL = meta.url("")
        response = post(f"/v1/messages/{inbound.pk}/read")

    assert (response.status_code, code_of(response)) == (503, "META_UNAVAILABLE")
    assert orjson.loads(response.content)["details"]["meta"]["code"] == 130429


def test_the_same_idempotency_key_marks_once(post: Call, inbound: Message) -> None:
    first = post(f"/v1/messages/{inbound.pk}/read", {}, Idempotency_Key="k")
    again = post(f"/v1/messages/{inbound.pk}/read", {}, Idempotency_Key="k")

    assert (first.status_code, again.status_code) == (200, 200)
    assert again["Idempotent-Replayed"] == "true"
    assert again.content == first.content
