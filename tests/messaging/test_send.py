"""Accepting a message."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.utils import timezone

from accounts import numbers
from accounts.models import BusinessAccount, Customer, PhoneNumber, Tenant
from gosend.sandbox.models import PendingCallback
from gosend.whatsapp import content
from messaging import conversations, deliver, send
from messaging.models import Contact, Conversation, Dispatch, Message, MetaEvent
from templates_app import catalog
from templates_app.models import Template
from tests.messaging.conftest import envelope, text_message

SendText = Callable[..., Message]


def test_a_text_is_sent_at_once(send_text: SendText) -> None:
    message = send_text()

    assert message.status == "sent"
    assert message.wamid is not None
    assert message.sent_at is not None
    assert Dispatch.objects.count() == 0
    assert PendingCallback.objects.count() == 3


def test_an_asynchronous_text_waits_for_the_drain(send_text: SendText, number: PhoneNumber) -> None:
    message = send_text(is_async=True)

    assert message.status == "queued"
    assert deliver.drain(number_id=number.pk) == 1
    message.refresh_from_db()
    assert message.status == "sent"


def test_a_sent_text_is_kept_whole(send_text: SendText) -> None:
    message = send_text(body="¿Qué tal? 👋", context_wamid="wamid.ABC", tracking="order-7")

    assert message.content.body == {
        "type": "text",
        "text": {"body": "¿Qué tal? 👋"},
        "context": {"message_id": "wamid.ABC"},
    }
    assert message.content.tracking == "order-7"
    assert message.peer == "5491140123456"


@pytest.mark.parametrize(
    "to", ["+5491140123456", "54 911 4012", "", "549-11", "12", "1" * 20, "٥٤٩١١٤٠١٢٣٤٥٦"]
)
def test_a_recipient_that_is_no_number_is_refused(send_text: SendText, to: str) -> None:
    with pytest.raises(send.InvalidRecipient) as refused:
        send_text(to=to)

    assert refused.value.details == {"field": "to", "value": to}
    assert Message.objects.count() == 0
    assert Contact.objects.count() == 0


def test_a_business_scoped_user_id_is_a_recipient(send_text: SendText) -> None:
    message = send_text(to="AR.13491208655302741918")

    assert message.status == "sent"
    assert message.contact is not None
    assert (message.contact.user_id, message.contact.phone) == ("AR.13491208655302741918", "")


def test_a_closed_window_refuses_text_and_stores_nothing(
    send_text: SendText, strict_number: PhoneNumber
) -> None:
    with pytest.raises(conversations.WindowClosed):
        send_text()

    assert Message.objects.count() == 0
    assert Contact.objects.count() == 0
    assert Conversation.objects.count() == 0


def test_an_inbound_message_opens_the_window(
    send_text: SendText, strict_number: PhoneNumber, tell: Callable[..., MetaEvent]
) -> None:
    tell(envelope(strict_number, messages=[text_message("wamid.in1")]))

    assert send_text().status == "sent"


def test_the_window_ends_after_24_hours(
    send_text: SendText, strict_number: PhoneNumber, tell: Callable[..., MetaEvent]
) -> None:
    written = int((timezone.now() - timedelta(hours=24, seconds=5)).timestamp())
    tell(envelope(strict_number, messages=[text_message("wamid.in1", at=written)]))

    with pytest.raises(conversations.WindowClosed):
        send_text()


def test_a_number_in_its_first_day_leaves_the_window_to_meta(
    send_text: SendText, strict_number: PhoneNumber
) -> None:
    strict_number.connected_at = timezone.now() - timedelta(hours=23)
    strict_number.save()

    assert send_text().status == "sent"


def _send_template(tenant: Tenant, number: PhoneNumber) -> Message:
    value = {"name": "appointment_reminder", "language": {"code": "es_AR"}}
    return send.accept(
        tenant=tenant,
        number=number,
        to="5491140123456",
        content=content.parse(type="template", value=value),
        environment="test",
    )


def _template(number: PhoneNumber, status: str) -> Template:
    return Template.objects.create(
        tenant=number.tenant,
        business_account=number.business_account,
        name="appointment_reminder",
        language="es_AR",
        category="UTILITY",
        status=status,
    )


def test_an_approved_template_passes_a_closed_window(tenant: Tenant, strict_number: PhoneNumber) -> None:
    _template(strict_number, "APPROVED")

    assert _send_template(tenant, strict_number).status == "sent"


@pytest.mark.parametrize(
    ("status", "refusal"),
    [
        ("PENDING", catalog.TemplateNotApproved),
        ("REJECTED", catalog.TemplateNotApproved),
        ("PAUSED", catalog.TemplatePaused),
        ("DELETED", catalog.TemplateUnknown),
    ],
)
def test_a_template_that_is_not_approved_is_refused(
    tenant: Tenant, number: PhoneNumber, status: str, refusal: type[Exception]
) -> None:
    _template(number, status)

    with pytest.raises(refusal):
        _send_template(tenant, number)

    assert Message.objects.count() == 0


def test_an_unknown_template_is_refused(tenant: Tenant, number: PhoneNumber) -> None:
    with pytest.raises(catalog.TemplateUnknown):
        _send_template(tenant, number)


def test_a_live_key_cannot_use_a_sandbox_number(tenant: Tenant, number: PhoneNumber) -> None:
    with pytest.raises(numbers.EnvironmentMismatch):
        send.accept(
            tenant=tenant,
            number=number,
            to="5491140123456",
            content=content.parse(type="text", value={"body": "Hola"}),
            environment="live",
        )


def test_nobody_sends_who_is_suspended(send_text: SendText, tenant: Tenant, number: PhoneNumber) -> None:
    account, customer = number.business_account, number.business_account.customer
    number.status = PhoneNumber.Status.DISCONNECTED
    with pytest.raises(numbers.NumberNotConnected):
        send_text()
    customer.status = Customer.Status.SUSPENDED
    with pytest.raises(numbers.CustomerSuspended):
        send_text()
    account.status = BusinessAccount.Status.SUSPENDED
    with pytest.raises(numbers.AccountSuspended):
        send_text()
    tenant.status = Tenant.Status.SUSPENDED
    with pytest.raises(numbers.TenantSuspended):
        send_text()

    assert Message.objects.count() == 0
