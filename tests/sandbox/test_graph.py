"""The sandbox answers as Graph does."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gosend.sandbox import graph, refusals
from gosend.sandbox.world import Line, MemoryWorld
from gosend.whatsapp.wire import GraphRequest

LINE = Line("200000000000001", "106540352242922", "15550783881")


@pytest.fixture
def world() -> MemoryWorld:
    return MemoryWorld((LINE,))


def request(body: Any = None, **change: Any) -> GraphRequest:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    fields: dict[str, Any] = {
        "method": "POST",
        "path": "/106540352242922/messages",
        "token": "EAAtest",
        "body": raw,
        "content_type": "application/json",
    }
    return GraphRequest(**(fields | change))


def text(to: str = "+5491123456789", **more: Any) -> dict[str, Any]:
    return {"messaging_product": "whatsapp", "to": to, "type": "text", "text": {"body": "Hi"}} | more


def answered(reply: graph.Reply) -> tuple[int, dict[str, Any]]:
    assert reply.response is not None
    return reply.response.status, json.loads(reply.response.body)


def test_text_is_accepted_with_an_id_and_the_recipients_whatsapp_id(world: MemoryWorld) -> None:
    reply = graph.answer(request(text("+54 (911) 2345-6789")), world=world)

    status, body = answered(reply)
    wamid = body["messages"][0]["id"]
    assert status == 200
    assert body == {
        "messaging_product": "whatsapp",
        "contacts": [{"input": "+54 (911) 2345-6789", "wa_id": "5491123456789"}],
        "messages": [{"id": wamid}],
    }
    assert wamid.startswith("wamid.")
    assert reply.accepted == graph.Accepted(
        wamid, LINE.phone_number_id, "5491123456789", "text", None, {"body": "Hi"}
    )


def test_two_messages_have_two_ids(world: MemoryWorld) -> None:
    first, second = (graph.answer(request(text()), world=world) for _ in range(2))

    assert answered(first)[1]["messages"] != answered(second)[1]["messages"]


def test_template_answer_says_accepted(world: MemoryWorld) -> None:
    body = {
        "messaging_product": "whatsapp",
        "to": "+5491123456789",
        "type": "template",
        "template": {"name": "hello_world", "language": {"code": "en_US"}},
    }

    status, answer = answered(graph.answer(request(body), world=world))

    assert status == 200
    assert answer["messages"][0]["message_status"] == "accepted"


def test_recipient_may_be_a_user_id(world: MemoryWorld) -> None:
    body = text() | {"recipient": "US.13491208655302741918"}
    del body["to"]

    reply = graph.answer(request(body), world=world)

    assert answered(reply)[1]["contacts"] == [{"user_id": "US.13491208655302741918"}]
    value = reply.callbacks[0].payload["entry"][0]["changes"][0]["value"]
    assert value["statuses"][0]["recipient_user_id"] == "US.13491208655302741918"
    assert "recipient_id" not in value["statuses"][0]


@pytest.mark.parametrize(
    ("token", "subcode"), [("", None), ("expired-token", 463), ("invalid-token", 467)], ids=str
)
def test_token_that_is_missing_or_dead_is_code_190(
    world: MemoryWorld, token: str, subcode: int | None
) -> None:
    reply = graph.answer(request(text(), token=token), world=world)

    status, body = answered(reply)
    assert (status, body["error"]["code"], body["error"]["type"]) == (401, 190, "OAuthException")
    assert body["error"].get("error_subcode") == subcode
    assert body["error"]["message"]
    assert body["error"]["fbtrace_id"].startswith("A")
    assert reply.callbacks == ()


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/999/messages"),
        ("GET", "/999"),
        ("GET", "/106540352242922/messages"),
        ("POST", "/106540352242922"),
        ("POST", "/106540352242922/nonsense"),
        ("GET", "/"),
        ("POST", ""),
    ],
)
def test_unknown_object_or_action_is_code_100_subcode_33(world: MemoryWorld, method: str, path: str) -> None:
    reply = graph.answer(request(text(), method=method, path=path), world=world)

    status, body = answered(reply)
    error = body["error"]
    assert (status, error["code"], error["error_subcode"]) == (400, 100, 33)
    assert error["type"] == "GraphMethodException"
    assert reply.accepted is None


def test_refusal_names_the_parameter_in_the_shape_of_graph(world: MemoryWorld) -> None:
    reply = graph.answer(request(text(text={})), world=world)

    status, body = answered(reply)
    trace = body["error"].pop("fbtrace_id")
    assert status == 400
    assert body == {
        "error": {
            "message": "(#131008) Required parameter is missing",
            "type": "OAuthException",
            "code": 131008,
            "error_data": {"messaging_product": "whatsapp", "details": "text.body is required"},
        }
    }
    assert reply.response is not None
    assert reply.response.headers["x-fb-trace-id"] == trace
    assert reply.callbacks == ()


def test_number_cannot_write_to_itself(world: MemoryWorld) -> None:
    status, body = answered(graph.answer(request(text("+15550783881")), world=world))

    assert (status, body["error"]["code"]) == (400, 131021)


@pytest.mark.parametrize("more", [{}, {"typing_indicator": {"type": "text"}}], ids=["read", "typing"])
def test_mark_as_read_and_typing_succeed_without_a_callback(world: MemoryWorld, more: dict[str, Any]) -> None:
    body = {"messaging_product": "whatsapp", "status": "read", "message_id": "wamid.abc"} | more

    reply = graph.answer(request(body), world=world)

    assert answered(reply) == (200, {"success": True})
    assert (reply.callbacks, reply.accepted) == ((), None)


@pytest.mark.parametrize(
    ("change", "code"),
    [({"status": "seen"}, 100), ({"message_id": None}, 131008), ({"message_id": "x"}, 131009)],
)
def test_mark_as_read_is_checked(world: MemoryWorld, change: dict[str, Any], code: int) -> None:
    body = {"messaging_product": "whatsapp", "status": "read", "message_id": "wamid.abc"} | change

    status, answer = answered(graph.answer(request(body), world=world))

    assert (status, answer["error"]["code"]) == (400, code)


def upload(
    *, mime_type: str = "image/png", product: str = "whatsapp", data: bytes = b"\x89PNG\r\n\x1a\n"
) -> bytes:
    return (
        b'--XX\r\nContent-Disposition: form-data; name="messaging_product"\r\n\r\n'
        + product.encode()
        + b'\r\n--XX\r\nContent-Disposition: form-data; filename="a.png"; name="file"\r\nContent-Type: '
        + mime_type.encode()
        + b"\r\n\r\n"
        + data
        + b"\r\n--XX--\r\n"
    )


def test_media_upload_returns_an_id(world: MemoryWorld) -> None:
    reply = graph.answer(
        request(upload(), path="/106540352242922/media", content_type="multipart/form-data; boundary=XX"),
        world=world,
    )

    status, body = answered(reply)
    assert status == 200
    assert list(body) == ["id"]
    assert body["id"].isdigit()


@pytest.mark.parametrize(
    ("body", "content_type", "code"),
    [
        (upload(mime_type="image/bmp"), "multipart/form-data; boundary=XX", 100),
        (upload(product="telegram"), "multipart/form-data; boundary=XX", 100),
        (upload(data=b""), "multipart/form-data; boundary=XX", 131053),
        (upload(data=bytes(5 * 1024 * 1024 + 1)), "multipart/form-data; boundary=XX", 131053),
        (upload(), "multipart/form-data; boundary=YY", 100),
        (upload(), "application/json", 100),
        (b"", "multipart/form-data", 100),
    ],
    ids=["kind", "product", "empty", "large", "boundary", "json", "nothing"],
)
def test_media_upload_is_checked(world: MemoryWorld, body: bytes, content_type: str, code: int) -> None:
    reply = graph.answer(request(body, path="/106540352242922/media", content_type=content_type), world=world)

    status, answer = answered(reply)
    assert (status, answer["error"]["code"]) == (400, code)


def test_number_shows_the_fields_asked_for(world: MemoryWorld) -> None:
    reply = graph.answer(
        request(None, method="GET", path="/106540352242922", query={"fields": "quality_rating, status"}),
        world=world,
    )

    assert answered(reply) == (
        200,
        {"quality_rating": "GREEN", "status": "CONNECTED", "id": "106540352242922"},
    )


def test_number_has_no_unknown_field(world: MemoryWorld) -> None:
    reply = graph.answer(
        request(None, method="GET", path="/106540352242922", query={"fields": "shoe_size"}), world=world
    )

    assert answered(reply)[1]["error"]["code"] == 100


PIECES = st.sampled_from(
    [
        None,
        True,
        0,
        -1,
        1.5,
        float("nan"),
        10**400,
        "",
        "text",
        "wamid.x",
        "\ud800",
        [],
        {},
        [[]],
        [{}],
        [None],
    ]
    + [{"body": []}, {"type": "list", "action": {"sections": [{"rows": [None]}]}}, {"buttons": [None]}]
    + [{"type": "button", "action": {"buttons": [7]}}, {"name": "a", "language": []}, {"latitude": "x"}]
    + [{"name": "a", "language": {"code": "en"}, "components": [{"type": []}]}, {"id": [], "link": {}}]
    + [{"latitude": 10**400, "longitude": True}, [{"name": {"formatted_name": 1}}], {"message_id": {}}]
)
KEYS = ("to", "recipient", "recipient_type", "type", "context", "status", "message_id", "typing_indicator")


@given(
    body=st.dictionaries(st.sampled_from(KEYS + ("biz_opaque_callback_data",)), PIECES, max_size=2),
    kind=st.sampled_from(refusals.TYPES),
    content=PIECES,
)
def test_no_json_body_makes_it_raise(body: dict[str, Any], kind: str, content: Any) -> None:
    reply = graph.answer(request(text(type=kind) | {kind: content} | body), world=MemoryWorld((LINE,)))

    assert reply.response is None or reply.response.status in {200, 400, 404}


@pytest.mark.parametrize("raw", [b"", b"{", b"[]", b"null", b'"x"', b"\xff\xfe", b"[" * 100_000])
def test_body_that_is_no_json_object_is_refused(world: MemoryWorld, raw: bytes) -> None:
    status, body = answered(graph.answer(request(raw), world=world))

    assert (status, body["error"]["code"]) == (400, 100)


REGISTER = "/106540352242922/register"


def number_status(world: MemoryWorld, token: str) -> str:
    asked = request(b"", method="GET", path="/106540352242922", token=token, query={"fields": "status"})
    return str(answered(graph.answer(asked, world=world))[1]["status"])


def test_a_waiting_number_is_connected_once_it_is_registered_with_a_pin(world: MemoryWorld) -> None:
    before = number_status(world, "pending-1")
    pins = [
        answered(
            graph.answer(request({"messaging_product": "whatsapp", "pin": pin}, path=REGISTER), world=world)
        )
        for pin in ("123456", "654321")
    ]

    assert pins[0] == (200, {"success": True})
    assert (pins[1][0], pins[1][1]["error"]["code"]) == (400, 133005)
    assert (before, number_status(world, "pending-1")) == ("PENDING", "CONNECTED")
    assert number_status(world, "EAAtest") == "CONNECTED"


@pytest.mark.parametrize("pin", [None, 123456, "12345", "1234567", "12345a", "１２３４５６", ["123456"]])
def test_a_pin_that_is_not_six_digits_is_refused(world: MemoryWorld, pin: Any) -> None:
    asked = request({"messaging_product": "whatsapp", "pin": pin}, path=REGISTER)

    status, body = answered(graph.answer(asked, world=world))

    assert (status, body["error"]["code"]) == (400, 100)
    assert world.is_registered(LINE.phone_number_id) is False
