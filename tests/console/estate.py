"""One row of every model that has pages, all of one tenant, and a word that marks whatever is its own."""

from typing import Any

from django.contrib import admin
from django.db.models import Model

from accounts.models import User
from tests import factories
from tests.conftest import Party

MARK = "zzmark"
# A customer's number that nobody else has, and Meta's ids of the tenant's own things.
PHONE, NUMBER_ID, WABA_ID = "5491177770777", "777700007777", "888800008888"
Rows = dict[str, Any]


def build(party: Party) -> Rows:
    """The rows by the name that their pages have in addresses, such as `accounts_tenant`."""
    tenant = party.tenant
    tenant.name, tenant.external_id = f"{MARK} Ltd", f"{MARK}-ext"
    tenant.save()
    account = factories.BusinessAccountFactory.create(
        tenant=tenant, customer=party.customer, display_name=f"{MARK} account", waba_id=WABA_ID
    )
    number = factories.PhoneNumberFactory.create(
        tenant=tenant, business_account=account, phone_number_id=NUMBER_ID, verified_name=MARK,
        display_phone_number="+1 999 555 0777", display_phone_number_normalized="19995550777",
    )  # fmt: skip
    colleague, _ = User.objects.get_or_create(username="colleague")
    made = [
        tenant,
        account,
        number,
        colleague,
        factories.CustomerFactory.create(tenant=tenant, name=f"{MARK} customer"),
        factories.ApiKeyFactory.create(tenant=tenant, label=f"{MARK} key"),
        factories.MemberFactory.create(tenant=tenant),
        factories.GrantFactory.create(tenant=tenant, user=colleague),
        factories.MetaAppFactory.create(tenant=tenant, name=f"{MARK} app"),
        factories.TemplateFactory.create(tenant=tenant, business_account=account, name=f"{MARK}_template"),
        factories.AuditEventFactory.create(tenant_id=tenant.pk, subject=MARK),
        factories.MetaEventFactory.create(body=MARK.encode()),
        *_talk(tenant, number),
    ]
    return {f"{row._meta.app_label}_{row._meta.model_name}": row for row in made}


def _talk(tenant: Any, number: Any) -> list[Model]:
    contact = factories.ContactFactory.create(
        tenant=tenant, business_account=number.business_account, name=MARK, phone=PHONE
    )
    conversation = factories.ConversationFactory.create(phone_number=number, contact=contact)
    message = factories.MessageFactory.create(
        phone_number=number, contact=contact, conversation=conversation, status="unconfirmed",
        wamid=f"wamid.{MARK}", request_id=f"req_{MARK}",
    )  # fmt: skip
    body = {"type": "text", "text": {"body": MARK}}
    factories.MessageContentFactory.create(message=message, body=body)
    endpoint = factories.WebhookEndpointFactory.create(
        tenant=tenant, phone_number=number, url=f"https://{MARK}.example/x"
    )
    event = factories.EventFactory.create(tenant=tenant, phone_number=number, message_id=message.pk)
    delivery = factories.DeliveryFactory.create(tenant=tenant, endpoint=endpoint, event=event)
    attempt = factories.AttemptFactory.create(delivery=delivery, response_body=MARK)
    replay = factories.ReplayFactory.create(endpoint=endpoint)
    return [contact, conversation, message, endpoint, event, delivery, attempt, replay]


def covers_every_page(rows: Rows) -> bool:
    """Whether no model that has pages was forgotten."""
    named = {f"{model._meta.app_label}_{model._meta.model_name}" for model in admin.site._registry}
    return named == rows.keys()
