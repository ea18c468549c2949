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
