"""Every type and field of the documented send, in both modes, within both budgets."""

import base64
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import PhoneNumber
from messaging import deliver
from messaging.models import Dispatch, Message, MessageContent, Poll, SendSlot
from tests import factories
from tests.api.sessions.conftest import Call, said

PNG = b"\x89PNG\r\n\x1a\n" + b"0" * 64
PDF = b"%PDF-1.7\n" + b"0" * 64
TEXT = {"type": "text", "text": "Hello"}
VCARD = "BEGIN:VCARD\nVERSION:3.0\nFN:Ana Li\nTEL;type=CELL;waid=628123456789:+62 812\nEND:VCARD"
ANA = [
    {
        "name": {"formatted_name": "Ana Li", "first_name": "Ana Li"},
        "phones": [{"phone": "+62 812", "type": "CELL", "wa_id": "628123456789"}],
    }
]


def _body() -> Any:
    return MessageContent.objects.latest("pk").body


def test_a_text_is_sent_and_answered_with_both_documented_shapes(send: Call) -> None:
    answer = send(TEXT)

    message = Message.objects.get()
    assert answer.status_code == 200
    result = said(answer)
    assert abs(result.pop("timestamp") - timezone.now().timestamp() * 1000) < 60_000
    assert result == {
        "messageId": message.wamid,
        "waMessageId": message.wamid,
        "outboxId": str(message.pk),
        "status": "sent",
        "mode": "sync",
        "replayed": False,
        "warnings": [],
        "renderedAs": None,
        "forwardedFrom": None,
    }
    assert message.peer == "5491140123456"
    assert _body() == {"type": "text", "text": {"body": "Hello"}}


@pytest.mark.parametrize(
    "to",
    [
        "628123456789@s.whatsapp.net",
        "628123456789@c.us",
        "+628123456789",
        "628123456789",
        " 628123456789:12@s.whatsapp.net",
        "628123456789@S.WhatsApp.net",
    ],
)
def test_every_spelling_of_a_person_is_one_person(send: Call, to: str) -> None:
    assert send(TEXT | {"to": to}).status_code == 200
    assert Message.objects.get().peer == "628123456789"


def test_a_user_id_is_a_recipient(send: Call) -> None:
    assert send(TEXT | {"to": "US.13491208655302741918"}).status_code == 200
    assert Message.objects.get().peer == "US.13491208655302741918"


@pytest.mark.parametrize(
    ("to", "status", "code"),
    [
        ("120363025246125486@g.us", 409, "unsupported_by_channel"),
        ("123@newsletter", 409, "unsupported_by_channel"),
        ("status@broadcast", 409, "unsupported_by_channel"),
        ("12345678901234@lid", 409, "unsupported_by_channel"),
        ("someone", 400, "validation_error"),
        ("0123", 400, "validation_error"),
        (5, 400, "validation_error"),
        (None, 400, "validation_error"),
    ],
)
def test_what_cannot_be_written_to_is_refused_with_the_reason(
    send: Call, to: Any, status: int, code: str
) -> None:
    answer = send(TEXT | {"to": to})

    error = said(answer)["error"]
    assert (answer.status_code, error["code"], error["details"]["field"]) == (status, code, "to")
    assert status == 400 or set(error["details"]) == {"field", "reason", "alternatives"}
    assert not Message.objects.exists()


@pytest.mark.parametrize(
    ("asked", "stored"),
    [
        (
            {"type": "location", "latitude": -34.6, "longitude": -58.4, "name": "Obelisco"},
            {"type": "location", "location": {"latitude": -34.6, "longitude": -58.4, "name": "Obelisco"}},
        ),
        (
            {"type": "contact", "contact": {"name": "Ana Li", "phone": "+628123456789"}},
            {
                "type": "contacts",
                "contacts": [
                    {
                        "name": {"formatted_name": "Ana Li", "first_name": "Ana", "last_name": "Li"},
                        "phones": [{"phone": "+628123456789", "type": "CELL", "wa_id": "628123456789"}],
                    }
                ],
            },
        ),
        ({"type": "contact", "contact": VCARD}, {"type": "contacts", "contacts": ANA}),
        ({"type": "contact", "contact": {"vcard": VCARD}}, {"type": "contacts", "contacts": ANA}),
        ({"type": "contact", "vcard": VCARD}, {"type": "contacts", "contacts": ANA}),
        (
            {"type": "image", "media": {"url": "https://example.com/a.png", "caption": "Hi"}},
            {"type": "image", "image": {"link": "https://example.com/a.png", "caption": "Hi"}},
        ),
        ({"type": "audio", "media": {"id": "123"}}, {"type": "audio", "audio": {"id": "123"}}),
    ],
)
def test_a_type_is_stored_in_metas_shape(send: Call, asked: Any, stored: Any) -> None:
    assert send(asked, "?async=true").status_code == 202
    assert _body() == stored


@pytest.mark.parametrize(
    ("kind", "data", "fields", "stored"),
    [
        ("image", PNG, {"mimetype": "image/png", "caption": "Here you go!"}, {"caption": "Here you go!"}),
        ("document", PDF, {"filename": "a.pdf", "caption": "Bill"}, {"caption": "Bill", "filename": "a.pdf"}),
        ("image", PNG, {"filename": "passed by"}, {}),
    ],
)
@pytest.mark.parametrize("spelling", ["{}", "data:application/octet-stream;base64,{}"])
def test_media_is_uploaded_and_sent_by_its_id(
    send: Call, kind: str, data: bytes, fields: Any, stored: Any, spelling: str
) -> None:
    text = spelling.format(base64.b64encode(data).decode())

    answer = send({"type": kind, "media": {"data": text, **fields}})

    assert answer.status_code == 200, answer.content
    assert said(answer)["warnings"] == []
    body = _body()
    assert body[kind].pop("id").isdigit()
    assert body == {"type": kind, kind: stored}


def test_the_bytes_decide_what_a_file_is(send: Call) -> None:
    text = base64.b64encode(PNG).decode()

    answer = send({"type": "image", "media": {"data": text, "mimetype": "image/jpeg"}})
    refused = send({"type": "video", "media": {"data": text}})

    assert said(answer)["warnings"] == ["mimetype_differs_from_bytes"]
    error = said(refused)["error"]
    assert (refused.status_code, error["code"], error["reason"]) == (
        422,
        "validation_error",
        "unsupported_media",
    )
    assert Message.objects.count() == SendSlot.objects.count() == 1


@pytest.mark.parametrize(
    ("size", "kind", "limit"),
    [(16 * 1024 * 1024 + 1, "document", 16 * 1024 * 1024), (5 * 1024 * 1024 + 1, "image", 5 * 1024 * 1024)],
)
def test_a_file_over_the_cap_is_refused_with_the_limit(send: Call, size: int, kind: str, limit: int) -> None:
    data = (PDF if kind == "document" else PNG).ljust(size, b"0")

    answer = send({"type": kind, "media": {"data": base64.b64encode(data).decode()}})

    error = said(answer)["error"]
    assert (answer.status_code, error["code"]) == (422, "validation_error")
    assert (error["reason"], error["details"]["limit"]) == ("media_too_large", limit)
    assert not Message.objects.exists()


def test_a_file_of_just_the_cap_passes(send: Call) -> None:
    data = PDF.ljust(16 * 1024 * 1024, b"0")
    assert send({"type": "document", "media": {"data": base64.b64encode(data).decode()}}).status_code == 200


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "type"),
        ({"type": "fax"}, "type"),
        ({"type": "text"}, "text"),
        ({"type": "text", "text": "a" * 4097}, "text"),
        ({"type": "text", "text": {"body": "Hi"}}, "text"),
        ({"type": "text", "text": "Hi", "mentions": "all"}, "mentions"),
        ({"type": "text", "text": "Hi", "mentions": ["nobody"]}, "mentions[0]"),
        ({"type": "text", "text": "Hi", "replyTo": 5}, "replyTo"),
        ({"type": "location", "latitude": 91, "longitude": 0}, "latitude"),
        ({"type": "location", "longitude": 0}, "latitude"),
        ({"type": "contact"}, "contact"),
        ({"type": "contact", "contact": {"name": "Ana"}}, "contact.phone"),
        ({"type": "contact", "contact": "Ana"}, "contact.vcard"),
        ({"type": "contact", "contact": "BEGIN:VCARD\nEND:VCARD"}, "contact[0].name.formatted_name"),
        ({"type": "image"}, "media.data"),
        ({"type": "image", "media": {}}, "media.data"),
        ({"type": "image", "media": {"data": "***"}}, "media.data"),
        ({"type": "image", "media": {"data": "ña"}}, "media.data"),
        ({"type": "sticker", "media": {"data": "AAAA", "caption": "Hi"}}, "media.caption"),
        ({"type": "image", "media": {"url": "ftp://example.com"}}, "media.url"),
        ({"type": "poll", "options": ["a", "b"]}, "name"),
        ({"type": "poll", "name": "Lunch?"}, "options"),
        ({"type": "poll", "name": "Lunch?", "options": ["a"]}, "options"),
        ({"type": "poll", "name": "Lunch?", "options": ["a", "a"]}, "options"),
        ({"type": "poll", "name": "Lunch?", "options": ["a", "b"], "selectableCount": 3}, "selectableCount"),
    ],
)
def test_a_wrong_field_is_named(send: Call, body: Any, field: str) -> None:
    answer = send(body)

    error = said(answer)["error"]
    assert (answer.status_code, error["code"], error["details"]["field"]) == (
        400,
        "validation_error",
        field,
    ) or (error["reason"] == "invalid_message_type")
    assert not Message.objects.exists()
    assert not SendSlot.objects.exists()


def test_a_reply_quotes_by_either_id(send: Call, number: PhoneNumber) -> None:
    first = said(send(TEXT))
    for quoted in (first["messageId"], first["outboxId"]):
        assert send(TEXT | {"replyTo": quoted}).status_code == 200
        assert _body()["context"] == {"message_id": first["waMessageId"]}

    assert send(TEXT | {"replyTo": "wamid.none"}).status_code == 404
    waiting = said(send(TEXT, "?async=true"))
    assert said(send(TEXT | {"replyTo": waiting["messageId"]}))["error"]["code"] == "message_not_sent_yet"
    Message.objects.filter(wamid=first["waMessageId"]).update(created_at=timezone.now() - timedelta(days=31))
    late = send(TEXT | {"replyTo": first["messageId"]}, "?async=true")
    assert said(late)["warnings"] == ["reply_target_older_than_30_days"]


def test_mentions_are_said_to_have_no_effect_or_refused_where_that_matters(send: Call) -> None:
    asked = TEXT | {"mentions": ["628123456789@s.whatsapp.net"]}

    assert said(send(asked))["warnings"] == ["mentions_not_supported"]
    assert said(send(asked | {"strict": True}))["error"]["code"] == "unsupported_by_channel"


def test_a_poll_says_how_it_was_rendered(send: Call) -> None:
    answer = send({"type": "poll", "name": "Lunch?", "options": ["Pizza", "Sushi"], "selectableCount": 1})

    assert said(answer)["renderedAs"] == "buttons"
    poll = Poll.objects.get()
    assert poll.message == Message.objects.get()
    buttons = _body()["interactive"]["action"]["buttons"]
    assert [button["reply"]["title"] for button in buttons] == ["Pizza", "Sushi"]


def test_a_poll_that_is_not_accepted_leaves_nothing(send: Call, number: PhoneNumber) -> None:
    PhoneNumber.objects.update(stopped_at=timezone.now())

    answer = send({"type": "poll", "name": "Lunch?", "options": ["Pizza", "Sushi"]})

    assert (answer.status_code, said(answer)["error"]["code"]) == (403, "session_not_working")
    assert not Poll.objects.exists()
    assert not SendSlot.objects.exists()


def test_a_closed_window_is_refused_before_meta_is_asked(send: Call) -> None:
    PhoneNumber.objects.update(window_policy="strict", connected_at=timezone.now() - timedelta(days=3))

    answer = send(TEXT)

    assert (answer.status_code, said(answer)["error"]["code"]) == (403, "window_closed")
    assert not Message.objects.exists()


def test_what_meta_refuses_is_an_error_with_its_words(send: Call) -> None:
    quoted = said(send(TEXT))["outboxId"]
    Message.objects.update(wamid="order-1")  # no id of Meta's

    answer = send(TEXT | {"replyTo": quoted})

    error = said(answer)["error"]
    assert (answer.status_code, error["code"]) == (422, "meta_error")
    assert error["details"]["meta"]["code"] == 131009
    assert error["details"]["message_id"] == str(Message.objects.latest("pk").pk)


def test_a_message_of_unknown_outcome_says_so_and_is_not_repeated(send: Call) -> None:
    answer = send(TEXT | {"to": "5491140120006"})

    assert (answer.status_code, said(answer)["status"]) == (202, "unknown")


def test_async_is_queued_with_our_id_until_whatsapp_gives_its_own(send: Call, number: PhoneNumber) -> None:
    answer = send(TEXT, "?async=true")

    result = said(answer)
    assert (answer.status_code, result["status"], result["mode"]) == (202, "queued", "async")
    assert (result["messageId"], result["waMessageId"]) == (result["outboxId"], None)
    deliver.drain(number_id=number.pk)
    assert Message.objects.get().status == "sent"


def test_over_the_budget_sync_is_429_and_async_stays_queued_until_it_refills(
    send: Call, number: PhoneNumber
) -> None:
    PhoneNumber.objects.update(rate_per_minute=1)
    assert send(TEXT).status_code == 200

    refused = send(TEXT)
    waiting = send(TEXT, "?async=true")
    deliver.drain(number_id=number.pk)

    error = said(refused)["error"]
    assert (refused.status_code, error["code"]) == (429, "rate_limited")
    assert error["retryAfterSeconds"] in (59, 60)
    assert refused["Retry-After"] == str(error["retryAfterSeconds"])
    assert (waiting.status_code, said(waiting)["status"]) == (202, "queued")
    late = Dispatch.objects.get()
    assert timedelta(seconds=55) < late.due_at - timezone.now() <= timedelta(seconds=60)
    Dispatch.objects.update(due_at=timezone.now())
    deliver.drain(number_id=number.pk)
    assert set(Message.objects.values_list("status", flat=True)) == {"sent"}


def test_a_repeated_key_sends_once_in_the_whole_organization(
    send: Call, call: Call, number: PhoneNumber
) -> None:
    other = factories.PhoneNumberFactory.create(
        tenant=number.tenant, business_account=number.business_account, is_sandbox=True
    )
    first = send(TEXT, Idempotency_Key="k1")
    again = send(TEXT, Idempotency_Key="k1")
    elsewhere = call(
        "POST",
        f"/api/v1/sessions/{other.phone_number_id}/messages",
        {"to": "5491140123456@s.whatsapp.net"} | TEXT,
        Idempotency_Key="k1",
    )
    other_body = send(TEXT | {"text": "Bye"}, Idempotency_Key="k1")

    assert said(again) == said(elsewhere) == said(first) | {"replayed": True}
    assert again["Idempotent-Replayed"] == "true"
    assert (again.status_code, other_body.status_code) == (first.status_code, 409)
    assert said(other_body)["error"]["code"] == "idempotency_key_conflict"
    assert Message.objects.count() == 1


def test_the_door_and_the_budgets_cost_a_known_number_of_queries(send: Call) -> None:
    """The engine's statements are counted by tests of its own."""
    send(TEXT, "?async=true")
    with CaptureQueriesContext(connection) as queries:
        assert send(TEXT, "?async=true").status_code == 202
    statements = [one["sql"] for one in queries]

    assert sum("send_slot" in sql or "messaging_sendslot" in sql for sql in statements) == 3
    assert sum('FROM "accounts_phonenumber"' in sql for sql in statements) == 1
