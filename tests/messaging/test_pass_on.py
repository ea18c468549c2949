"""messaging/pass_on.py: Meta's callbacks, as they came, for who wants them raw."""

from collections.abc import Callable
from typing import Any

import orjson
import pytest

from accounts import tenants
from accounts.models import PhoneNumber
from messaging import ingest, pass_on
from messaging.models import MetaEvent
from tests.messaging.conftest import envelope, text_message
from webhooks_app import endpoints
from webhooks_app.models import Delivery, Event, WebhookEndpoint

Tell = Callable[..., MetaEvent]


@pytest.fixture
def raw(number: PhoneNumber) -> WebhookEndpoint:
    return _listen(number)


def _listen(number: PhoneNumber) -> WebhookEndpoint:
    made, _ = endpoints.add(
        tenant=number.tenant, number=number, url="https://customer.example/raw", events=[], type="meta_raw"
    )
    return made


def _passed(number: PhoneNumber) -> list[bytes]:
    owed = Event.objects.filter(type="meta_raw", phone_number=number).order_by("pk")
    return [bytes(event.body) for event in owed]


def test_a_callback_goes_on_byte_for_byte(number: PhoneNumber, raw: WebhookEndpoint, tell: Tell) -> None:
    spelled = envelope(number, messages=[text_message("wamid.1")])
    body = b"\n " + orjson.dumps(spelled, option=orjson.OPT_INDENT_2).replace(b"o", b"\\u006f")

    event = tell(body)

    assert _passed(number) == [body]
    assert Delivery.objects.get().endpoint == raw
    assert Event.objects.get().occurred_at == event.received_at


def test_what_is_handled_again_is_passed_on_once(
    number: PhoneNumber, raw: WebhookEndpoint, tell: Tell
) -> None:
    event = tell(envelope(number, messages=[text_message("wamid.1")]))

    ingest.replay(event=event)
    ingest.handle_due()
    ingest.handle(event=event)

    assert Delivery.objects.count() == 1


def test_what_concerns_other_numbers_is_left_out(
    number: PhoneNumber, raw: WebhookEndpoint, tell: Tell
) -> None:
    other = tenants.add_sandbox(tenant=tenants.open_tenant(name="Globex"))
    _listen(other)
    mine = envelope(number, messages=[text_message("wamid.1")])
    theirs = envelope(other, messages=[text_message("wamid.2")])

    tell({**mine, "entry": [*mine["entry"], *theirs["entry"]]})

    assert [orjson.loads(body) for body in _passed(number)] == [mine]
    assert [orjson.loads(body) for body in _passed(other)] == [theirs]


def test_a_callback_signed_for_another_account_is_not_passed_on(
    number: PhoneNumber, raw: WebhookEndpoint, tell: Tell
) -> None:
    stranger = MetaEvent.objects.create(
        body=orjson.dumps(envelope(number, messages=[text_message("wamid.1")])),
        digest=b"x" * 32,
        is_sandbox=False,
    )

    ingest.handle(event=stranger)

    assert _passed(number) == []


@pytest.mark.parametrize(
    "payload",
    [None, [], {}, {"entry": 5}, {"entry": [None, {"changes": [None, {"value": {"metadata": []}}]}]}],
)
def test_what_is_no_callback_is_passed_on_to_nobody(
    number: PhoneNumber, raw: WebhookEndpoint, payload: Any
) -> None:
    event = MetaEvent.objects.create(body=b"{}", digest=b"x" * 32, is_sandbox=True)

    pass_on.raw(event=event, payload=payload)

    assert Event.objects.count() == 0


def test_a_disabled_endpoint_is_told_nothing(number: PhoneNumber, raw: WebhookEndpoint, tell: Tell) -> None:
    endpoints.change(endpoint=raw, is_enabled=False)

    tell(envelope(number, messages=[text_message("wamid.1")]))

    assert Event.objects.count() == 0
