"""What the business wrote in its own app stands beside what it sent from here."""

from collections.abc import Callable
from typing import Any

import orjson
import pytest
from django.utils import timezone

from accounts.models import PhoneNumber, Tenant
from messaging.models import Contact, Conversation, Message, MetaEvent, ServiceWindow
from tests import factories
from tests.messaging.conftest import envelope, status, text_message
from webhooks_app.models import Event

Tell = Callable[..., MetaEvent]


def _echo(number: PhoneNumber, wamid: str, **fields: Any) -> dict[str, Any]:
    message = text_message(wamid, "We open at nine") | {"from": number.display_phone_number_normalized}
    told = envelope(number, message_echoes=[message | {"to": "5491140123456"} | fields])
    told["entry"][0]["changes"][0]["field"] = "smb_message_echoes"
    return told


def test_an_echo_is_an_outbound_message_of_the_business_app(number: PhoneNumber, tell: Tell) -> None:
    event = tell(_echo(number, "wamid.1"))

    message = Message.objects.get()
    assert (message.direction, message.origin, message.status) == ("outbound", "business_app", "sent")
    assert (message.peer, message.type, message.wamid) == ("5491140123456", "text", "wamid.1")
    assert message.content.body["text"] == {"body": "We open at nine"}
    assert Contact.objects.get().phone == "5491140123456"
    assert Conversation.objects.get().last_outbound_at == message.sent_at
    assert ServiceWindow.objects.count() == 0
    assert event.errors == []


def test_an_echo_told_twice_is_one_message(number: PhoneNumber, tell: Tell) -> None:
    tell(_echo(number, "wamid.1"))
    tell(_echo(number, "wamid.1", extra="other bytes"))

    assert Message.objects.count() == 1
    assert Conversation.objects.get().messages_count == 1


def test_an_echo_is_told_with_its_origin(tenant: Tenant, number: PhoneNumber, tell: Tell) -> None:
    factories.WebhookEndpointFactory.create(tenant=tenant, phone_number=number, events=["*"])

    tell(_echo(number, "wamid.1"))

    told = [orjson.loads(bytes(event.body)) for event in Event.objects.order_by("pk")]
    assert [one["event"] for one in told] == ["whatsapp.conversation.created", "whatsapp.message.sent"]
    assert told[1]["message"]["gosendapi"]["origin"] == "business_app"
    assert told[1]["message"]["gosendapi"]["content"] == "We open at nine"


def test_an_echo_is_delivered_and_read_as_any_message(number: PhoneNumber, tell: Tell) -> None:
    tell(envelope(number, statuses=[status("wamid.1", "delivered")]))
    tell(_echo(number, "wamid.1"))
    assert Message.objects.get().status == "delivered"

    tell(envelope(number, statuses=[status("wamid.1", "read")]))

    assert Message.objects.get().status == "read"


def test_an_echo_to_a_person_without_a_number_is_kept_by_user_id(number: PhoneNumber, tell: Tell) -> None:
    tell(_echo(number, "wamid.1", to=None, to_user_id="US.1349"))

    assert Message.objects.get().peer == "US.1349"
    assert Contact.objects.get().user_id == "US.1349"


def test_an_echo_to_nobody_is_passed_over(number: PhoneNumber, tell: Tell) -> None:
    event = tell(_echo(number, "wamid.1", to=None))

    assert (Message.objects.count(), event.errors) == (0, [])


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("reaction", {"message_id": "wamid.0", "emoji": "👍"}),
        ("edit", {"original_message_id": "wamid.0", "message": {"type": "text", "text": {"body": "ten"}}}),
        ("revoke", {"original_message_id": "wamid.0"}),
    ],
)
@pytest.mark.parametrize("is_echo", [True, False])
def test_reactions_edits_and_revocations_are_messages_of_their_type(
    number: PhoneNumber, tell: Tell, kind: str, value: dict[str, Any], is_echo: bool
) -> None:
    message = {"from": "5491140123456", "id": "wamid.1", "timestamp": str(int(timezone.now().timestamp()))}
    message |= {"type": kind, kind: value}  # type: ignore[dict-item]

    if is_echo:
        tell(_echo(number, "wamid.1", type=kind, **{kind: value}))
    else:
        tell(envelope(number, messages=[message]))

    kept = Message.objects.get()
    assert (kept.type, kept.content.body[kind]) == (kind, value)
