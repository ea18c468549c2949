"""Messages of the past, by the million if need be."""

from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db.models import Count

from accounts.models import Tenant
from gosend.lib import ids
from messaging.models import Message, MessageContent
from webhooks_app.models import Event


@pytest.mark.django_db(transaction=True)
def test_messages_are_shared_among_tenants_and_their_numbers() -> None:
    call_command("seed_messages", "--count=301", "--tenants=2", "--days=10", stdout=StringIO())
    call_command("seed_messages", "--count=100", "--tenants=1", "--days=10", stdout=StringIO())
    call_command("seed_messages", "--count=30", "--prefix=Other", "--numbers=1", stdout=StringIO())

    of_tenant = {tenant.name: tenant.messages.count() for tenant in Tenant.objects.all()}
    assert of_tenant == {"Seed 1": 251, "Seed 2": 150, "Other 1": 30}
    assert Message.objects.values("phone_number_id").annotate(Count("pk")).count() == 5
    assert MessageContent.objects.count() == 431
    assert Event.objects.count() == 0
    assert {row.status for row in Message.objects.all()} >= {"read", "delivered", "sent", "received"}
    for row in Message.objects.select_related("phone_number", "contact", "conversation"):
        assert abs(ids.moment_of(row.pk) - row.created_at) <= timedelta(milliseconds=1)
        assert (row.contact.tenant_id, row.conversation.contact_id) == (row.tenant_id, row.contact_id)  # type: ignore[union-attr]
        assert row.conversation.phone_number_id == row.phone_number_id  # type: ignore[union-attr]


@pytest.mark.django_db
def test_nothing_is_written_for_no_tenants() -> None:
    with pytest.raises(CommandError):
        call_command("seed_messages", "--count=10", "--tenants=0")

    assert Tenant.objects.count() == 0
