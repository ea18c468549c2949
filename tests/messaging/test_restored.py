"""A backup is restored: nothing that waited in it goes out, whatever became of it since."""

from io import StringIO

import pytest
from django.core.management import call_command

from accounts.models import Tenant
from messaging import recover, settle
from messaging.deliver import drain
from messaging.models import Dispatch, Message
from tests import factories
from tests.conftest import Party
from webhooks_app.models import Event


def waiting(party: Party) -> list[Message]:
    """A send in each state that a backup may hold."""
    made = []
    for state in Dispatch.State:
        status = "queued" if state == Dispatch.State.CLAIMED else state.value
        message = factories.MessageFactory.create(
            tenant=party.tenant, phone_number=party.number, status=status, wamid=None
        )
        factories.MessageContentFactory.create(message=message)
        factories.DispatchFactory.create(message=message, state=state)
        made.append(message)
    return made


def run(*options: str) -> str:
    out = StringIO()
    call_command("after_restore", *options, stdout=out)
    return out.getvalue()


def statuses() -> set[str]:
    return set(Message.objects.values_list("status", flat=True))


@pytest.mark.parametrize("policy", list(Tenant.OnUnknown))
def test_what_waited_in_the_backup_is_not_sent_by_anybody(policy: str, acme: Party) -> None:
    Tenant.objects.update(on_unknown=policy)
    factories.WebhookEndpointFactory.create(tenant=acme.tenant, phone_number=acme.number, events=["*"])
    waiting(acme)

    said = run("--confirm")

    assert said == "4 waiting messages are unconfirmed now.\n"
    drain(number_id=acme.number.pk)
    recover.leases_ended()
    recover.unknown_overdue()
    drain(number_id=acme.number.pk)
    assert (statuses(), Dispatch.objects.count()) == ({"unconfirmed"}, 0)
    assert Event.objects.count() == 4


def test_without_a_word_more_it_only_counts(acme: Party) -> None:
    waiting(acme)

    assert run() == "4 messages wait. Nothing was changed: --confirm does it.\n"
    assert statuses() == {"queued", "sending", "unknown"}
    assert Dispatch.objects.count() == 4


def test_an_operator_may_still_send_one_of_them(acme: Party) -> None:
    message = waiting(acme)[0]
    run("--confirm")

    settle.resend(message_id=message.pk)

    assert Dispatch.objects.get().message_id == message.pk
