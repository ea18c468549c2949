"""Meta's callbacks go on to the number's own endpoint, as they came, once."""

import hashlib
from collections.abc import Callable
from typing import Any

import orjson
import pytest

from accounts import tenants
from accounts.models import BusinessAccount, MetaApp, PhoneNumber, Tenant
from messaging import ingest
from messaging.models import Message, MetaEvent
from tests import factories
from tests.messaging.conftest import envelope, text_message
from webhooks_app.models import Delivery, Event, WebhookEndpoint

Tell = Callable[..., MetaEvent]


@pytest.fixture
def other(tenant: Tenant) -> PhoneNumber:
    return tenants.add_sandbox(tenant=tenant)


def _wants_raw(number: PhoneNumber, **fields: Any) -> WebhookEndpoint:
    made: WebhookEndpoint = factories.WebhookEndpointFactory.create(
        tenant=number.tenant, phone_number=number, type="meta_raw", events=[], **fields
    )
    return made


def _owed(number: PhoneNumber) -> list[bytes]:
    return [bytes(event.body) for event in Event.objects.filter(phone_number=number).order_by("pk")]


def test_the_bytes_are_metas_own_where_one_number_is_concerned(number: PhoneNumber, tell: Tell) -> None:
    _wants_raw(number)
    body = orjson.dumps(envelope(number, messages=[text_message("wamid.1")]), option=orjson.OPT_INDENT_2)

    tell(body.replace(b"Confirmo", b"Confirm\\u00f3"))

    assert _owed(number) == [body.replace(b"Confirmo", b"Confirm\\u00f3")]
    assert Delivery.objects.count() == 1
    assert Message.objects.count() == 1


def test_each_number_gets_only_its_own_part_of_a_shared_callback(
    number: PhoneNumber, other: PhoneNumber, tell: Tell
) -> None:
    _wants_raw(number)
    _wants_raw(other)
    mine = envelope(number, messages=[text_message("wamid.1")])
    theirs = envelope(other, messages=[text_message("wamid.2")])

    tell({**mine, "entry": mine["entry"] + theirs["entry"]})

    assert [orjson.loads(body) for body in _owed(number)] == [mine]
    assert [orjson.loads(body) for body in _owed(other)] == [theirs]


def test_a_number_hears_nothing_of_its_accounts_other_news(number: PhoneNumber, tell: Tell) -> None:
    _wants_raw(number)
    mine = envelope(number, messages=[text_message("wamid.1")])
    news = {"field": "account_update", "value": {"event": "DISABLED_UPDATE"}}
    entry = mine["entry"][0]

    tell({**mine, "entry": [{**entry, "changes": [*entry["changes"], news]}]})
    tell({**mine, "entry": [{**entry, "changes": [news]}]})

    assert [orjson.loads(body) for body in _owed(number)] == [mine]


def test_a_callback_handled_again_is_not_passed_on_again(number: PhoneNumber, tell: Tell) -> None:
    _wants_raw(number)
    event = tell(envelope(number, messages=[text_message("wamid.1")]))

    ingest.replay(event=event)
    ingest.handle_due()
    ingest.handle(event=event)

    assert len(_owed(number)) == 1


def test_a_worker_that_read_the_row_before_it_was_marked_passes_nothing_on(number: PhoneNumber) -> None:
    _wants_raw(number)
    body = orjson.dumps(envelope(number, messages=[text_message("wamid.1")]))
    ingest.store(body=body, app=None, is_sandbox=True)
    first, second = (MetaEvent.objects.get(digest=hashlib.sha256(body).digest()) for _ in range(2))

    ingest.handle(event=first)
    ingest.handle(event=second)

    assert len(_owed(number)) == 1


@pytest.mark.parametrize("fields", [{"is_enabled": False}, {"removed_at": factories.LONG_AGO}])
def test_an_endpoint_that_is_off_is_owed_nothing(
    number: PhoneNumber, tell: Tell, fields: dict[str, Any]
) -> None:
    _wants_raw(number, **fields)

    event = tell(envelope(number, messages=[text_message("wamid.1")]))

    assert _owed(number) == []
    assert event.forwarded_at is None


def test_an_app_that_does_not_speak_for_a_number_passes_nothing_on(
    tenant: Tenant, number: PhoneNumber, tell: Tell
) -> None:
    _wants_raw(number)
    BusinessAccount.objects.filter(pk=number.business_account_id).update(is_sandbox=False)
    app: MetaApp = factories.MetaAppFactory.create(tenant=tenants.open_tenant(name="Globex"))

    tell(envelope(number, messages=[text_message("wamid.1")]), is_sandbox=False, app=app)

    assert _owed(number) == []


@pytest.mark.parametrize(
    "body",
    [b"7", b'{"entry":[7]}', b'{"entry":[{"changes":7}]}', b'{"entry":[{"changes":[7,{"value":[]}]}]}'],
)
def test_what_cannot_be_read_is_passed_on_to_nobody(number: PhoneNumber, tell: Tell, body: bytes) -> None:
    _wants_raw(number)

    event = tell(body)

    assert (_owed(number), event.errors) == ([], [])
