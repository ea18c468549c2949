"""Edit and revoke: real while a message waits, refused once anybody may have sent it."""

import threading
from collections.abc import Callable

import pytest
from django.db import connections, transaction

from accounts.models import PhoneNumber, Tenant
from gosend.sandbox.models import PendingCallback
from gosend.whatsapp import content
from messaging import claims, deliver, recall
from messaging.models import Dispatch, Message, MessageContent
from tests import factories

SendText = Callable[..., Message]


def _text(body: str) -> content.Text:
    made = content.parse(type="text", value={"body": body})
    assert isinstance(made, content.Text)
    return made


def _body(message: Message) -> object:
    return MessageContent.objects.get(pk=message.pk).body


def test_a_waiting_text_leaves_with_its_new_words(send_text: SendText, number: PhoneNumber) -> None:
    message = send_text(is_async=True)

    recall.edit(message=message, content=_text("Adiós"))
    deliver.drain(number_id=number.pk)

    message.refresh_from_db()
    assert message.status == "sent"
    assert _body(message) == {"type": "text", "text": {"body": "Adiós"}}
    assert MessageContent.objects.get(pk=message.pk).edited_at


def test_a_revoked_message_never_leaves_and_says_so(send_text: SendText, number: PhoneNumber) -> None:
    message = send_text(is_async=True)

    recall.revoke(message=message)
    again = recall.revoke(message=message)
    deliver.drain(number_id=number.pk)

    message.refresh_from_db()
    assert message.status == again.status == "failed"
    assert recall.is_revoked(message)
    assert message.wamid is None
    assert not Dispatch.objects.exists()
    assert not PendingCallback.objects.exists()


@pytest.mark.parametrize("act", ["edit", "revoke"])
@pytest.mark.parametrize("state", ["claimed", "sending", "unknown"])
def test_what_somebody_has_claimed_is_not_touched(send_text: SendText, act: str, state: str) -> None:
    message = send_text(is_async=True)
    Dispatch.objects.update(state=state)

    with pytest.raises(recall.UnsupportedByChannel) as refused:
        _act(act, message)

    assert refused.value.details is not None
    assert set(refused.value.details) == {"reason", "alternatives", "status"}
    assert _body(message) == {"type": "text", "text": {"body": "Hola"}}
    assert Dispatch.objects.get().state == state


@pytest.mark.parametrize("act", ["edit", "revoke"])
def test_what_was_sent_or_received_is_not_touched(send_text: SendText, act: str) -> None:
    sent = send_text()
    inbound = factories.MessageFactory.create(direction="inbound", status="received")
    factories.MessageContentFactory.create(message=inbound)

    for message in (sent, inbound):
        with pytest.raises(recall.UnsupportedByChannel):
            _act(act, message)
    assert _body(sent) == {"type": "text", "text": {"body": "Hola"}}


def test_a_repeated_send_of_unknown_outcome_is_not_touched(send_text: SendText, tenant: Tenant) -> None:
    """Where the tenant has unknown sends repeated, a queued one may be at Meta already."""
    Tenant.objects.update(on_unknown=Tenant.OnUnknown.RESEND)
    message = send_text(is_async=True)
    Message.objects.update(attempt_count=1)

    with pytest.raises(recall.UnsupportedByChannel):
        recall.revoke(message=message)


def test_only_words_can_be_edited(send_text: SendText) -> None:
    message = send_text(is_async=True)
    Message.objects.update(type="image")

    with pytest.raises(recall.NotText):
        recall.edit(message=message, content=_text("Adiós"))


@pytest.mark.django_db(transaction=True)
def test_an_edit_and_a_claim_at_once_never_meet(send_text: SendText) -> None:
    """A worker that looks while the edit is under way finds nothing; afterwards it sends the new words."""
    message = send_text(is_async=True)
    seen: list[object] = []

    def look() -> None:
        seen.append(claims.take_one(message_id=message.pk))
        connections.close_all()

    with transaction.atomic():
        recall.edit(message=message, content=_text("Adiós"))
        worker = threading.Thread(target=look)
        worker.start()
        worker.join(timeout=5)
        assert not worker.is_alive()

    assert seen == [None]
    claim = claims.take_one(message_id=message.pk)
    assert claim is not None
    with pytest.raises(recall.UnsupportedByChannel):
        recall.revoke(message=message)


def _act(act: str, message: Message) -> None:
    if act == "edit":
        recall.edit(message=message, content=_text("Adiós"))
    else:
        recall.revoke(message=message)
