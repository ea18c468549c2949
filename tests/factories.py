"""One factory per model, no surprises."""

import hashlib
from datetime import UTC, datetime, timedelta
from typing import Any

import factory
import orjson
from factory.django import DjangoModelFactory

from accounts import models as accounts
from messaging import models as messaging
from templates_app import models as templates
from webhooks_app import models as webhooks

# Moments that a test does not choose lie here, far from now.
LONG_AGO = datetime(2026, 1, 1, 12, tzinfo=UTC)


class UserFactory(DjangoModelFactory[accounts.User]):
    class Meta:
        model = accounts.User

    username = factory.Sequence(lambda n: f"user{n}")
    email = factory.LazyAttribute(lambda user: f"{user.username}@example.com")


class TenantFactory(DjangoModelFactory[accounts.Tenant]):
    class Meta:
        model = accounts.Tenant

    name = factory.Sequence(lambda n: f"Tenant {n}")


class MemberFactory(DjangoModelFactory[accounts.Member]):
    class Meta:
        model = accounts.Member

    tenant = factory.SubFactory(TenantFactory)
    user = factory.SubFactory(UserFactory)
    role = accounts.Member.Role.OWNER


class GrantFactory(DjangoModelFactory[accounts.Grant]):
    class Meta:
        model = accounts.Grant

    user = factory.SubFactory(UserFactory)
    tenant = factory.SubFactory(TenantFactory)


class SignInTallyFactory(DjangoModelFactory[accounts.SignInTally]):
    class Meta:
        model = accounts.SignInTally

    key = factory.Sequence(lambda n: f"{n:064x}")
    began_at = LONG_AGO
    count = 1


class AuditEventFactory(DjangoModelFactory[accounts.AuditEvent]):
    class Meta:
        model = accounts.AuditEvent

    actor = "operator"
    action = "message.revealed"


class CustomerFactory(DjangoModelFactory[accounts.Customer]):
    class Meta:
        model = accounts.Customer

    tenant = factory.SubFactory(TenantFactory)
    name = factory.Sequence(lambda n: f"Customer {n}")


class ApiKeyFactory(DjangoModelFactory[accounts.ApiKey]):
    """A row nobody has the key to; `accounts.keys.mint` makes one that opens the API."""

    class Meta:
        model = accounts.ApiKey

    tenant = factory.SubFactory(TenantFactory)
    label = factory.Sequence(lambda n: f"key {n}")
    environment = accounts.ApiKey.Environment.TEST
    prefix = "gsk_test_AbC"
    last_four = "wxyz"
    digest = factory.Sequence(lambda n: hashlib.sha256(b"key %d" % n).digest())
    scopes = ["read", "send", "manage"]


class KeyDayFactory(DjangoModelFactory[accounts.KeyDay]):
    class Meta:
        model = accounts.KeyDay

    api_key = factory.SubFactory(ApiKeyFactory)
    day = LONG_AGO.date()
    drawn = 20
    slice = 20


class MetaAppFactory(DjangoModelFactory[accounts.MetaApp]):
    class Meta:
        model = accounts.MetaApp

    app_id = factory.Sequence(lambda n: str(700_000_000_000 + n))
    name = "The platform's app"
    secret = "app-secret"
    verify_token = "verify-me"


class BusinessAccountFactory(DjangoModelFactory[accounts.BusinessAccount]):
    class Meta:
        model = accounts.BusinessAccount

    tenant = factory.SubFactory(TenantFactory)
    customer = factory.SubFactory(CustomerFactory, tenant=factory.SelfAttribute("..tenant"))
    waba_id = factory.Sequence(lambda n: str(102_290_129_340_000 + n))
    display_name = "A business"
    status = accounts.BusinessAccount.Status.ACTIVE
    access_token = "EAA-made-up-token"


class PhoneNumberFactory(DjangoModelFactory[accounts.PhoneNumber]):
    class Meta:
        model = accounts.PhoneNumber

    tenant = factory.SubFactory(TenantFactory)
    business_account = factory.SubFactory(BusinessAccountFactory, tenant=factory.SelfAttribute("..tenant"))
    phone_number_id = factory.Sequence(lambda n: str(106_540_352_240_000 + n))
    display_phone_number_normalized = factory.Sequence(lambda n: f"1555{n:03d}0100")
    display_phone_number = factory.LazyAttribute(lambda number: f"+{number.display_phone_number_normalized}")
    status = accounts.PhoneNumber.Status.ACTIVE
    quality_rating = accounts.PhoneNumber.Quality.GREEN
    connected_at = LONG_AGO


class WebhookEndpointFactory(DjangoModelFactory[webhooks.WebhookEndpoint]):
    """Hears its number's messages; pass `phone_number=None` for one that hears the project."""

    class Meta:
        model = webhooks.WebhookEndpoint

    phone_number = factory.SubFactory(PhoneNumberFactory, tenant=factory.SelfAttribute("..tenant"))
    tenant = factory.SubFactory(TenantFactory)
    url = "https://hooks.example.com/whatsapp"
    events = ["message.delivered"]
    is_test = factory.LazyAttribute(lambda made: bool(made.phone_number and made.phone_number.is_sandbox))
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


class EventFactory(DjangoModelFactory[webhooks.Event]):
    class Meta:
        model = webhooks.Event

    tenant = factory.SubFactory(TenantFactory)
    phone_number = factory.SubFactory(PhoneNumberFactory, tenant=factory.SelfAttribute("..tenant"))
    type = "message.delivered"
    occurred_at = LONG_AGO
    body = b'{"event":"whatsapp.message.delivered"}'


class DeliveryFactory(DjangoModelFactory[webhooks.Delivery]):
    class Meta:
        model = webhooks.Delivery

    tenant = factory.SubFactory(TenantFactory)
    endpoint = factory.SubFactory(WebhookEndpointFactory, tenant=factory.SelfAttribute("..tenant"))
    event = factory.SubFactory(
        EventFactory,
        tenant=factory.SelfAttribute("..tenant"),
        phone_number=factory.SelfAttribute("..endpoint.phone_number"),
    )


class ReplayFactory(DjangoModelFactory[webhooks.Replay]):
    class Meta:
        model = webhooks.Replay

    endpoint = factory.SubFactory(WebhookEndpointFactory)
    tenant = factory.SelfAttribute("endpoint.tenant")
    since = LONG_AGO
    until = LONG_AGO
    total = 0


class AttemptFactory(DjangoModelFactory[webhooks.Attempt]):
    class Meta:
        model = webhooks.Attempt

    delivery = factory.SubFactory(DeliveryFactory)
    number = 1
    trigger = webhooks.Trigger.SCHEDULE
    started_at = LONG_AGO
    duration_ms = 12
    response_status = 200


class TemplateFactory(DjangoModelFactory[templates.Template]):
    class Meta:
        model = templates.Template

    tenant = factory.SubFactory(TenantFactory)
    business_account = factory.SubFactory(BusinessAccountFactory, tenant=factory.SelfAttribute("..tenant"))
    name = factory.Sequence(lambda n: f"order_update_{n}")
    language = "en_US"
    category = templates.Template.Category.UTILITY
    status = templates.Template.Status.APPROVED
    components = [{"type": "BODY", "text": "Your order is on its way."}]


class StatusChangeFactory(DjangoModelFactory[templates.StatusChange]):
    class Meta:
        model = templates.StatusChange

    template = factory.SubFactory(TemplateFactory)
    status = templates.Template.Status.PAUSED


class ContactFactory(DjangoModelFactory[messaging.Contact]):
    class Meta:
        model = messaging.Contact

    tenant = factory.SubFactory(TenantFactory)
    business_account = factory.SubFactory(BusinessAccountFactory, tenant=factory.SelfAttribute("..tenant"))
    phone = factory.Sequence(lambda n: f"549114{n:07d}")
    name = "Ana"


class _NumberAndContact(DjangoModelFactory[Any]):
    """What hangs on a number and on a contact of the same business account."""

    class Meta:
        abstract = True

    phone_number = factory.SubFactory(PhoneNumberFactory)
    contact = factory.SubFactory(
        ContactFactory,
        tenant=factory.SelfAttribute("..phone_number.tenant"),
        business_account=factory.SelfAttribute("..phone_number.business_account"),
    )


class ServiceWindowFactory(_NumberAndContact):
    class Meta:
        model = messaging.ServiceWindow

    expires_at = LONG_AGO


class ConversationFactory(_NumberAndContact):
    class Meta:
        model = messaging.Conversation

    tenant = factory.SelfAttribute("phone_number.tenant")


class HourlyFigureFactory(DjangoModelFactory[messaging.HourlyFigure]):
    class Meta:
        model = messaging.HourlyFigure

    hour = factory.Sequence(lambda n: LONG_AGO + timedelta(hours=n))
    tenant = factory.SubFactory(TenantFactory)
    measure = messaging.HourlyFigure.Measure.STATUS
    key = "read"
    count = 1


class MessageFactory(_NumberAndContact):
    """A text that was sent. Its content and the parts around it have factories of their own."""

    class Meta:
        model = messaging.Message

    tenant = factory.SelfAttribute("phone_number.tenant")
    direction = messaging.Message.Direction.OUTBOUND
    type = "text"
    status = messaging.Message.Status.SENT
    wamid = factory.Sequence(lambda n: f"wamid.test{n}")
    peer = factory.SelfAttribute("contact.phone")
    # What every failure and every doubt leaves in the row; lists find them by it.
    failed_at = factory.LazyAttribute(lambda made: LONG_AGO if made.status == "failed" else None)
    error = factory.LazyAttribute(
        lambda made: {"code": None, "title": "?"} if made.status in ("unknown", "unconfirmed") else None
    )


class MessageContentFactory(DjangoModelFactory[messaging.MessageContent]):
    class Meta:
        model = messaging.MessageContent

    message = factory.SubFactory(MessageFactory)
    body = {"type": "text", "text": {"body": "Hello"}}


class DispatchFactory(DjangoModelFactory[messaging.Dispatch]):
    class Meta:
        model = messaging.Dispatch

    message = factory.SubFactory(MessageFactory, status=messaging.Message.Status.QUEUED, wamid=None)
    phone_number = factory.SelfAttribute("message.phone_number")
    peer = factory.SelfAttribute("message.peer")


class ThroughputFactory(DjangoModelFactory[messaging.Throughput]):
    class Meta:
        model = messaging.Throughput

    phone_number = factory.SubFactory(PhoneNumberFactory)
    full_at = 0


class PairBudgetFactory(DjangoModelFactory[messaging.PairBudget]):
    class Meta:
        model = messaging.PairBudget

    phone_number = factory.SubFactory(PhoneNumberFactory)
    peer = "5491140123456"
    full_at = 0


class PollFactory(DjangoModelFactory[messaging.Poll]):
    class Meta:
        model = messaging.Poll

    phone_number = factory.SubFactory(PhoneNumberFactory)
    tenant = factory.SelfAttribute("phone_number.tenant")
    token = factory.Sequence(lambda n: f"token{n:011d}")
    name = "Lunch?"
    options = ["Pizza", "Sushi", "Salad"]
    rendered_as = "buttons"


class PollVoteFactory(DjangoModelFactory[messaging.PollVote]):
    class Meta:
        model = messaging.PollVote

    poll = factory.SubFactory(PollFactory)
    voter = factory.Sequence(lambda n: f"549114{n:07d}")
    selected = [1]
    source = "button"
    voted_at = LONG_AGO


class SendSlotFactory(DjangoModelFactory[messaging.SendSlot]):
    class Meta:
        model = messaging.SendSlot

    phone_number = factory.SubFactory(PhoneNumberFactory)
    at = LONG_AGO


class AddressBookEntryFactory(DjangoModelFactory[messaging.AddressBookEntry]):
    class Meta:
        model = messaging.AddressBookEntry

    contact = factory.SubFactory(ContactFactory)
    name = "Ana of the bakery"


class StatusReportFactory(DjangoModelFactory[messaging.StatusReport]):
    class Meta:
        model = messaging.StatusReport

    message = factory.SubFactory(MessageFactory)
    phone_number = factory.SelfAttribute("message.phone_number")
    wamid = factory.SelfAttribute("message.wamid")
    status = "delivered"
    occurred_at = LONG_AGO
    raw = factory.LazyAttribute(lambda report: {"id": report.wamid, "status": report.status})


class MetaEventFactory(DjangoModelFactory[messaging.MetaEvent]):
    class Meta:
        model = messaging.MetaEvent

    body = factory.Sequence(
        lambda n: orjson.dumps({"object": "whatsapp_business_account", "entry": [], "n": n})
    )
    digest = factory.LazyAttribute(lambda event: hashlib.sha256(event.body).digest())


class MediaUploadFactory(DjangoModelFactory[messaging.MediaUpload]):
    class Meta:
        model = messaging.MediaUpload

    phone_number = factory.SubFactory(PhoneNumberFactory)
    kind = "image"
    url_digest = factory.Sequence(lambda n: hashlib.sha256(b"link %d" % n).digest())
    media_id = factory.Sequence(lambda n: str(1_000_000_000_000_000 + n))
    expires_at = LONG_AGO


class MediaFileFactory(DjangoModelFactory[messaging.MediaFile]):
    """A file that waits to be fetched."""

    class Meta:
        model = messaging.MediaFile

    tenant = factory.SelfAttribute("phone_number.tenant")
    phone_number = factory.SubFactory(PhoneNumberFactory)
    media_id = factory.Sequence(lambda n: str(2_000_000_000_000_000 + n))
    mime_type = "image/png"


class IdempotentAnswerFactory(DjangoModelFactory[messaging.IdempotentAnswer]):
    class Meta:
        model = messaging.IdempotentAnswer

    tenant = factory.SubFactory(TenantFactory)
    environment = "test"
    key = factory.Sequence(lambda n: f"key-{n}")
    fingerprint = hashlib.sha256(b"{}").digest()


class SavedViewFactory(DjangoModelFactory[messaging.SavedView]):
    class Meta:
        model = messaging.SavedView

    user = factory.SubFactory(UserFactory)
    name = factory.Sequence(lambda n: f"View {n}")
    query = "status=failed"
