"""What Meta posted is stored raw, handled item by item, and told twice changes nothing twice."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import orjson
import pytest
from django.db import connections
from django.utils import timezone

from accounts import tenants
from accounts.models import BusinessAccount, MetaApp, PhoneNumber, Tenant
from messaging import ingest
from messaging.models import Contact, Conversation, Message, MetaEvent, ServiceWindow
from templates_app.models import Template
from tests import factories
from tests.messaging.conftest import envelope, status, text_message

Tell = Callable[..., MetaEvent]


def test_an_inbound_text_becomes_a_message(number: PhoneNumber, tell: Tell) -> None:
    contact = {"profile": {"name": "Juan"}, "wa_id": "5491140123456"}

    event = tell(envelope(number, contacts=[contact], messages=[text_message("wamid.1")]))

    message = Message.objects.get()
    assert (message.direction, message.status, message.type) == ("inbound", "received", "text")
    assert (message.wamid, message.peer) == ("wamid.1", "5491140123456")
    assert message.content.body["text"] == {"body": "Confirmo"}
    assert Contact.objects.get().name == "Juan"
    assert Conversation.objects.get().messages_count == 1
    assert ServiceWindow.objects.count() == 1
    assert event.handled_at is not None


def test_a_clock_ahead_of_ours_holds_no_window_open(number: PhoneNumber, tell: Tell) -> None:
    tomorrow = int((timezone.now() + timedelta(days=1)).timestamp())

    tell(envelope(number, messages=[text_message("wamid.1", at=tomorrow)]))

    assert ServiceWindow.objects.get().expires_at <= timezone.now() + timedelta(hours=24)


def test_the_same_callback_twice_is_one_row(number: PhoneNumber, tell: Tell) -> None:
    body = orjson.dumps(envelope(number, messages=[text_message("wamid.1")]))

    tell(body)
    tell(body)

    assert MetaEvent.objects.count() == 1
    assert Message.objects.count() == 1


def test_the_same_message_in_two_callbacks_is_one_message(number: PhoneNumber, tell: Tell) -> None:
    message = text_message("wamid.1")

    tell(envelope(number, messages=[message]))
    tell(envelope(number, messages=[message, text_message("wamid.2")]))

    assert set(Message.objects.values_list("wamid", flat=True)) == {"wamid.1", "wamid.2"}
    assert Conversation.objects.get().messages_count == 2


def test_a_sender_without_a_phone_number_is_a_contact(number: PhoneNumber, tell: Tell) -> None:
    message = text_message("wamid.1") | {"from_user_id": "US.1349", "from": None}
    contact = {"profile": {"name": "Ana", "username": "ana"}, "user_id": "US.1349"}

    tell(envelope(number, contacts=[contact], messages=[message]))

    person = Contact.objects.get()
    assert (person.phone, person.user_id, person.username) == ("", "US.1349", "ana")
    assert Message.objects.get().peer == "US.1349"


def test_a_bad_item_never_stops_its_siblings_and_stays_visible(number: PhoneNumber, tell: Tell) -> None:
    bad = text_message("wamid." + "x" * 300)

    event = tell(envelope(number, messages=[bad, text_message("wamid.good")]))

    assert Message.objects.get().wamid == "wamid.good"
    assert event.handled_at is None
    assert len(event.errors) == 1
    assert event.next_attempt_at is not None


def test_a_message_from_nobody_is_nobodys(number: PhoneNumber, tell: Tell) -> None:
    factories.ContactFactory.create(tenant=number.tenant, business_account=number.business_account)
    nobody = text_message("wamid.nobody") | {"from": None}

    event = tell(envelope(number, contacts=[], messages=[nobody, text_message("wamid.good")]))

    assert Message.objects.get().wamid == "wamid.good"
    assert (event.handled_at, len(event.errors)) == (None, 1)


def test_a_byte_that_is_no_utf_8_costs_one_letter(number: PhoneNumber, tell: Tell) -> None:
    body = orjson.dumps(envelope(number, messages=[text_message("wamid.1")]))

    tell(body.replace(b"wamid.1", b"wamid.\xe9"))

    assert Message.objects.get().wamid == "wamid.\ufffd"


def test_what_was_tried_before_does_not_wait_for_a_quiet_moment(number: PhoneNumber, tell: Tell) -> None:
    tried = factories.MetaEventFactory.create(
        body=orjson.dumps(envelope(number, messages=[text_message("wamid.tried")])),
        is_sandbox=True,
        attempt_count=1,
        next_attempt_at=timezone.now() - timedelta(minutes=5),
    )
    factories.MetaEventFactory.create(
        body=orjson.dumps(envelope(number, messages=[text_message("wamid.new")])),
        is_sandbox=True,
        next_attempt_at=timezone.now(),
    )

    ingest.handle_due(seconds=0.001)

    tried.refresh_from_db()
    assert tried.handled_at is not None


@pytest.mark.parametrize("odd", [b"1e308", b"-1E+99", b"9" * 30, b"123456789012345678e9"])
def test_a_number_that_no_writer_of_json_takes_hides_no_message(
    odd: bytes, number: PhoneNumber, tell: Tell
) -> None:
    message = {**text_message("wamid.odd"), "odd": "HERE"}
    body = orjson.dumps(envelope(number, messages=[message])).replace(b'"HERE"', odd)

    tell(body)

    kept = Message.objects.select_related("content").get()
    assert orjson.dumps(kept.content.body)


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"null", b'"x"', b'{"entry": 7}', b'{"entry":[{"changes":3}]}']
)
def test_a_body_that_says_nothing_is_kept_and_done_with(body: bytes, tell: Tell) -> None:
    event = tell(body)

    assert event.handled_at is not None
    assert bytes(event.body) == body


def test_a_number_may_ignore_what_customers_write(number: PhoneNumber, tell: Tell) -> None:
    number.inbound_processing_enabled = False
    number.save()

    tell(envelope(number, messages=[text_message("wamid.1")]))

    assert Message.objects.count() == 0


def test_a_replay_changes_nothing_twice(number: PhoneNumber, tell: Tell) -> None:
    event = tell(envelope(number, messages=[text_message("wamid.1")], statuses=[status("wamid.x", "read")]))

    ingest.replay(event=event)
    ingest.handle_due()

    event.refresh_from_db()
    assert event.handled_at is not None
    assert Message.objects.count() == 1


def _live(tenant: Tenant, number: PhoneNumber) -> None:
    BusinessAccount.objects.filter(pk=number.business_account_id).update(is_sandbox=False)
    PhoneNumber.objects.filter(pk=number.pk).update(is_sandbox=False)


def _app(tenant: Tenant | None) -> MetaApp:
    app = MetaApp(app_id="77", name="App", tenant=tenant)
    app.secret, app.verify_token = "secret", "token"
    app.save()
    return app


def test_the_sandbox_cannot_speak_for_a_live_number(tenant: Tenant, number: PhoneNumber, tell: Tell) -> None:
    _live(tenant, number)

    event = tell(envelope(number, messages=[text_message("wamid.1")]), is_sandbox=True)

    assert Message.objects.count() == 0
    assert "NotForThisApp" in event.errors[0]["error"]


def test_an_app_of_another_tenant_cannot_speak_for_a_number(
    tenant: Tenant, number: PhoneNumber, tell: Tell
) -> None:
    _live(tenant, number)
    app = _app(tenants.open_tenant(name="Globex"))

    tell(envelope(number, messages=[text_message("wamid.1")]), is_sandbox=False, app=app)

    assert Message.objects.count() == 0


def test_the_same_bytes_from_a_foreign_app_hide_no_callback(
    tenant: Tenant, number: PhoneNumber, tell: Tell
) -> None:
    _live(tenant, number)
    foreign, own = _app(tenants.open_tenant(name="Globex")), MetaApp(app_id="78", name="Own")
    own.secret, own.verify_token = "s", "v"
    own.save()
    body = orjson.dumps(envelope(number, messages=[text_message("wamid.1")]))

    tell(body, is_sandbox=False, app=foreign)
    tell(body, is_sandbox=False, app=own)

    assert Message.objects.get().wamid == "wamid.1"


def test_a_callback_that_takes_its_workers_down_is_left_alone(number: PhoneNumber, tell: Tell) -> None:
    ingest.store(body=b"{}", app=None, is_sandbox=True)
    MetaEvent.objects.update(attempt_count=ingest.MAX_ATTEMPTS)

    ingest.handle_due()

    event = MetaEvent.objects.get()
    assert (event.handled_at, event.next_attempt_at) == (None, None)
    assert "workers stopped" in event.errors[0]["error"]


@pytest.mark.parametrize("is_platforms", [True, False])
def test_the_platforms_app_and_the_tenants_own_may_speak(
    is_platforms: bool, tenant: Tenant, number: PhoneNumber, tell: Tell
) -> None:
    _live(tenant, number)
    app = _app(None if is_platforms else tenant)

    tell(envelope(number, messages=[text_message("wamid.1")]), is_sandbox=False, app=app)

    assert Message.objects.count() == 1


def test_meta_approves_a_template(number: PhoneNumber, tell: Tell) -> None:
    template = Template.objects.create(
        tenant=number.tenant,
        business_account=number.business_account,
        name="promo",
        language="en_US",
        category="MARKETING",
        status="PENDING",
    )
    value: dict[str, Any] = {
        "event": "APPROVED",
        "message_template_id": 12345,
        "message_template_name": "promo",
        "message_template_language": "en-US",
        "reason": "NONE",
    }
    change = {"field": "message_template_status_update", "value": value}
    entry = {"id": number.business_account.waba_id, "time": 1_780_000_000, "changes": [change]}

    tell({"object": "whatsapp_business_account", "entry": [entry]})

    template.refresh_from_db()
    assert template.status == "APPROVED"


@pytest.mark.django_db(transaction=True)
def test_two_workers_handle_each_callback_once(number: PhoneNumber) -> None:
    for i in range(30):
        body = orjson.dumps(envelope(number, messages=[text_message(f"wamid.{i}")]))
        ingest.store(body=body, app=None, is_sandbox=True)

    def work(_: int) -> int:
        try:
            return ingest.handle_due()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(max_workers=2) as pool:
        taken = list(pool.map(work, range(2)))

    assert sum(taken) == 30
    assert Message.objects.count() == 30
    assert Conversation.objects.get().messages_count == 30
    assert MetaEvent.objects.filter(handled_at=None).count() == 0
