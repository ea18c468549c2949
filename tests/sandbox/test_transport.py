"""Test-mode numbers reach the sandbox in process."""

import json
from datetime import timedelta
from typing import Any

import pytest
from django.db.models.functions import Now

from gosend.lib import http
from gosend.sandbox.models import PendingCallback, SeenOnce
from gosend.sandbox.transport import SandboxTransport
from gosend.sandbox.world import FORGET_AFTER
from gosend.whatsapp import content, errors
from gosend.whatsapp.client import GraphClient
from gosend.whatsapp.wire import GraphRequest, GraphResponse

pytestmark = pytest.mark.django_db


def transport(phone_number_id: str = "999106540352242") -> SandboxTransport:
    return SandboxTransport(
        waba_id="999200000000001",
        phone_number_id=phone_number_id,
        display_phone_number="15555550123",
    )


def send(to: str, *, path: str = "/999106540352242/messages") -> GraphResponse:
    body = {
        "messaging_product": "whatsapp",
        "to": to,
        "type": "text",
        "text": {"body": "Hi"},
        "biz_opaque_callback_data": "42.1",
    }
    return transport()(GraphRequest("POST", path, "sandbox", body=json.dumps(body).encode()))


def pending() -> list[dict[str, Any]]:
    rows = PendingCallback.objects.order_by("due_at", "pk")
    return [json.loads(bytes(row.body))["entry"][0]["changes"][0]["value"] for row in rows]


def test_accepted_message_leaves_its_statuses_as_rows() -> None:
    response = send("+5491123456789")

    wamid = json.loads(response.body)["messages"][0]["id"]
    statuses = [value["statuses"][0] for value in pending()]
    assert response.status == 200
    assert [status["status"] for status in statuses] == ["sent", "delivered", "read"]
    assert {status["id"] for status in statuses} == {wamid}
    assert {status["biz_opaque_callback_data"] for status in statuses} == {"42.1"}
    assert PendingCallback.objects.filter(due_at__gt=Now() + timedelta(seconds=2)).count() == 1


def test_refused_message_leaves_nothing() -> None:
    response = send("nobody")

    assert response.status == 400
    assert PendingCallback.objects.count() == 0


def test_number_knows_no_other_number() -> None:
    response = send("+5491123456789", path="/999106540352243/messages")

    assert json.loads(response.body)["error"]["error_subcode"] == 33
    assert PendingCallback.objects.count() == 0


def test_answer_that_is_cut_off_is_unknown_and_its_statuses_still_come() -> None:
    with pytest.raises(http.Failed) as caught:
        send("+5491123450006")

    assert caught.value.reason == "reset"
    assert caught.value.outcome is http.Outcome.UNKNOWN
    assert [value["statuses"][0]["status"] for value in pending()] == ["sent", "delivered", "read"]


def test_throttle_is_remembered_between_requests_for_ten_minutes() -> None:
    statuses = [send("+5491123450005").status for _ in range(3)]
    SeenOnce.objects.update(created_at=Now() - FORGET_AFTER - timedelta(seconds=1))
    later = [send("+5491123450005").status for _ in range(2)]

    assert statuses == [400, 200, 200]
    assert later == [400, 200]
    assert SeenOnce.objects.count() == 1


@pytest.fixture
def client() -> GraphClient:
    return GraphClient(transport=transport(), token="sandbox")


def hello(to: str) -> dict[str, Any]:
    return content.graph_body(content=content.parse(type="text", value={"body": "Hi"}), to=to, opaque="42.1")


def test_our_client_sends_through_it(client: GraphClient) -> None:
    accepted = client.send_message(phone_number_id="999106540352242", body=hello("5491123456789"))

    assert accepted.wamid.startswith("wamid.")
    assert accepted.wa_id == "5491123456789"
    assert {value["statuses"][0]["id"] for value in pending()} == {accepted.wamid}


def test_our_client_reads_uploads_and_asks_through_it(client: GraphClient) -> None:
    number = client.get_phone_number(phone_number_id="999106540352242")
    media_id = client.upload_media(
        phone_number_id="999106540352242", data=b"\x89PNG", mime_type="image/png", filename="ñ.png"
    )
    client.mark_read(phone_number_id="999106540352242", wamid="wamid.abc", typing=True)

    assert (number["id"], number["status"]) == ("999106540352242", "CONNECTED")
    assert media_id.isdigit()
    assert PendingCallback.objects.count() == 0


@pytest.mark.parametrize(
    ("to", "code", "outcome"),
    [
        ("5491123450005", 130429, errors.Outcome.NOT_SENT),
        ("5491123450006", None, errors.Outcome.UNKNOWN),
        ("15555550123", 131021, errors.Outcome.FINAL),
    ],
)
def test_our_client_tells_the_failures_apart(
    client: GraphClient, to: str, code: int | None, outcome: errors.Outcome
) -> None:
    with pytest.raises(errors.GraphError) as caught:
        client.send_message(phone_number_id="999106540352242", body=hello(to))

    assert (caught.value.code, caught.value.outcome) == (code, outcome)
