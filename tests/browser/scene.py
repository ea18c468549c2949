"""A tenant with a conversation worth looking at, for pictures and for measuring."""

from datetime import timedelta
from typing import Any

from django.utils import timezone

from accounts import tenants
from accounts.models import PhoneNumber, Tenant
from messaging import rollups
from messaging.models import Conversation, Message
from tests import factories

PHONE = "5491140123456"
# What an attacker would write wherever somebody else's words are shown.
ATTACK = '<script>window.hit=1</script><img src=x onerror="window.hit=1">\'"><svg onload=window.hit=1>'


class Scene:
    """The rows; `words` stands in every place where others may write."""

    def __init__(self, words: str = "") -> None:
        self.words = words
        self.tenant: Tenant = tenants.open_tenant(name="Panadería Luna")
        self.number: PhoneNumber = tenants.add_sandbox(tenant=self.tenant)
        self.contact = factories.ContactFactory.create(
            tenant=self.tenant,
            business_account=self.number.business_account,
            phone=PHONE,
            name=words or "Juan Pérez",
        )
        self.conversation: Conversation = factories.ConversationFactory.create(
            phone_number=self.number, contact=self.contact, messages_count=6
        )
        factories.ServiceWindowFactory.create(
            phone_number=self.number, contact=self.contact, expires_at=timezone.now() + timedelta(hours=21)
        )
        self._template()
        self._talk()
        rollups.refresh()

    def _template(self) -> None:
        factories.TemplateFactory.create(
            tenant=self.tenant,
            business_account=self.number.business_account,
            name="order_ready",
            language="en_US",
            components=[
                {"type": "HEADER", "format": "TEXT", "text": "Your order {{1}}"},
                {"type": "BODY", "text": "Hello {{1}}, your order is ready. Pick it up until {{2}}."},
                {"type": "FOOTER", "text": "Panadería Luna"},
                {"type": "BUTTONS", "buttons": [{"type": "QUICK_REPLY", "text": "I am on my way"}]},
            ],
        )

    def _talk(self) -> None:
        said = self.words
        parameters = [{"type": "text", "text": said or "Juan"}, {"type": "text", "text": "18:00"}]
        components = [
            {"type": "header", "parameters": [{"type": "text", "text": said or "#1042"}]},
            {"type": "body", "parameters": parameters},
        ]
        template = {"name": "order_ready", "language": {"code": "en_US"}, "components": components}
        self.say({"type": "template", "template": template}, status="read")
        self.say(_text(said or "Thank you! Is there parking nearby?"), direction="inbound", status="received")
        self.say(_text(said or "Yes, behind the shop, for customers."), status="delivered")
        self.say(_text(said or "Great, see you soon!"), direction="inbound", status="received")
        error = {"code": 131026, "title": said or "Message undeliverable", "details": said}
        self.failed = self.say(_text(said or "We close at six today."), status="failed", error=error)
        self._tell_of(self.failed)
        self.unconfirmed = self.say(_text("Is it open on Sunday?"), status="unconfirmed", wamid=None)

    def say(self, body: dict[str, Any], **fields: Any) -> Message:
        now = timezone.now()
        status = fields["status"]
        if fields.get("direction") != "inbound":
            fields["sent_at"] = now + timedelta(milliseconds=200)
        if status in ("delivered", "read"):
            fields["delivered_at"] = now + timedelta(seconds=1)
        if status == "failed":
            fields["failed_at"] = now + timedelta(seconds=1)
        message: Message = factories.MessageFactory.create(
            phone_number=self.number,
            contact=self.contact,
            conversation=self.conversation,
            type=body["type"],
            request_id="req_5f1e0c9a7b3d2e4f6a8b0c1d" if status == "failed" else "",
            attempt_count=1,
            created_at=now,
            **fields,
        )
        factories.MessageContentFactory.create(message=message, body=body)
        return message

    def _tell_of(self, message: Message) -> None:
        factories.StatusReportFactory.create(
            message=message,
            status="failed",
            occurred_at=timezone.now() + timedelta(seconds=1),
            raw={
                "recipient_id": PHONE,
                "status": "failed",
                "errors": [{"code": 131026, "title": self.words}],
            },
        )
        endpoint = factories.WebhookEndpointFactory.create(tenant=self.tenant, phone_number=self.number)
        event = factories.EventFactory.create(
            tenant=self.tenant, phone_number=self.number, type="message.failed", message_id=message.pk
        )
        delivery = factories.DeliveryFactory.create(
            tenant=self.tenant, endpoint=endpoint, event=event, status="delivered", attempt_count=2
        )
        now = timezone.now()
        factories.AttemptFactory.create(
            delivery=delivery,
            started_at=now,
            response_status=502,
            response_body=self.words or "bad gateway",
            duration_ms=312,
        )
        factories.AttemptFactory.create(
            delivery=delivery, number=2, started_at=now + timedelta(minutes=1), response_body="ok"
        )


def _text(words: str) -> dict[str, Any]:
    return {"type": "text", "text": {"body": words}}
