"""Accepting many messages at once."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import PhoneNumber, Tenant
from gosend.whatsapp import content
from messaging import conversations, deliver, send, throughput
from messaging.models import Contact, Conversation, Dispatch, Message, ServiceWindow
from templates_app import catalog
from tests import factories
from webhooks_app.models import Delivery, Event

SendText = Callable[..., Message]
AcceptMany = Callable[..., list[send.Verdict]]


@pytest.fixture
def accept_many(tenant: Tenant) -> AcceptMany:
    def _accept(*asked: send.Asked) -> list[send.Verdict]:
        return send.accept_many(tenant=tenant, asked=asked, environment="test", request_id="req_many")

    return _accept


def _text(number: PhoneNumber, to: str = "5491140123456", body: str = "Hola", **more: Any) -> send.Asked:
    return send.Asked(number, to, content.parse(type="text", value={"body": body}), **more)


def _template(number: PhoneNumber, name: str, to: str = "5491140123456") -> send.Asked:
    value = {"name": name, "language": {"code": "en_US"}}
    return send.Asked(number, to, content.parse(type="template", value=value))


def _to(n: int) -> str:
    return f"549114012{n:04d}"


def test_many_are_kept_in_order_and_sent_later(accept_many: AcceptMany, number: PhoneNumber) -> None:
    verdicts = accept_many(*(_text(number, _to(n), f"Hola {n}") for n in range(5)))

    messages = list(Message.objects.order_by("pk").select_related("content"))
    assert verdicts == messages
    assert [message.content.body["text"]["body"] for message in messages] == [f"Hola {n}" for n in range(5)]
    assert {message.status for message in messages} == {"queued"}
    assert {message.request_id for message in messages} == {"req_many"}
    assert deliver.drain(number_id=number.pk) == 5
    assert set(Message.objects.values_list("status", flat=True)) == {"sent"}


def test_what_is_returned_is_the_row_as_it_was_stored(accept_many: AcceptMany, number: PhoneNumber) -> None:
    (message,) = accept_many(_text(number))

    stored = Message.objects.get()
    assert isinstance(message, Message)
    assert message.get_deferred_fields() == set()
    names = [field.attname for field in Message._meta.concrete_fields]
    assert {name: getattr(message, name) for name in names} == {name: getattr(stored, name) for name in names}


def test_one_that_cannot_be_sent_does_not_stop_its_siblings(
    accept_many: AcceptMany, strict_number: PhoneNumber
) -> None:
    juan = factories.ContactFactory.create(
        business_account=strict_number.business_account, tenant=strict_number.tenant, phone=_to(1)
    )
    ServiceWindow.objects.create(
        phone_number=strict_number, contact=juan, expires_at=timezone.now() + timedelta(hours=1)
    )

    verdicts = accept_many(
        _text(strict_number, "12"),
        _text(strict_number, _to(1)),
        _text(strict_number, _to(2)),
        _template(strict_number, "nowhere_to_be_found"),
        _text(factories.PhoneNumberFactory.create(tenant=strict_number.tenant)),
    )

    assert [type(verdict).__name__ for verdict in verdicts] == [
        "InvalidRecipient",
        "Message",
        "WindowClosed",
        "TemplateUnknown",
        "EnvironmentMismatch",
    ]
    assert Message.objects.get().peer == _to(1)
    assert not Contact.objects.filter(phone=_to(2)).exists()


def test_a_refusal_says_what_a_send_of_its_own_would_say(
    accept_many: AcceptMany, send_text: SendText, strict_number: PhoneNumber
) -> None:
    with pytest.raises(conversations.WindowClosed) as alone:
        send_text()

    (verdict,) = accept_many(_text(strict_number))

    assert isinstance(verdict, conversations.WindowClosed)
    assert (verdict.message, verdict.details) == (alone.value.message, alone.value.details)


def test_the_statements_are_as_many_for_two_hundred_as_for_two(
    accept_many: AcceptMany, tenant: Tenant, number: PhoneNumber
) -> None:
    factories.WebhookEndpointFactory.create(
        tenant=tenant, phone_number=number, events=["whatsapp.conversation.created"]
    )
    factories.TemplateFactory.create(business_account=number.business_account, tenant=tenant, name="hello")

    def statements(start: int, count: int) -> int:
        texts = [_text(number, _to(start + n)) for n in range(count)]
        templates = [_template(number, "hello", _to(start + n)) for n in range(count)]
        with CaptureQueriesContext(connection) as queries:
            verdicts = accept_many(*texts, *templates)
        assert all(isinstance(verdict, Message) for verdict in verdicts)
        return len(queries)

    few = statements(0, 1)
    many = statements(1000, 100)

    assert many <= few + 2
    assert many <= 22
    assert Event.objects.count() == Delivery.objects.count() == 101


def test_one_person_gets_one_contact_and_one_conversation(
    accept_many: AcceptMany, number: PhoneNumber, send_text: SendText
) -> None:
    verdicts = accept_many(*(_text(number, body=str(n)) for n in range(3)), _text(number, "AR.123456"))
    send_text(body="alone")

    assert len(verdicts) == 4
    assert Contact.objects.count() == 2
    juan = Conversation.objects.get(contact__phone="5491140123456")
    assert juan.messages_count == 4
    assert Conversation.objects.get(contact__user_id="AR.123456").messages_count == 1


def test_a_conversation_that_is_over_is_ended_and_another_begun(
    accept_many: AcceptMany, number: PhoneNumber
) -> None:
    accept_many(_text(number))
    Conversation.objects.update(last_message_at=timezone.now() - timedelta(hours=25))

    accept_many(_text(number), _text(number))

    old, fresh = Conversation.objects.order_by("pk")
    assert (old.status, old.ended_reason, old.messages_count) == ("ended", "expired", 1)
    assert old.ended_at == old.last_message_at + timedelta(hours=24)
    assert (fresh.status, fresh.messages_count) == ("active", 2)


def test_what_exceeds_the_queue_is_refused_and_the_rest_is_kept(
    accept_many: AcceptMany, number: PhoneNumber, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(throughput, "MAX_WAITING", 2)

    verdicts = accept_many(*(_text(number, _to(n)) for n in range(4)))

    assert [type(verdict).__name__ for verdict in verdicts] == ["Message"] * 2 + ["QueueFull"] * 2
    assert Dispatch.objects.count() == 2


def test_a_template_that_is_not_approved_is_refused_alone(
    accept_many: AcceptMany, number: PhoneNumber
) -> None:
    account = number.business_account
    factories.TemplateFactory.create(business_account=account, tenant=number.tenant, name="good")
    factories.TemplateFactory.create(
        business_account=account, tenant=number.tenant, name="paused", status="PAUSED"
    )

    good, paused, again = accept_many(*(_template(number, name) for name in ("good", "paused", "paused")))

    assert isinstance(good, Message)
    assert isinstance(paused, catalog.TemplatePaused)
    assert isinstance(again, catalog.TemplatePaused)
