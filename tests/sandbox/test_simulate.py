"""A pretend customer writes to you, from the command line."""

import io
from pathlib import Path

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from pytest_django.fixtures import Settings

from accounts import tenants
from accounts.models import PhoneNumber
from gosend.management.commands import simulate
from gosend.sandbox import callbacks
from gosend.sandbox.models import PendingCallback
from tests import factories
from tests.sandbox.conftest import Receiver

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def no_demo(settings: Settings, tmp_path: Path) -> None:
    """One may be running beside the tests."""
    settings.VAR_DIR = tmp_path


@pytest.fixture
def number() -> PhoneNumber:
    return tenants.add_sandbox(tenant=tenants.open_tenant(name="Acme"))


def run(**options: str) -> str:
    out = io.StringIO()
    given = {"sender": "5491100000007", "text": "¿Está abierto?", "name": "Juan"} | options
    call_command(simulate.Command(), stdout=out, **given)
    return out.getvalue()


def test_message_reaches_the_door(number: PhoneNumber, receiver: Receiver, settings: Settings) -> None:
    settings.SANDBOX_CALLBACK_URL = receiver.url

    said = run(number=number.phone_number_id)

    (payload,) = receiver.payloads()
    value = payload["entry"][0]["changes"][0]["value"]
    assert receiver.is_signed_with(settings.SANDBOX_APP_SECRET) == [True]
    assert payload["entry"][0]["id"] == number.business_account.waba_id
    assert value["metadata"]["phone_number_id"] == number.phone_number_id
    assert value["messages"][0]["text"] == {"body": "¿Está abierto?"}
    assert value["contacts"][0]["profile"] == {"name": "Juan"}
    assert said == f"Posted to {receiver.url} (SANDBOX_CALLBACK_URL) as {callbacks.wamid_of(payload)}.\n"
    assert PendingCallback.objects.count() == 0


@pytest.mark.parametrize("sender", ["", "abc", "12", "1234567890123456"])
def test_sender_must_be_a_number(number: PhoneNumber, sender: str) -> None:
    with pytest.raises(CommandError, match="--from must be 7 to 15 digits"):
        run(number=number.phone_number_id, sender=sender)

    assert PendingCallback.objects.count() == 0


def test_live_number_is_refused(number: PhoneNumber) -> None:
    PhoneNumber.objects.update(is_sandbox=False)

    with pytest.raises(CommandError, match="No sandbox number"):
        run(number=number.phone_number_id)

    assert PendingCallback.objects.count() == 0


def test_closed_door_is_named_and_the_message_kept(number: PhoneNumber, settings: Settings) -> None:
    settings.SANDBOX_CALLBACK_URL = "http://127.0.0.1:9/meta/webhook"

    with pytest.raises(CommandError, match="has not taken the message: nobody listens there"):
        run(number=number.phone_number_id)

    assert PendingCallback.objects.count() == 1


def test_another_server_is_written_to_when_it_is_named(
    number: PhoneNumber, receiver: Receiver, settings: Settings
) -> None:
    settings.SANDBOX_CALLBACK_URL = "http://127.0.0.1:9/meta/webhook"
    url = receiver.url.rsplit("/meta/webhook", 1)[0]

    said = run(number=number.phone_number_id, url=url)

    assert said.startswith(f"Posted to {url}/meta/webhook (--url) as ")
    assert len(receiver.payloads()) == 1


@pytest.mark.parametrize(
    ("given", "told"), [("", "Juan Pérez"), ("Ana", "Ana")], ids=["keeps the name", "takes another"]
)
def test_a_known_customer_is_not_renamed_unasked(
    given: str, told: str, number: PhoneNumber, receiver: Receiver, settings: Settings
) -> None:
    settings.SANDBOX_CALLBACK_URL = receiver.url
    factories.ContactFactory.create(
        tenant=number.tenant,
        business_account=number.business_account,
        phone="5491100000007",
        name="Juan Pérez",
    )

    run(number=number.phone_number_id, name=given)

    (payload,) = receiver.payloads()
    assert payload["entry"][0]["changes"][0]["value"]["contacts"][0]["profile"] == {"name": told}
