"""An object of a party's for each id that a route may hold."""

from collections.abc import Callable

from django.core.files.base import ContentFile
from django.core.files.storage import default_storage

from gosend.api.whatomate import uuids
from messaging.models import Contact
from tests import factories
from tests.conftest import Party
from webhooks_app.models import Replay, WebhookEndpoint


def _message(party: Party) -> list[str]:
    message = factories.MessageFactory.create(
        direction="inbound",  # what a customer sent can be marked as read, too
        status="received",
        phone_number=party.number,
        contact__tenant=party.tenant,
        contact__business_account=party.number.business_account,
    )
    factories.MessageContentFactory.create(message=message)
    return [str(message.pk), message.wamid]


def _endpoint(party: Party) -> WebhookEndpoint:
    """One per party, so that what hangs on it is found below it."""
    found = party.tenant.webhook_endpoints.exclude(type=WebhookEndpoint.Type.SESSION_EVENTS).first()
    made: WebhookEndpoint = found or factories.WebhookEndpointFactory.create(
        tenant=party.tenant, phone_number=party.number
    )
    return made


def _session_endpoint(party: Party) -> WebhookEndpoint:
    kind = WebhookEndpoint.Type.SESSION_EVENTS
    found = party.tenant.webhook_endpoints.filter(type=kind).first()
    made: WebhookEndpoint = found or factories.WebhookEndpointFactory.create(
        tenant=party.tenant, phone_number=party.number, type=kind
    )
    return made


def _session_delivery(party: Party) -> list[str]:
    endpoint = _session_endpoint(party)
    return [str(factories.DeliveryFactory.create(tenant=party.tenant, endpoint=endpoint).pk)]


def _chat(party: Party) -> list[str]:
    _message(party)
    return [str(party.tenant.contacts.latest("pk").phone)]


def _delivery(party: Party) -> list[str]:
    delivery = factories.DeliveryFactory.create(tenant=party.tenant, endpoint=_endpoint(party))
    return [str(delivery.pk)]


def _replay(party: Party) -> list[str]:
    replay = Replay.objects.create(
        tenant=party.tenant,
        endpoint=_endpoint(party),
        since=factories.LONG_AGO,
        until=factories.LONG_AGO,
        total=0,
    )
    return [str(replay.pk)]


def _template(party: Party) -> list[str]:
    account = party.number.business_account
    template = factories.TemplateFactory.create(
        tenant=party.tenant, business_account=account, meta_template_id=f"77{account.pk}"
    )
    return [str(template.pk), str(template.meta_template_id)]


def _media(party: Party) -> list[str]:
    path = default_storage.save("media/tenancy", ContentFile(b"GIF89a"))
    file = factories.MediaFileFactory.create(
        tenant=party.tenant, phone_number=party.number, state="kept", path=path, size=6
    )
    return [str(file.pk)]


def _conversation(party: Party) -> list[str]:
    conversation = factories.ConversationFactory.create(
        phone_number=party.number,
        contact__tenant=party.tenant,
        contact__business_account=party.number.business_account,
    )
    return [str(conversation.pk)]


def _person(party: Party) -> Contact:
    """One per party, so that what was exchanged with them is found below them."""
    account = party.number.business_account
    found = Contact.objects.filter(business_account=account, phone="919876543210").first()
    made: Contact = found or factories.ContactFactory.create(
        tenant=party.tenant, business_account=account, phone="919876543210"
    )
    return made


def _exchanged(party: Party) -> list[str]:
    message = factories.MessageFactory.create(
        direction="inbound", status="received", phone_number=party.number, contact=_person(party)
    )
    factories.MessageContentFactory.create(message=message)
    path = default_storage.save("media/tenancy", ContentFile(b"GIF89a"))
    factories.MediaFileFactory.create(
        tenant=party.tenant, phone_number=party.number, message=message, state="kept", path=path, size=6
    )
    return _both(uuids.MESSAGE, message.pk, message.wamid)


def _both(kind: int, pk: int, *further: str) -> list[str]:
    """A UUID of Whatomate's API, and our own id, which it takes as well."""
    return [uuids.write(kind, pk), str(pk), *further]


# The name of an id in a route → an object of the party, by all the ids it is known by.
OWNED: dict[str, Callable[[Party], list[str]]] = {
    "message_id": _message,
    "webhook_id": lambda party: [str(_endpoint(party).pk)],
    "delivery_id": _delivery,
    "replay_id": _replay,
    "media_id": _media,
    "waba_id": lambda party: [
        str(party.number.business_account.pk),
        party.number.business_account.waba_id,
    ],
    "phone_number_id": lambda party: [str(party.number.pk), party.number.phone_number_id],
    "template_id": _template,
    "conversation_id": _conversation,
    "session_id": lambda party: [party.number.phone_number_id],
    "chat_id": _chat,
}
# The same where a dialect has objects of its own under a name.
OWNED_OF_SESSIONS: dict[str, Callable[[Party], list[str]]] = {
    "webhook_id": lambda party: [f"wh_{_session_endpoint(party).pk}", str(_session_endpoint(party).pk)],
    "delivery_id": _session_delivery,
}
OWNED_OF_WHATOMATE: dict[str, Callable[[Party], list[str]]] = {
    "contact_id": lambda party: _both(uuids.CONTACT, _person(party).pk),
    "message_id": _exchanged,
    "template_id": lambda party: _both(uuids.TEMPLATE, int(_template(party)[0])),
    "account_id": lambda party: _both(uuids.ACCOUNT, party.number.pk, party.number.phone_number_id),
}
MAKERS = {"v1/": OWNED, "api/v1/": OWNED | OWNED_OF_SESSIONS, "api/": OWNED_OF_WHATOMATE}
