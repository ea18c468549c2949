"""A number is connected by its token: asked step by step over real HTTP of the sandbox as Meta."""

from collections.abc import Iterator
from threading import Thread

import pytest
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from accounts.models import AuditEvent, BusinessAccount, PhoneNumber
from gosend.sandbox.server import SandboxServer
from gosend.sandbox.world import Line
from tests import factories
from tests.conftest import Party

URL = "admin:accounts_phonenumber_act_connect"
WABA_ID, NUMBER_ID = "102290129340398", "106540352242922"


@pytest.fixture
def meta(settings: Settings) -> Iterator[SandboxServer]:
    server = SandboxServer(("127.0.0.1", 0), secret="-", lines=(Line(WABA_ID, NUMBER_ID, "15550100001"),))
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    settings.META_GRAPH_URL = f"http://127.0.0.1:{server.port}"
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def form(acme: Party, **more: str) -> dict[str, str]:
    return {
        "tenant": str(acme.tenant.pk),
        "waba_id": WABA_ID,
        "phone_number_id": NUMBER_ID,
        "access_token": "EAA-good",
        "subscribe": "on",
        **more,
    }


def test_each_step_is_asked_of_meta_and_explained(operator: Client, acme: Party, meta: SandboxServer) -> None:
    answer = operator.post(reverse(URL), form(acme))

    steps = {one.name: (one.state, bool(one.cure)) for one in answer.context["done"].findings}
    assert steps == {
        "token": ("ok", False),
        "account": ("ok", False),
        "number": ("ok", False),
        "webhooks": ("ok", False),
        "app secret": ("failed", True),
    }
    number = PhoneNumber.objects.get(phone_number_id=NUMBER_ID)
    assert (number.tenant, number.status, number.quality_rating) == (acme.tenant, "active", "green")
    assert number.business_account.access_token == "EAA-good"
    assert "EAA-good" not in answer.content.decode()
    assert AuditEvent.objects.get().action == "phonenumber.connected"


@pytest.mark.parametrize(("token", "step"), [("expired-1", "token"), ("limited-1", "token")])
def test_a_token_of_no_use_keeps_nothing(
    token: str, step: str, operator: Client, acme: Party, meta: SandboxServer
) -> None:
    answer = operator.post(reverse(URL), form(acme, access_token=token))

    failed = [one.name for one in answer.context["done"].findings if one.state == "failed"]
    assert step in failed
    assert not BusinessAccount.objects.filter(is_sandbox=False).exists()
    assert AuditEvent.objects.get().details == {"refused": True}


def test_an_account_of_another_tenant_is_not_taken(
    operator: Client, acme: Party, globex: Party, meta: SandboxServer
) -> None:
    theirs = factories.BusinessAccountFactory.create(
        tenant=globex.tenant, customer=globex.customer, waba_id=WABA_ID
    )

    operator.post(reverse(URL), form(acme))

    theirs.refresh_from_db()
    assert theirs.access_token == "EAA-made-up-token"
    assert not PhoneNumber.objects.filter(phone_number_id=NUMBER_ID).exists()


def test_a_sandbox_number_is_found_well(operator: Client, acme: Party) -> None:
    url = reverse("admin:accounts_phonenumber_act_check", args=[acme.number.pk])

    answer = operator.post(url)

    states = {one.name: one.state for one in answer.context["done"].findings}
    assert states["token"] == "ok"
    assert AuditEvent.objects.get().action == "phonenumber.checked"
