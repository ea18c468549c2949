"""A number is connected by its token: asked step by step over real HTTP of the sandbox as Meta."""

import json
from collections.abc import Iterator
from datetime import timedelta
from threading import Thread
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import Settings

from accounts.acts import Finding
from accounts.checkup import Checkup
from accounts.models import AuditEvent, BusinessAccount, PhoneNumber
from gosend.sandbox.management import APP_ID
from gosend.sandbox.server import SandboxServer
from gosend.sandbox.world import Line
from tests import factories
from tests.conftest import Party
from webhooks_app.console import connecting

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


def test_a_tenant_without_a_default_customer_is_told_the_cure(operator: Client, acme: Party) -> None:
    acme.tenant.customers.update(is_default=False)

    (found,) = operator.post(reverse(URL), form(acme)).context["done"].findings

    assert (found.name, found.state) == ("customer", "failed")
    assert "default" in found.cure


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
    assert (number.throughput_tier, number.business_account.messaging_limit) == ("standard", "TIER_250")
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
    event = AuditEvent.objects.get()
    assert (event.action, event.details) == ("phonenumber.connection_refused", {"failed": failed})
    trail = operator.get(reverse("admin:accounts_auditevent_changelist")).content.decode()
    assert "phone number: connection refused" in trail


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


def test_a_check_takes_over_what_meta_says_of_a_number(
    operator: Client, acme: Party, meta: SandboxServer
) -> None:
    operator.post(reverse(URL), form(acme))
    number = PhoneNumber.objects.get(phone_number_id=NUMBER_ID)
    PhoneNumber.objects.filter(pk=number.pk).update(quality_rating="red", throughput_tier="high")
    BusinessAccount.objects.filter(pk=number.business_account_id).update(messaging_limit="")

    operator.post(reverse("admin:accounts_phonenumber_act_check", args=[number.pk]))

    number = PhoneNumber.objects.get(pk=number.pk)
    assert (number.quality_rating, number.throughput_tier) == ("green", "standard")
    assert number.business_account.messaging_limit == "TIER_250"


def step(answer: Any, name: str) -> Finding:
    found: list[Finding] = answer.context["done"].findings
    return next(one for one in found if one.name == name)


def test_a_new_number_is_registered_with_its_pin(operator: Client, acme: Party, meta: SandboxServer) -> None:
    refused = operator.post(reverse(URL), form(acme, access_token="pending-1"))
    connected = operator.post(reverse(URL), form(acme, access_token="pending-1", pin="123456"))

    assert (step(refused, "number").state, "PIN" in step(refused, "number").cure) == ("failed", True)
    assert (step(connected, "register").state, step(connected, "number").state) == ("ok", "ok")
    assert PhoneNumber.objects.get(phone_number_id=NUMBER_ID).status == "active"
    assert "123456" not in connected.content.decode()
    assert "123456" not in json.dumps(list(AuditEvent.objects.values_list("details", flat=True)))


def test_a_wrong_pin_and_one_of_five_digits_are_refused(
    operator: Client, acme: Party, meta: SandboxServer
) -> None:
    operator.post(reverse(URL), form(acme, pin="123456"))
    page = reverse(
        "admin:accounts_phonenumber_act_register", args=[PhoneNumber.objects.get(is_sandbox=False).pk]
    )

    wrong = operator.post(page, {"pin": "654321"})
    short = operator.post(page, {"pin": "12345"})

    assert (step(wrong, "register").state, "133005" in step(wrong, "register").says) == ("failed", True)
    assert step(wrong, "register").cure == "Give the right PIN, or set a new one in WhatsApp Manager."
    assert short.context["form"].errors == {"pin": ["Give six digits."]}


@pytest.mark.parametrize("of", ["accounts_phonenumber", "accounts_businessaccount"])
def test_the_app_is_subscribed_by_a_button(
    of: str, operator: Client, acme: Party, meta: SandboxServer
) -> None:
    without = operator.post(reverse(URL), form(acme, subscribe=""))
    number = PhoneNumber.objects.get(phone_number_id=NUMBER_ID)
    row = number if of == "accounts_phonenumber" else number.business_account

    answer = operator.post(reverse(f"admin:{of}_act_subscribe", args=[row.pk]))

    assert (step(without, "webhooks").state, "Subscribe the app" in step(without, "webhooks").cure) == (
        "failed", True,
    )  # fmt: skip
    assert step(answer, "webhooks").state == "ok"
    assert AuditEvent.objects.latest("id").action in {"phonenumber.subscribed", "businessaccount.subscribed"}


def test_the_health_of_a_whole_tenant_names_each_number_that_is_ill(
    operator: Client, acme: Party, meta: SandboxServer
) -> None:
    operator.post(reverse(URL), form(acme))
    good = PhoneNumber.objects.get(phone_number_id=NUMBER_ID)
    factories.MetaAppFactory.create(app_id=APP_ID, tenant=None)
    check = reverse("admin:accounts_tenant_act_check", args=[acme.tenant.pk])
    well = operator.post(check)
    gone = factories.PhoneNumberFactory.create(
        tenant=acme.tenant, business_account=good.business_account, display_phone_number="+1 555 0199",
        phone_number_id="999999999", stopped_at=timezone.now(),
    )  # fmt: skip

    ill = operator.post(check)
    account = operator.post(
        reverse("admin:accounts_businessaccount_act_check", args=[good.business_account_id])
    )

    assert {one.state for one in well.context["done"].findings} == {"ok"}
    troubled = [one for one in ill.context["done"].findings if one.state != "ok"]
    assert [(one.name, one.state) for one in troubled] == [
        (f"Sandbox: number {gone}", "failed"), (f"Sandbox: number {gone}", "warning"),
    ]  # fmt: skip
    assert [one.cure for one in troubled] == [
        f"Use one of this account's: {NUMBER_ID}", "Press Start sending on its page in the console.",
    ]  # fmt: skip
    assert len(account.context["done"].findings) == len(ill.context["done"].findings)
    assert AuditEvent.objects.filter(action="tenant.checked").latest("id").details == {"state": "failed"}


@pytest.mark.parametrize(
    ("why", "cure"),
    [("token", "Connect the account again."), ("spam", "Send less"), ("account_calls", "by itself")],
)
def test_a_paused_number_says_why_and_an_operator_lets_it_try_again(
    why: str, cure: str, operator: Client, acme: Party
) -> None:
    number = acme.number
    number.held_until, number.held_for = timezone.now() + timedelta(minutes=5), why
    number.slowed_at, number.slowed_to = timezone.now(), 0.25
    number.save()
    page = reverse("admin:accounts_phonenumber_change", args=[number.pk])
    resume = reverse("admin:accounts_phonenumber_act_resume", args=[number.pk])

    shown = operator.get(page)
    listed = operator.get(reverse("admin:accounts_phonenumber_changelist")).content.decode()
    home = operator.get("/console/").content.decode()
    without = operator.post(resume, {})
    operator.post(resume, {"reason": "token replaced"})

    assert [cure in stop.cure for stop in shown.context["stops"]] == [True]
    assert 25 <= shown.context["share"] <= 30
    assert "It is paused until" in shown.content.decode()
    assert "It is paused until" in listed
    assert "is paused until" in home
    assert without.context["form"].errors.keys() == {"reason"}
    # The reason stays until Meta has accepted one message: until then they go one by one.
    assert PhoneNumber.objects.values_list("held_until", "held_for").get(pk=number.pk) == (None, why)
    assert operator.get(page).context["stops"] == []
    assert operator.post(resume, {"reason": "twice"}).status_code == 404
    told = AuditEvent.objects.get()
    assert (told.action, told.reason, told.details) == (
        "phonenumber.resumed", "token replaced", {"held_for": why, "numbers": 1},
    )  # fmt: skip


def test_numbers_that_pause_together_try_again_together(operator: Client, acme: Party) -> None:
    until = timezone.now() + timedelta(minutes=5)
    sibling, spam = factories.PhoneNumberFactory.create_batch(
        2, tenant=acme.tenant, business_account=acme.number.business_account, held_until=until
    )
    PhoneNumber.objects.exclude(pk=spam.pk).update(held_for="token", held_until=until)
    PhoneNumber.objects.filter(pk=spam.pk).update(held_for="spam")

    operator.post(
        reverse("admin:accounts_phonenumber_act_resume", args=[acme.number.pk]), {"reason": "token replaced"}
    )

    assert list(PhoneNumber.objects.filter(held_until__isnull=False)) == [spam]
    assert PhoneNumber.objects.get(pk=sibling.pk).held_until is None


@pytest.mark.parametrize(
    ("ours", "metas", "then"),
    [("medium", "STANDARD", "medium"), ("unlimited", "HIGH", "unlimited"), ("standard", "HIGH", "high"),
     ("high", "STANDARD", "standard")],
)  # fmt: skip
def test_a_check_leaves_the_tiers_that_operators_set(acme: Party, ours: str, metas: str, then: str) -> None:
    acme.number.throughput_tier = ours
    found = Checkup(number={"throughput": {"level": metas}})

    told = connecting._told(acme.number, found)

    assert told.get("throughput_tier", ours) == then
