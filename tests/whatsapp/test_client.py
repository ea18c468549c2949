"""The Graph client: what goes out, and what each answer becomes."""

import json
from collections.abc import Iterator
from email import message_from_bytes
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest

from gosend.lib import http
from gosend.sandbox import graph
from gosend.sandbox.world import MemoryWorld
from gosend.whatsapp import content
from gosend.whatsapp.client import Accepted, GraphClient, HttpTransport
from gosend.whatsapp.errors import GraphError, Outcome
from gosend.whatsapp.wire import GraphRequest, GraphResponse

NUMBER = "700000000000001"
BODY = content.graph_body(content=content.Text(body="¡Hola! 🙂"), to="34600111222", opaque="m.41.1")
ACCEPTED = {
    "messaging_product": "whatsapp",
    "contacts": [{"input": "+34600111222", "wa_id": "34600111222"}],
    "messages": [{"id": "wamid.SAMPLE1", "message_status": "accepted"}],
}


class Meta:
    """A transport that keeps the requests and gives one prepared answer."""

    def __init__(self, answer: object, status: int = 200) -> None:
        self.requests: list[GraphRequest] = []
        self._answer = answer
        self._status = status

    def __call__(self, request: GraphRequest) -> GraphResponse:
        self.requests.append(request)
        if isinstance(self._answer, Exception):
            raise self._answer
        body = self._answer if isinstance(self._answer, bytes) else json.dumps(self._answer).encode()
        return GraphResponse(status=self._status, body=body)


def _client(meta: Meta) -> GraphClient:
    return GraphClient(transport=meta, token="EAAsample")


def test_a_message_goes_out_as_json_and_comes_back_with_its_wamid() -> None:
    meta = Meta(ACCEPTED)

    accepted = _client(meta).send_message(phone_number_id=NUMBER, body=BODY)

    assert accepted == Accepted("wamid.SAMPLE1", "34600111222", "", "accepted")
    (request,) = meta.requests
    assert (request.method, request.path, request.query) == ("POST", f"/{NUMBER}/messages", {})
    assert (request.token, request.content_type) == ("EAAsample", "application/json")
    assert json.loads(request.body or b"") == BODY


def test_a_message_to_a_user_id_comes_back_without_a_number() -> None:
    meta = Meta({"contacts": [{"user_id": "US.1349"}], "messages": [{"id": "wamid.SAMPLE1"}]})

    accepted = _client(meta).send_message(phone_number_id=NUMBER, body=BODY)

    assert accepted == Accepted(wamid="wamid.SAMPLE1", wa_id="", user_id="US.1349", message_status="")


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"<html>",
        b"null",
        b"[" * 100_000,
        {},
        {"messages": []},
        {"messages": [{}]},
        {"messages": [{"id": ""}]},
        {"messages": [{"id": 7}]},
        {"messages": {"id": "wamid.X"}},
        {"success": True},
    ],
)
def test_a_success_that_names_no_message_is_not_known(answer: object) -> None:
    with pytest.raises(GraphError) as caught:
        _client(Meta(answer)).send_message(phone_number_id=NUMBER, body=BODY)

    assert caught.value.outcome is Outcome.UNKNOWN
    assert caught.value.http_status == 200


@pytest.mark.parametrize(
    ("status", "error", "outcome"),
    [
        (400, {"code": 131026}, Outcome.FINAL),
        (400, {"code": 130429}, Outcome.NOT_SENT),
        (500, {"code": 131000}, Outcome.UNKNOWN),
        (200, {"code": 131009}, Outcome.FINAL),
    ],
)
def test_a_refusal_is_raised_with_its_class(status: int, error: dict[str, int], outcome: Outcome) -> None:
    meta = Meta({"error": error}, status)

    with pytest.raises(GraphError) as caught:
        _client(meta).send_message(phone_number_id=NUMBER, body=BODY)

    assert (caught.value.outcome, caught.value.code) == (outcome, error["code"])
    assert len(meta.requests) == 1


@pytest.mark.parametrize("outcome", ["NOT_SENT", "UNKNOWN"])
def test_a_broken_connection_is_raised_with_its_class(outcome: str) -> None:
    meta = Meta(http.Failed("reset", http.Outcome[outcome]))

    with pytest.raises(GraphError) as caught:
        _client(meta).send_message(phone_number_id=NUMBER, body=BODY)

    assert caught.value.outcome is Outcome[outcome]
    assert caught.value.details == "reset"
    assert len(meta.requests) == 1


@pytest.mark.parametrize(("typing", "extra"), [(False, {}), (True, {"typing_indicator": {"type": "text"}})])
def test_reading_and_typing_are_one_call(typing: bool, extra: dict[str, Any]) -> None:
    meta = Meta({"success": True})

    _client(meta).mark_read(phone_number_id=NUMBER, wamid="wamid.SAMPLE1", typing=typing)

    (request,) = meta.requests
    assert request.path == f"/{NUMBER}/messages"
    assert json.loads(request.body or b"") == {
        "messaging_product": "whatsapp",
        "status": "read",
        "message_id": "wamid.SAMPLE1",
        **extra,
    }


@pytest.mark.parametrize("answer", [{"success": False}, {}, b"ok"])
def test_reading_that_is_not_confirmed_is_raised(answer: object) -> None:
    with pytest.raises(GraphError) as caught:
        _client(Meta(answer)).mark_read(phone_number_id=NUMBER, wamid="wamid.SAMPLE1")

    assert caught.value.outcome is Outcome.UNKNOWN


def _parts(request: GraphRequest) -> list[Message]:
    head = f"Content-Type: {request.content_type}\r\n\r\n".encode()
    parts = message_from_bytes(head + request.whole()).get_payload()
    assert isinstance(parts, list)
    return [part for part in parts if isinstance(part, Message)]


def test_a_file_is_uploaded_as_a_form() -> None:
    meta = Meta({"id": "900000000000001"})
    data = bytes(range(256)) + b"\r\n--"

    media_id = _client(meta).upload_media(
        phone_number_id=NUMBER, data=data, mime_type="image/png", filename="a.png"
    )

    assert media_id == "900000000000001"
    (request,) = meta.requests
    product, type_, file = _parts(request)
    assert product.get_payload(decode=True) == b"whatsapp"
    assert type_.get_payload(decode=True) == b"image/png"
    assert (file.get_filename(), file.get_content_type()) == ("a.png", "image/png")
    assert data + b"\r\n" in request.whole()


def test_a_file_name_cannot_end_its_header() -> None:
    meta = Meta({"id": "1"})

    _client(meta).upload_media(
        phone_number_id=NUMBER, data=b"x", mime_type="image/png", filename='a"; x="\r\nX-Evil: 1\r\n\r\n'
    )

    assert len(_parts(meta.requests[0])) == 3
    assert _parts(meta.requests[0])[2]["X-Evil"] is None


def test_a_number_is_asked_for_by_its_fields() -> None:
    meta = Meta({"id": NUMBER, "quality_rating": "GREEN"})

    assert _client(meta).get_phone_number(phone_number_id=NUMBER)["quality_rating"] == "GREEN"
    (request,) = meta.requests
    assert (request.method, request.path, request.body) == ("GET", f"/{NUMBER}", None)
    assert "quality_rating" in request.query["fields"].split(",")


def test_an_id_cannot_lead_elsewhere() -> None:
    meta = Meta(ACCEPTED)

    _client(meta).send_message(phone_number_id="../me?x=1#", body=BODY)

    assert meta.requests[0].path == "/..%2Fme%3Fx%3D1%23/messages"


def test_the_pretend_meta_takes_what_the_client_says() -> None:
    world = MemoryWorld()

    def pretend(request: GraphRequest) -> GraphResponse:
        response = graph.answer(request, world=world).response
        assert response is not None
        return response

    client = GraphClient(transport=pretend, token="sandbox")

    assert client.send_message(phone_number_id=NUMBER, body=BODY).wamid.startswith("wamid.")
    assert client.get_phone_number(phone_number_id=NUMBER)["id"] == NUMBER
    assert client.upload_media(
        phone_number_id=NUMBER, data=b"\x89PNG", mime_type="image/png", filename="é.png"
    ).isdigit()
    client.mark_read(phone_number_id=NUMBER, wamid="wamid.SAMPLE1", typing=True)


class _Door(BaseHTTPRequestHandler):
    """Answers with what it was asked, in a 400."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        heard = [self.path, self.headers["Authorization"], self.headers["Content-Type"], body.decode()]
        answer = json.dumps({"error": {"code": 100, "error_data": {"details": json.dumps(heard)}}}).encode()
        self.send_response(400)
        self.send_header("X-FB-Trace-ID", "Ctrace")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def door() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Door) as server:
        server.daemon_threads = True
        Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_over_http_the_token_version_and_body_arrive_and_the_answer_comes_back(door: str) -> None:
    client = GraphClient(HttpTransport(base_url=f"{door}/", version="v25.0", timeout_seconds=5), "EAAsample")

    with pytest.raises(GraphError) as caught:
        client.send_message(phone_number_id=NUMBER, body={"a": "ñ"})

    path, authorization, content_type, body = json.loads(caught.value.details)
    assert path == f"/v25.0/{NUMBER}/messages"
    assert (authorization, content_type) == ("Bearer EAAsample", "application/json")
    assert json.loads(body) == {"a": "ñ"}
    assert (caught.value.http_status, caught.value.fbtrace_id) == (400, "Ctrace")


def test_over_http_a_closed_port_means_not_sent() -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Door) as server:
        port = server.server_port
    transport = HttpTransport(base_url=f"http://127.0.0.1:{port}", version="v25.0", timeout_seconds=5)

    with pytest.raises(GraphError) as caught:
        GraphClient(transport, "EAAsample").send_message(phone_number_id=NUMBER, body=BODY)

    assert (caught.value.outcome, caught.value.details) == (Outcome.NOT_SENT, "refused")
