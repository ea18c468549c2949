"""People, conversations, messages and what hangs on them."""

import hashlib
from datetime import timedelta
from typing import Any

import factory
import orjson
from django.utils import timezone
from factory.django import DjangoModelFactory

from messaging import models as messaging
from tests.factories.accounts import (
    LONG_AGO,
    BusinessAccountFactory,
    PhoneNumberFactory,
    TenantFactory,
    UserFactory,
)


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
    last_message_at = factory.LazyFunction(timezone.now)
    looked_at = factory.SelfAttribute("last_message_at")


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


class _TallyFactory(DjangoModelFactory[Any]):
    class Meta:
        abstract = True

    phone_number = factory.SubFactory(PhoneNumberFactory)
    tenant = factory.SelfAttribute("phone_number.tenant")
    day = LONG_AGO.date()
    direction = messaging.Message.Direction.OUTBOUND
    type = "text"
    status = messaging.Message.Status.SENT


class MessageTallyFactory(_TallyFactory):
    class Meta:
        model = messaging.MessageTally

    count = 1


class MessageTallyChangeFactory(_TallyFactory):
    class Meta:
        model = messaging.MessageTallyChange

    delta = 1
