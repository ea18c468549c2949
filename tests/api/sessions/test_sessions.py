"""Sessions, their capabilities, chats and contacts; who is let in, and how errors are spelled."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django import Settings

from accounts import keys
from accounts.models import PhoneNumber
from messaging import deliver, merges
from messaging.models import Message
from tests import factories
from tests.api.sessions.conftest import TO, Call, caller, key_of, said
from tests.conftest import Party

TEXT = {"type": "text", "text": "Hello"}


@pytest.fixture
def session(number: PhoneNumber) -> str:
    return f"/api/v1/sessions/{number.phone_number_id}"


@pytest.fixture
def inbound(number: PhoneNumber) -> Message:
    contact = factories.ContactFactory.create(
        tenant=number.tenant, business_account=number.business_account, phone="5491140123456"
    )
    conversation = factories.ConversationFactory.create(phone_number=number, contact=contact)
    factories.ServiceWindowFactory.create(
        phone_number=number, contact=contact, expires_at=timezone.now() + timedelta(hours=5)
    )
    message: Message = factories.MessageFactory.create(
        phone_number=number,
        contact=contact,
        conversation=conversation,
        direction="inbound",
        status="received",
    )
    factories.MessageContentFactory.create(message=message)
    return message


def test_a_session_is_a_phone_number(call: Call, session: str, number: PhoneNumber) -> None:
    one = said(call("GET", session))

    assert one["id"] == number.phone_number_id
    assert one["status"] == "working"
    assert one["waJid"] == f"{number.display_phone_number_normalized}@s.whatsapp.net"
    assert (one["ratePerMin"], one["ratePerHour"]) == (20, 200)
    assert one["createdAt"] == int(number.created_at.timestamp() * 1000)
    assert said(call("GET", "/api/v1/sessions")) == {"data": [one], "nextCursor": None}


def test_budgets_and_label_change_and_other_values_are_refused(call: Call, session: str) -> None:
    changed = said(call("PATCH", session, {"label": "Shop", "ratePerMin": 5, "ratePerHour": 0}))
    assert (changed["label"], changed["ratePerMin"], changed["ratePerHour"]) == ("Shop", 5, 0)
    assert said(call("PATCH", session, {"ratePerMin": None}))["ratePerMin"] == 20
    for wrong in ({"ratePerMin": -1}, {"ratePerHour": "5"}, {"ratePerMin": True}, {"label": 5}):
        assert call("PATCH", session, wrong).status_code == 400
    assert said(call("PATCH", session, {"autoRead": True}))["error"]["code"] == "unsupported_by_channel"


def test_a_stopped_session_sends_nothing_and_loses_nothing(
    call: Call, send: Call, session: str, number: PhoneNumber
) -> None:
    send(TEXT, "?async=true")
    stopped = call("POST", f"{session}:stop")
    deliver.drain(number_id=number.pk)
    refused = send(TEXT)

    assert said(stopped)["status"] == "stopped"
    assert (refused.status_code, said(refused)["error"]["code"]) == (403, "session_not_working")
    assert Message.objects.get().status == "queued"

    assert said(call("POST", f"{session}:start"))["status"] == "working"
    deliver.drain(number_id=number.pk)
    assert Message.objects.get().status == "sent"
    assert said(call("POST", f"{session}:restart"))["status"] == "working"


@pytest.mark.parametrize(("method", "path"), [("GET", "/qr"), ("POST", "/pairing-code"), ("POST", ":logout")])
def test_linking_a_device_is_refused_with_the_reason(
    call: Call, session: str, method: str, path: str
) -> None:
    answer = call(method, session + path)
    assert (answer.status_code, said(answer)["error"]["code"]) == (409, "unsupported_by_channel")
    assert call("POST", "/api/v1/sessions", {"label": "x"}).status_code == 409


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/api/v1/realtime/ticket"),
        ("PATCH", "{session}/chats/{chat}"),
        ("GET", "{session}/chats/1203@newsletter/messages"),
    ],
)
def test_what_only_a_linked_device_has_is_refused_and_not_unknown(
    call: Call, session: str, inbound: Message, method: str, path: str
) -> None:
    answer = call(method, path.format(session=session, chat=TO), {} if method == "PATCH" else None)

    error = said(answer)["error"]
    assert (answer.status_code, error["code"]) == (409, "unsupported_by_channel")
    assert error["details"]["reason"] == error["message"]


def test_capabilities_say_native_emulated_or_unsupported(call: Call, session: str) -> None:
    found = said(call("GET", f"{session}/capabilities"))

    supports = {
        one["support"]
        for part in ("types", "actions", "recipients", "session")
        for one in found[part].values()
    }
    assert supports == {"native", "emulated", "unsupported"}
    assert found["types"]["poll"]["support"] == "emulated"
    assert found["types"]["image"]["limits"]["maxBytes"] == 5 * 1024 * 1024
    assert found["types"]["document"]["limits"]["maxBytes"] == 16 * 1024 * 1024
    assert found["budgets"] == {"ratePerMin": 20, "ratePerHour": 200}


def test_chats_and_their_messages(call: Call, send: Call, session: str, inbound: Message) -> None:
    send(TEXT | {"replyTo": inbound.wamid})
    chat = said(call("GET", f"{session}/chats"))["data"][0]
    listed = said(call("GET", f"{session}/chats/{TO}/messages"))

    assert (chat["id"], chat["jid"]) == (TO, TO)
    assert chat["windowExpiresAt"] > timezone.now().timestamp() * 1000
    ours, theirs = listed["data"]
    assert (ours["fromMe"], ours["body"], ours["ackLevel"], ours["replyTo"]) == (
        True,
        "Hello",
        1,
        inbound.wamid,
    )
    assert (theirs["fromMe"], theirs["chatJid"], theirs["direction"]) == (False, TO, "inbound")
    assert listed["nextCursor"] is None
    assert call("GET", f"{session}/chats/628123456789/messages").status_code == 404


def test_pages_follow_their_cursor_and_cost_the_same(
    call: Call, send: Call, session: str, number: PhoneNumber
) -> None:
    counts = []
    for size in (1, 3):
        while Message.objects.count() < size:
            send(TEXT, "?async=true")
        with CaptureQueriesContext(connection) as queries:
            call("GET", f"{session}/chats/{TO}/messages")
        counts.append(len(queries))
    assert counts[0] == counts[1] <= 5

    seen: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        page = said(call("GET", f"{session}/chats/{TO}/messages?limit=2&cursor={cursor}"))
        seen += [one["id"] for one in page["data"]]
        cursor = page["nextCursor"]
    assert seen == [str(pk) for pk in Message.objects.order_by("-pk").values_list("pk", flat=True)]
    for wrong in ("limit=0", "limit=201", "limit=x", "cursor=%00", "cursor=djE6NQ"):
        assert call("GET", f"{session}/chats/{TO}/messages?{wrong}").status_code == 400


def test_contacts_are_listed(call: Call, session: str, inbound: Message) -> None:
    contact = said(call("GET", f"{session}/contacts"))["data"][0]
    assert (contact["jid"], contact["phone"], contact["name"]) == (TO, "5491140123456", "Ana")


def test_what_became_part_of_another_contact_is_not_listed(
    call: Call, session: str, number: PhoneNumber, inbound: Message
) -> None:
    account = number.business_account
    by_phone = factories.ContactFactory.create(
        tenant=number.tenant, business_account=account, phone="628123456789", user_id=""
    )
    by_id = factories.ContactFactory.create(
        tenant=number.tenant, business_account=account, phone="", user_id="ID.1"
    )

    merges.meet(account=account, phone=by_phone.phone, user_id=by_id.user_id)

    merges.follow(account=account, previous="ID.1", current="ID.2")
    factories.ContactFactory.create(tenant=number.tenant, business_account=account, phone="", user_id="ID.0")
    merges.follow(account=account, previous="ID.0", current="ID.2")

    listed = said(call("GET", f"{session}/contacts"))["data"]
    assert [(one["phone"], one["userId"]) for one in listed] == [
        ("628123456789", "ID.2"), ("5491140123456", None),
    ]  # fmt: skip


def test_a_chat_that_is_read_already_is_not_reported_again(
    call: Call, session: str, inbound: Message, settings: Settings
) -> None:
    call("POST", f"{session}/chats/{TO}/read")
    settings.META_GRAPH_URL = "http://127.0.0.1:1"

    assert call("POST", f"{session}/chats/{TO}/read").status_code == 200


def test_a_chat_is_really_marked_as_read(call: Call, session: str, inbound: Message) -> None:
    answer, again = (call("POST", f"{session}/chats/{TO}/read", Idempotency_Key="r-1") for _ in range(2))

    assert again["Idempotent-Replayed"] == "true"
    assert said(again) == said(answer) == {"chatJid": TO, "messageId": inbound.wamid}
    inbound.refresh_from_db()
    assert inbound.read_at


def test_typing_is_shown_where_there_is_something_to_answer(
    call: Call, send: Call, session: str, inbound: Message
) -> None:
    presence = f"{session}/chats/{TO}/presence"
    shown = call("PUT", presence, {"state": "composing"})
    idle = call("PUT", presence, {"state": "recording"})

    assert (shown.status_code, idle.status_code) == (204, 204)
    assert "recording has no effect" in idle["Warning"]
    assert call("PUT", presence, {"state": "dancing"}).status_code == 400
    send(TEXT | {"to": "628123456789"})
    alone = call("PUT", f"{session}/chats/628123456789/presence", {"state": "composing"})
    assert (alone.status_code, said(alone)["error"]["code"]) == (409, "unsupported_by_channel")


def test_either_header_carries_the_key_and_other_keys_are_refused(acme: Party, session: str) -> None:
    own = key_of(acme)
    nobody = caller("")

    assert nobody("GET", session, Authorization="", X_API_Key=own).status_code == 200
    for wrong in ("", "wa_test_nonsense", acme.api_key):
        answer = caller(wrong)("GET", session)
        assert (answer.status_code, said(answer)["error"]["code"]) == (401, "unauthorized")
    native = caller("")("GET", "/v1/me", Authorization="", X_API_Key=own)
    assert (native.status_code, said(native)["code"]) == (401, "API_KEY_OF_ANOTHER_API")


@pytest.mark.parametrize(
    ("method", "path", "scope"),
    [
        ("GET", "", "read"),
        ("POST", "/messages", "send"),
        ("PATCH", "", "manage"),
        ("POST", ":stop", "manage"),
        ("POST", "/chats/x/read", "send"),
    ],
)
def test_a_key_does_only_what_it_may(acme: Party, session: str, method: str, path: str, scope: str) -> None:
    others = [one for one in keys.SCOPES if one != scope]
    answer = caller(key_of(acme, scopes=others))(method, session + path, {})
    assert (answer.status_code, said(answer)["error"]["code"]) == (403, "forbidden")


def test_a_strangers_session_is_as_unknown_as_one_that_is_not(call: Call, globex: Party) -> None:
    def seen(session_id: str) -> Any:
        answer = call("GET", f"/api/v1/sessions/{session_id}")
        return answer.status_code, {k: v for k, v in said(answer)["error"].items() if k != "requestId"}

    assert seen(globex.number.phone_number_id) == seen("404404")
    assert seen("404404")[0] == 404


def test_a_live_key_sees_no_sandbox(acme: Party, session: str) -> None:
    live = caller(key_of(acme, environment="live"))
    assert live("GET", session).status_code == 404
    assert said(live("GET", "/api/v1/sessions"))["data"] == []


def test_errors_have_this_dialects_shape_everywhere(call: Call, path: str, session: str) -> None:
    for answer, status, code in (
        (call("GET", "/api/v1/nothing"), 404, "not_found"),
        (call("DELETE", session), 405, "method_not_allowed"),
        (call("POST", path, b"{"), 400, "validation_error"),
        (call("POST", path, b"[]"), 400, "validation_error"),
    ):
        error = said(answer)["error"]
        assert (answer.status_code, error["code"]) == (status, code)
        assert error["docUrl"].endswith(f"/docs/errors#{error['reason']}")
