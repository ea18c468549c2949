"""Callbacks are kept as rows until our own door has taken them."""

import json
import logging
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.db.models.functions import Now
from django.utils import timezone
from pytest_django.fixtures import Settings

from gosend.sandbox import callbacks
from gosend.sandbox.models import PendingCallback
from gosend.sandbox.world import Line
from tests.sandbox.conftest import Receiver

pytestmark = pytest.mark.django_db

LINE = Line("200000000000001", "106540352242922", "15550783881")


@pytest.fixture
def door(receiver: Receiver, settings: Settings) -> Receiver:
    settings.SANDBOX_CALLBACK_URL = receiver.url
    settings.SANDBOX_APP_SECRET = "the sandbox's secret"
    return receiver


def payload(text: str = "Hola") -> dict[str, Any]:
    return callbacks.inbound_text(
        waba_id="200000000000001",
        phone_number_id="106540352242922",
        display_phone_number="15550783881",
        from_phone="5491100000007",
        body=text,
        name="Juan Pérez",
    )


def test_inbound_text_has_the_shape_of_metas() -> None:
    made = payload("¿Está abierto?")

    wamid = callbacks.wamid_of(made)
    value = made["entry"][0]["changes"][0]["value"]
    message = value["messages"][0]
    user_id = callbacks.person(phone="5491100000007").user_id
    assert abs(int(message.pop("timestamp")) - timezone.now().timestamp()) < 5
    assert message.pop("id") == wamid
    assert made["object"] == "whatsapp_business_account"
    assert made["entry"][0]["id"] == "200000000000001"
    assert made["entry"][0]["changes"][0]["field"] == "messages"
    assert value == {
        "messaging_product": "whatsapp",
        "metadata": {"display_phone_number": "15550783881", "phone_number_id": "106540352242922"},
        "contacts": [{"profile": {"name": "Juan Pérez"}, "wa_id": "5491100000007", "user_id": user_id}],
        "messages": [
            {
                "from": "5491100000007",
                "from_user_id": user_id,
                "type": "text",
                "text": {"body": "¿Está abierto?"},
            }
        ],
    }


@pytest.mark.parametrize(
    ("phone", "country"), [("5491100000007", "AR"), ("16505551234", "US"), ("99999999", "US")]
)
def test_person_has_a_stable_user_id_of_their_country(phone: str, country: str) -> None:
    user_id = callbacks.person(phone=phone).user_id

    assert user_id == callbacks.person(phone=phone, name="Another").user_id
    assert user_id.startswith(f"{country}.")
    assert user_id.endswith(phone[-4:])


def test_bytes_escape_what_meta_escapes_and_still_mean_the_same() -> None:
    body = callbacks.to_bytes({"url": "https://example.com/ñ", "emoji": "👍"})

    assert body == b'{"url":"https:\\/\\/example.com\\/\\u00f1","emoji":"\\ud83d\\udc4d"}'
    assert json.loads(body) == {"url": "https://example.com/ñ", "emoji": "👍"}


def test_due_callback_is_posted_signed_over_its_raw_bytes_and_forgotten(door: Receiver) -> None:
    made = payload("señal/ñandú 👍")
    callbacks.schedule(payload=made)

    assert callbacks.post_due() == 1

    assert door.payloads() == [made]
    assert door.is_signed_with("the sandbox's secret") == [True]
    assert door.posts[0][0]["content-type"] == "application/json"
    assert PendingCallback.objects.count() == 0


def test_callback_waits_until_it_is_due(door: Receiver) -> None:
    callbacks.schedule(payload=payload(), delay_seconds=60)

    assert callbacks.post_due() == 0

    assert door.posts == []
    assert PendingCallback.objects.get().attempts == 0


def test_callbacks_are_posted_in_the_order_they_fell_due(door: Receiver) -> None:
    texts = ["third", "first", "second"]
    for text, age in zip(texts, (1, 3, 2), strict=True):
        callbacks.schedule(payload=payload(text), delay_seconds=-age)

    callbacks.post_due()

    bodies = [
        made["entry"][0]["changes"][0]["value"]["messages"][0]["text"]["body"] for made in door.payloads()
    ]
    assert bodies == ["first", "second", "third"]


def test_limit_leaves_the_rest_for_the_next_call(door: Receiver) -> None:
    callbacks.schedule_all([callbacks.Callback(0, payload(str(number))) for number in range(5)])

    assert callbacks.post_due(limit=3) == 3
    assert callbacks.post_due(limit=3) == 2
    assert callbacks.post_due(limit=3) == 0

    assert len(door.posts) == 5


def test_refused_callback_is_kept_and_waits_longer_each_time(door: Receiver) -> None:
    door.status = 503
    callbacks.schedule(payload=payload())

    waits = []
    for _ in range(3):
        assert callbacks.post_due() == 0
        waits.append(_seconds_until_due())
        PendingCallback.objects.update(due_at=Now())
    door.status = 200

    assert [round(wait) for wait in waits] == [1, 2, 4]
    assert callbacks.post_due() == 1
    assert len(door.posts) == 4
    assert len({body for _, body in door.posts}) == 1


def test_closed_door_keeps_the_callback(settings: Settings) -> None:
    settings.SANDBOX_CALLBACK_URL = "http://127.0.0.1:9/meta/webhook"
    callbacks.schedule(payload=payload())

    assert callbacks.post_due() == 0

    assert PendingCallback.objects.get().attempts == 1


def test_one_refusal_does_not_hold_up_the_others(settings: Settings, door: Receiver) -> None:
    callbacks.schedule_all([callbacks.Callback(0, payload(str(number))) for number in range(3)])
    door.status = 500
    callbacks.post_due(limit=1)
    door.status = 200

    assert callbacks.post_due() == 2
    assert PendingCallback.objects.count() == 1


def test_callback_is_given_up_after_twenty_attempts(door: Receiver, caplog: pytest.LogCaptureFixture) -> None:
    door.status = 500
    callbacks.schedule(payload=payload())
    PendingCallback.objects.update(attempts=callbacks.MAX_ATTEMPTS - 1)

    with caplog.at_level(logging.WARNING, logger="gosend.sandbox.callbacks"):
        assert callbacks.post_due() == 0

    assert PendingCallback.objects.count() == 0
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "given up after 20 attempts" in caplog.text


def test_claimed_callback_is_nobody_elses_until_its_lease_ends(door: Receiver) -> None:
    callbacks.schedule(payload=payload())

    assert len(callbacks._claim(10)) == 1

    assert callbacks.post_due() == 0
    assert round(_seconds_until_due()) == round(callbacks.LEASE_SECONDS)
    PendingCallback.objects.update(due_at=Now())
    assert callbacks.post_due() == 1


def test_schedule_rings_for_a_worker_but_not_for_every_message(
    django_capture_on_commit_callbacks: Any,
) -> None:
    callbacks._last_ring = float("-inf")

    with django_capture_on_commit_callbacks() as rung:
        for _ in range(5):
            callbacks.schedule(payload=payload())

    assert len(rung) == 1
    assert PendingCallback.objects.count() == 5


def test_schedule_of_nothing_writes_nothing(django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(0):
        callbacks.schedule_all([])


def test_write_posts_at_once_and_names_the_message(door: Receiver) -> None:
    wamid = callbacks.write(door=door.url, line=LINE, from_phone="5491100000007", text="Hola", name="Juan")

    (made,) = door.payloads()
    assert callbacks.wamid_of(made) == wamid
    assert door.is_signed_with("the sandbox's secret") == [True]


def test_write_says_when_the_door_is_closed(door: Receiver) -> None:
    door.status = 403

    with pytest.raises(callbacks.DoorClosed):
        callbacks.write(door=door.url, line=LINE, from_phone="5491100000007", text="x")


def test_backoff_never_waits_longer_than_five_minutes() -> None:
    waits = [callbacks.backoff_seconds(attempts) for attempts in range(1, callbacks.MAX_ATTEMPTS)]

    assert waits[:4] == [1, 2, 4, 8]
    assert max(waits) == 300
    assert 3000 < sum(waits) < 7200


def _seconds_until_due() -> float:
    with connection.cursor() as cursor:
        cursor.execute("SELECT due_at - statement_timestamp() FROM sandbox_pendingcallback")
        wait: timedelta = cursor.fetchone()[0]
    return wait.total_seconds()
